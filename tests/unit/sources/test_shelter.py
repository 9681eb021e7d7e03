from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tfprov.sources import shelter


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_a_process_gets_no_more_memory_than_it_may_have() -> None:
    command = [*shelter.bounded(1 << 30), sys.executable, "-I", "-c", "len(bytearray(2 << 30))"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "MemoryError" in done.stderr
    assert subprocess.run([*shelter.bounded(1 << 30), sys.executable, "-I", "-c", ""], check=False).returncode == 0


def test_no_limit_changes_nothing() -> None:
    assert shelter.bounded(None) == ()


def test_without_a_tool_that_shuts_it_off_the_network_stays(tmp_path: Path) -> None:
    assert shelter.no_network({"PATH": str(tmp_path)}) == ()


def test_a_build_sees_where_programs_are_and_nothing_of_the_user(tmp_path: Path) -> None:
    environ = {"PATH": "/usr/bin", "LC_ALL": "C", "HOME": "/home/me", "TOKEN": "x", "PYTHONPATH": "/x", "CFLAGS": "-x"}
    found = shelter.variables(environ, scripts=tmp_path / "bin", home=tmp_path)
    assert found["PATH"] == f"{tmp_path / 'bin'}{os.pathsep}/usr/bin"
    assert found["LC_ALL"] == "C"
    assert found["HOME"] == str(tmp_path)
    assert not {"TOKEN", "PYTHONPATH", "CFLAGS"} & set(found)
