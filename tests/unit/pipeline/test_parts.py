from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.pipeline.context import Request
from tfprov.pipeline.parts import Parts, parts


def of(profile: str, cwd: Path) -> Parts:
    return parts(Request(profile=profile, cwd=cwd, environ={"TFPROV_HOME": str(cwd / "home")}))


def test_a_profile_is_itself_what_it_names_what_that_includes_and_its_lock(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "ca.pem").touch()
    (tmp_path / "conf" / "x.toml").write_text(
        'name = "resnet"\n[packages]\nfiles = ["../needs.txt"]\n[smoke]\nscripts = ["check.py"]\n'
        f'[network]\nca-bundle = "{tmp_path.as_posix()}/own/ca.pem"\n[index]\nfind-links = ["../own"]\n'
    )
    (tmp_path / "needs.txt").write_text("-r own/more.txt\n-c own/bounds.txt\n")
    (tmp_path / "own" / "more.txt").write_text("attrs\n")
    (tmp_path / "own" / "bounds.txt").write_text("attrs<99\n")
    (tmp_path / "conf" / "check.py").touch()
    (tmp_path / "conf" / "pylock.resnet.toml").touch()
    found = of("conf/x.toml", tmp_path)
    assert (found.root, found.profile) == (tmp_path, "conf/x.toml")
    assert found.files[0] == "conf/x.toml"
    assert set(found.files[1:]) == {
        *("needs.txt", "own/more.txt", "own/bounds.txt", "conf/check.py", "conf/pylock.resnet.toml")
    }
    assert [Path(path) for path in found.left] == [tmp_path / "own/ca.pem"]


def test_a_profile_alone_is_one_file_in_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "train.toml").write_text('name = "train"\n')
    assert of("train.toml", tmp_path) == Parts(profile="train.toml", root=tmp_path, files=("train.toml",))


def test_the_lock_of_a_conda_profile_goes_along(tmp_path: Path) -> None:
    (tmp_path / "train.toml").write_text('name = "train"\n[environment]\nkind = "conda"\n')
    (tmp_path / "train.conda-lock.yml").touch()
    assert of("train.toml", tmp_path).files == ("train.toml", "train.conda-lock.yml")


def test_a_shipped_profile_is_on_every_machine(tmp_path: Path) -> None:
    found = of("cpu", tmp_path)
    assert (found.profile, found.files) == ("cpu", ())


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    (tmp_path / "train.toml").write_text('name = "train"\n[packages]\nfiles = ["gone.txt"]\n')
    with pytest.raises(TfprovError, match="mistake"):
        of("train.toml", tmp_path)
