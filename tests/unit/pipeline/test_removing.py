from __future__ import annotations

from pathlib import Path

from claimed import made
from tfprov.pipeline.removing import remove


def test_removing_takes_everything(tmp_path: Path) -> None:
    environment = made(tmp_path / "home", "train", tmp_path / "train.toml", generations=2)
    assert remove(environment, "train") == ()
    assert not environment.root.exists()


def test_what_a_bundle_brought_goes_with_its_environment_and_a_profile_of_the_user_stays(tmp_path: Path) -> None:
    home = tmp_path / "home"
    mine = tmp_path / "bundles" / "train" / "train.toml"
    brought = home / "data" / "bundles" / "train" / "train.toml"
    for profile in (mine, brought):
        profile.parent.mkdir(parents=True)
        profile.write_text('name = "train"\n')
        environment = made(home, "train", profile, generations=1)
        assert remove(environment, "train") == ()
    assert mine.is_file()
    assert list((home / "data" / "bundles").iterdir()) == []
