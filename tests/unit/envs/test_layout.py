from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfprov.envs.layout import executables_in, python_in, unusable


def test_the_interpreter_and_the_commands_are_where_a_venv_has_them(tmp_path: Path) -> None:
    folder, name = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    assert python_in(tmp_path) == tmp_path / folder / name
    assert executables_in(tmp_path) == tmp_path / folder


@pytest.mark.skipif(os.name == "nt", reason="there, every file may be run")
def test_an_interpreter_that_is_gone_is_told_from_one_that_may_not_be_run(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.symlink_to("python3")
    assert unusable(python) == "its interpreter is gone"
    (tmp_path / "python3").touch(mode=0o644)
    assert unusable(python) == "you may not run its interpreter"
    (tmp_path / "python3").chmod(0o755)
    assert unusable(python) == ""
