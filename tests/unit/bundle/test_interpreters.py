from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from tfprov.bundle.interpreters import copy, unpack
from tfprov.errors import TfprovError
from told import refusal, told


def archive(*members: tarfile.TarInfo) -> io.BytesIO:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as packed:
        for member in members:
            packed.addfile(member, io.BytesIO(b"x" * member.size))
    content.seek(0)
    return content


def member(name: str, *, link: str = "", size: int = 1) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.mode = 0o755
    if link:
        found.type, found.linkname = tarfile.SYMTYPE, link
    else:
        found.size = size
    return found


@pytest.mark.skipif(os.name != "posix", reason="interpreters of Windows are not moved, and few users may make links")
def test_an_archive_is_unpacked_whole_with_its_programs_and_links(tmp_path: Path) -> None:
    unpack(archive(member("bin/python3.12"), member("bin/python3", link="python3.12")), tmp_path / "deep" / "python")
    assert (tmp_path / "deep" / "python" / "bin" / "python3").read_bytes() == b"x"
    assert (tmp_path / "deep" / "python" / "bin" / "python3.12").stat().st_mode & 0o100
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["python"]


@pytest.mark.parametrize(
    "bad", [member("../out"), member("/tmp/out"), member("a", link="../../out"), member("a/../../out")]
)
def test_an_archive_that_reaches_outside_leaves_nothing(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    content = archive(member("bin/python3"), bad)
    words = f"a link to `{bad.linkname}`" if bad.linkname else f"`{bad.name}`"
    what = f"the archive of the interpreter contains {words}"
    assert refusal(lambda: unpack(content, tmp_path / "in" / "python"))[:2] == ("bundle-invalid", what)
    assert [path.name for path in tmp_path.rglob("*")] == ["in"]


@pytest.mark.skipif(os.name != "posix", reason="a script for a POSIX shell")
@pytest.mark.parametrize(
    ("script", "why"),
    [
        (None, "it does not start: Permission denied"),
        ("#!/nowhere\n", "it does not start: No such file or directory"),
        ("#!/bin/sh\necho '{}'\n", "it does not start: {}"),
        ("#!/bin/sh\necho '[1]'\n", "it does not start: [1]"),
        ("#!/bin/sh\necho gone >&2; exit 3\n", "it does not start: gone"),
        ("#!/bin/sh\nexit 3\n", "it does not start: 3"),
    ],
)
def test_a_python_that_does_not_start_cannot_be_moved(tmp_path: Path, script: str | None, why: str) -> None:
    python = tmp_path / "python3"
    python.write_text(script or "")
    python.chmod(0o755 if script else 0o644)
    with pytest.raises(TfprovError) as caught:
        copy(python, tmp_path / "copy", environ={"PATH": os.environ["PATH"]})
    assert told(caught.value)[:3] == ("python-not-movable", f"`{python}` cannot be moved to another place", why)


def test_an_archive_that_was_cut_off_leaves_nothing(tmp_path: Path) -> None:
    whole = archive(member("bin/python3", size=100_000)).getvalue()
    half = io.BytesIO(whole[: len(whole) // 2])
    words = ("bundle-invalid", "the archive of the interpreter cannot be read")
    assert refusal(lambda: unpack(half, tmp_path / "python"))[:2] == words
    assert list(tmp_path.iterdir()) == []
