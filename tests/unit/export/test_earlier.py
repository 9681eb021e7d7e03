from __future__ import annotations

import os
import struct
import tarfile
from pathlib import Path

import pytest

from tfprov.export.archive import write
from tfprov.export.earlier import is_same, looks_exported
from tfprov.export.tree import MOMENT, TreeMember

TREE = [TreeMember(path="opt", is_folder=True), TreeMember(path="opt/x", data=b"x" * 9000)]
FILE_SYSTEM = struct.pack("<4sII", b"hsqs", 1, MOMENT) + bytes(90)


@pytest.mark.parametrize("packed", [False, True])
def test_an_archive_is_one_of_ours_by_its_moment_whatever_is_cut_off(tmp_path: Path, packed: bool) -> None:
    made = tmp_path / "made"
    write(made, TREE, packed=packed)
    assert looks_exported(made)
    content = made.read_bytes()
    for end in (0, 1, 2, 11, 40):
        made.write_bytes(content[:end])
        assert not looks_exported(made)
    (tmp_path / "file").touch()
    with tarfile.open(made, "w:gz" if packed else "w") as archive:
        archive.add(tmp_path / "file", "opt")
    assert not looks_exported(made)


def test_a_file_system_is_one_of_ours_by_its_moment(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.write_bytes(FILE_SYSTEM)
    assert looks_exported(made)
    for other in (FILE_SYSTEM[:11], FILE_SYSTEM.replace(struct.pack("<I", MOMENT), struct.pack("<I", MOMENT + 1))):
        made.write_bytes(other)
        assert not looks_exported(made)


@pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")
def test_links_pipes_and_other_folders_are_not_ours(tmp_path: Path) -> None:
    write(tmp_path / "made", TREE)
    (tmp_path / "link").symlink_to("made")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").mkdir()
    for other in ("link", "pipe", ".", "empty", "nothing"):
        assert not looks_exported(tmp_path / other)


def test_folders_are_the_same_if_all_in_them_is(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name / "blobs").mkdir(parents=True)
        (tmp_path / name / "blobs" / "x").write_text("x")
    one, other = tmp_path / "one", tmp_path / "other"
    assert is_same(one, other)
    (other / "blobs" / "x").write_text("y")
    assert not is_same(one, other)
    (other / "blobs" / "x").write_text("x")
    (other / "more").mkdir()
    assert not is_same(one, other)
    assert not is_same(one, other / "blobs" / "x")
    assert not is_same(other / "blobs" / "x", one)
