"""A program finds its libraries beside it, wherever it is copied to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tfprov.bundle.runpath import make_relative

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
