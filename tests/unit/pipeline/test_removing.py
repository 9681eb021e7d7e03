from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from claimed import made
from tfprov import paths
from tfprov.pipeline import kernels
from tfprov.pipeline.removing import finish, remove, remove_all
from tfprov.trash import to_trash


def test_removing_takes_everything(tmp_path: Path) -> None:
    environment = made(tmp_path / "home", "train", tmp_path / "train.toml", generations=2)
    assert remove(environment, "train") == ()
    assert not environment.root.exists()


def test_an_environment_is_removed_from_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = made(tmp_path / "home", "train", tmp_path / "train.toml", generations=1)
    (environment.root / "kernels.json").write_text("[]")

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(kernels, "write_atomic", full)
    assert remove(environment, "train") == ()
    assert not environment.root.exists()


def test_what_a_killed_removal_left_goes_with_the_next(tmp_path: Path) -> None:
    environment = made(tmp_path / "home", "train", tmp_path / "train.toml", generations=2)
    other = made(tmp_path / "home", "other", tmp_path / "other.toml", generations=1)
    environment.remove()  # killed before the deletion
    assert finish(environment)
    assert sorted(path.name for path in environment.root.parent.glob("*")) == [other.id]
    assert not finish(environment)


def test_what_a_killed_removal_of_all_left_goes_with_the_next(tmp_path: Path) -> None:
    home = paths.home({"TFPROV_HOME": str(tmp_path / "home")})
    made(tmp_path / "home", "train", tmp_path / "train.toml", generations=2).remove()
    home.images.mkdir()
    to_trash(home.images)
    assert remove_all(home) == ((), ())
    assert [path.name for folder in (home.data, home.environments) for path in folder.glob(".*.trash")] == []


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
