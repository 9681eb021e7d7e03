from __future__ import annotations

import hashlib
import os
import tarfile
from pathlib import Path

import pytest

from tfprov.export.archive import write
from tfprov.export.tree import MOMENT, TreeMember


def tree(folder: Path) -> list[TreeMember]:
    source = folder / "source"
    source.write_bytes(b"on the disk")
    return [
        TreeMember(path="opt", is_folder=True),
        TreeMember(path="opt/data", data=b"in memory"),
        TreeMember(path="opt/link", link="data"),
        TreeMember(path="opt/run", source=source, executable=True),
    ]


@pytest.mark.parametrize("packed", [False, True])
def test_the_same_tree_gives_the_same_bytes_at_any_time(tmp_path: Path, packed: bool) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    told = write(first, tree(tmp_path), packed=packed)
    os.utime(tmp_path / "source", (1.0, 1.0))
    assert write(second, tree(tmp_path), packed=packed) == told
    assert first.read_bytes() == second.read_bytes()
    assert told == (hashlib.sha256(first.read_bytes()).hexdigest(), first.stat().st_size)


@pytest.mark.parametrize("packed", [False, True])
def test_members_have_their_content_and_nothing_of_this_machine(tmp_path: Path, packed: bool) -> None:
    write(tmp_path / "archive", tree(tmp_path), packed=packed)
    with tarfile.open(tmp_path / "archive", "r:gz" if packed else "r:") as archive:
        members = archive.getmembers()
        contents = {one.name: archive.extractfile(one).read() for one in members if one.isfile()}  # type: ignore[union-attr]  # of a file there is one
    assert [(one.name, one.mode, one.linkname) for one in members] == [
        ("opt", 0o755, ""),
        ("opt/data", 0o644, ""),
        ("opt/link", 0o777, "data"),
        ("opt/run", 0o755, ""),
    ]
    assert contents == {"opt/data": b"in memory", "opt/run": b"on the disk"}
    assert {(one.uid, one.gid, one.uname, one.gname, one.mtime) for one in members} == {(0, 0, "", "", MOMENT)}
