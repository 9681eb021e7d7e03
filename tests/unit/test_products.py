"""A file that the user named is written only where nothing else is in its place."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.ladder.classify import classify_exception
from tfprov.products import Product, check_new, check_place, foreign


def refused(path: Path) -> TfprovError:
    with pytest.raises(TfprovError) as caught:
        check_new(path, other="choose another name")
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
    assert error.hint == "choose another name; existing files are not overwritten"


def test_a_folder_that_does_not_exist_is_not_made(tmp_path: Path) -> None:
    error = refused(tmp_path / "nothing" / "train.toml")
    assert (error.code.name, error.what) == ("usage", f"there is no folder `{tmp_path / 'nothing'}`")


def test_a_new_file_passes_and_is_not_made(tmp_path: Path) -> None:
    check_new(tmp_path / "train.toml", other="choose another name")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EACCES, "permission-denied"),
        (errno.EROFS, "read-only-fs"),
        (errno.ENOSPC, "disk-full"),
        (errno.ENOENT, "filesystem-feature"),
    ],
)
def test_what_the_system_says_of_a_place_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    def fail(_: Path) -> None:
        raise OSError(number, os.strerror(number), "a temporary name")

    monkeypatch.setattr("tfprov.products.try_file", fail)
    with pytest.raises((OSError, TfprovError)) as caught:
        check_new(tmp_path / "train.toml", other="choose another name")
    error = classify_exception(caught.value)
    assert error.code.name == code
    assert str(tmp_path) in f"{error.what} {error.evidence}"
    assert "a temporary name" not in f"{error.what} {error.evidence}"


def test_a_place_without_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr("tfprov.products.try_file", fail)
    path = tmp_path / "deeper" / "out.xml"
    with pytest.raises(TfprovError) as caught:
        check_place(path)
    error = caught.value
    assert error.what == f"no file can be created in `{tmp_path}`, so `{path}` cannot be written"
    assert (error.evidence, error.hint) == (("the system reports: Invalid argument",), "choose another path")


def test_a_file_that_tfprov_did_not_make_is_to_be_moved_away(tmp_path: Path) -> None:
    error = foreign(tmp_path / "lock", "it has no table")
    assert (error.code.name, error.what) == ("path-not-ours", f"`{tmp_path / 'lock'}` was not made by tfprov")
    assert (error.evidence, error.hint) == (
        ("it has no table",),
        "move it away; tfprov never overwrites what it did not make",
    )


OURS = Product(what="a note", is_ours=lambda stream: stream.read(4) == b"ours")


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (None, ""),
        (b"", ""),
        (b"ours, older", ""),
        (b"mine", "it exists, and tfprov did not write it"),
        ("folder", "it is a folder"),
        pytest.param("link", "it is a link", marks=pytest.mark.skipif(os.name == "nt", reason="links need a right")),
        pytest.param("fifo", "it is not a regular file", marks=pytest.mark.skipif(os.name == "nt", reason="POSIX")),
    ],
)
def test_only_a_file_of_its_own_kind_is_replaced(tmp_path: Path, before: bytes | str | None, why: str) -> None:
    path = tmp_path / "note"
    if isinstance(before, bytes):
        path.write_bytes(before)
    elif before == "folder":
        path.mkdir()
    elif before == "link":
        path.symlink_to("elsewhere")
    elif before == "fifo":
        os.mkfifo(path)
    if not why:
        OURS.write(path, b"ours, newer")
        assert path.read_bytes() == b"ours, newer"
        return
    with pytest.raises(TfprovError) as caught:
        OURS.write(path, b"ours, newer")
    error = caught.value
    assert (error.what, error.evidence) == (f"`{path}` cannot become a note", (why,))
    assert error.hint == "choose another path; tfprov replaces only files of that kind that it wrote itself"
