"""Compiled modules that are cut are told from whole ones, by every Python that environments are made for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from old_pythons import old_python
from tfprov.envs.bytecode import cut_bytecode

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the interpreter is linked in")


@pytest.mark.parametrize("minor", ["3.6", "3.7", "3.13"])
def test_only_what_is_cut_and_would_be_taken_is_named(tmp_path: Path, minor: str) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(old_python(minor)[0])
    for name in ("whole", "cut", "stale"):
        (tmp_path / f"{name}.py").write_text("X = [1, 2, 3]\n" * 20)
    compiling = (tmp_path / "bin" / "python", "-I", "-S", "-m", "compileall", "-q", tmp_path)
    subprocess.run(compiling, check=True, env={"PATH": os.defpath})
    assert cut_bytecode(tmp_path, environ={}) == ()
    made = {name: next((tmp_path / "__pycache__").glob(f"{name}.*.pyc")) for name in ("cut", "stale")}
    for path in made.values():
        path.write_bytes(path.read_bytes()[:-9])
    (tmp_path / "stale.py").write_text("X = 1\n")  # it is compiled anew
    assert cut_bytecode(tmp_path, environ={}) == (f"__pycache__/{made['cut'].name}",)
    made["stale"].unlink()
    os.mkfifo(made["stale"])  # an import would wait for it
    assert cut_bytecode(tmp_path, environ={}) == tuple(f"__pycache__/{made[name].name}" for name in ("cut", "stale"))
    os.mkfifo(tmp_path / "pyvenv.cfg")
    assert cut_bytecode(tmp_path, environ={}) == ()


def test_without_an_interpreter_nothing_is_said(tmp_path: Path) -> None:
    assert cut_bytecode(tmp_path, environ={}) == ()
