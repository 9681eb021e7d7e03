from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest

from tfprov.bundle.interpreters import unpack
from tfprov.bundle.runpath import make_relative
from tfprov.errors import TfprovError


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


def test_an_archive_is_unpacked_whole_with_its_programs_and_links(tmp_path: Path) -> None:
    unpack(archive(member("bin/python3.12"), member("bin/python3", link="python3.12")), tmp_path / "deep" / "python")
    assert (tmp_path / "deep" / "python" / "bin" / "python3").read_bytes() == b"x"
    assert (tmp_path / "deep" / "python" / "bin" / "python3.12").stat().st_mode & 0o100
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["python"]


@pytest.mark.parametrize(
    "bad", [member("../out"), member("/tmp/out"), member("a", link="../../out"), member("a/../../out")]
)
def test_an_archive_that_reaches_outside_leaves_nothing(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    with pytest.raises(TfprovError) as caught:
        unpack(archive(member("bin/python3"), bad), tmp_path / "in" / "python")
    assert caught.value.code.name == "bundle-invalid"
    assert [path.name for path in tmp_path.rglob("*")] == ["in"]


def test_an_archive_that_was_cut_off_leaves_nothing(tmp_path: Path) -> None:
    whole = archive(member("bin/python3", size=100_000)).getvalue()
    with pytest.raises(TfprovError):
        unpack(io.BytesIO(whole[: len(whole) // 2]), tmp_path / "python")
    assert list(tmp_path.iterdir()) == []


REAL = Path(os.path.realpath(sys.executable))


@pytest.mark.skipif(sys.platform != "linux", reason="the programs of other systems are not ELF")
def test_a_program_finds_its_library_beside_its_copy(tmp_path: Path) -> None:
    prefix = REAL.parents[1]
    libraries = [one for one in prefix.glob("lib/libpython3.*.so.*") if one.is_file()]
    if not libraries or not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        pytest.skip("this Python has no shared library of its own")
    root = tmp_path / "moved élsewhere"
    for file in (REAL, *libraries):
        place = root / file.relative_to(prefix)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, place)
    program = root / REAL.relative_to(prefix)
    before = program.stat()
    assert make_relative(program, prefix)
    assert (program.stat().st_size, program.stat().st_mode) == (before.st_size, before.st_mode)
    found = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True).stdout
    assert str(root) in found
    assert str(prefix) not in found
    assert subprocess.run([program, "--version"], capture_output=True, check=True).returncode == 0
    # A second time there is nothing left to change.
    assert not make_relative(program, prefix)


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF\x02\x01", b"\x7fELF\x02\x01" + b"\xff" * 300])
def test_what_is_no_program_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert not make_relative(tmp_path / "file", Path("/usr"))
    assert (tmp_path / "file").read_bytes() == content
