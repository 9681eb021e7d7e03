from __future__ import annotations

from pathlib import Path
from typing import get_args

from tfprov.ladder.rungs import Rung
from tfprov.profile.records import Loaded, Profile, RungName


def test_every_rung_but_the_first_can_be_skipped() -> None:
    assert set(get_args(RungName)) == {rung.value for rung in Rung} - {"normal"}


def test_a_tilde_in_a_path_is_the_home_directory(tmp_path: Path) -> None:
    loaded = Loaded(profile=Profile(name="x"), path=tmp_path / "x.toml", shipped=False, digest="")
    assert loaded.resolve("~/envs/x") == Path.home() / "envs" / "x"
    assert loaded.resolve("../x") == tmp_path / ".." / "x"
