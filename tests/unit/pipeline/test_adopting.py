"""What `adopt` writes is never written over a file that is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.pipeline import adopting


def refused(path: Path) -> TfprovError:
    with pytest.raises(TfprovError) as caught:
        adopting.refuse_existing(path)
    return caught.value


@pytest.mark.parametrize("kind", ["file", "folder", *(["dangling link"] if os.name == "posix" else [])])
def test_what_exists_stays(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "train.toml"
    if kind == "file":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    error = refused(path)
    assert (error.code.name, error.what) == ("path-not-ours", f"`{path}` already exists")
    assert error.hint == "choose another path with `--output`; existing files are not overwritten"


def test_a_folder_that_does_not_exist_is_not_made(tmp_path: Path) -> None:
    error = refused(tmp_path / "nothing" / "train.toml")
    assert (error.code.name, error.what) == ("usage", f"there is no folder `{tmp_path / 'nothing'}`")


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adopting, "writable", lambda _folder: False)
    error = refused(tmp_path / "train.toml")
    assert (error.code.name, error.what) == ("permission-denied", f"`{tmp_path / 'train.toml'}` cannot be created")
    assert error.evidence == (f"no files can be created in `{tmp_path}`",)
    assert error.hint == "use `--output` to write the profile to a folder of yours"


def test_a_new_profile_passes(tmp_path: Path) -> None:
    adopting.refuse_existing(tmp_path / "train.toml")
    assert list(tmp_path.iterdir()) == []
