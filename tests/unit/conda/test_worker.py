"""What the worker loads for a lock, each time in a process of its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SHOW = """
import sys
sys.path[:0] = sys.argv[1:]
from tfprov.conda import worker
print(hasattr(worker._lockfile(), "write"), "conda_lock.conda_lock" in sys.modules)
"""


def loaded(*first: Path) -> list[str]:
    """Whether there is a module for locks, and whether conda-lock's command line was imported for it.

    Args:
        first: folders with packages that come before those that are installed.
    """
    argv = [sys.executable, "-I", "-c", SHOW, *first]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.skipif(importlib.util.find_spec("conda_lock") is None, reason="the extra `conda` is not installed")
def test_a_lock_does_without_the_command_line_of_conda_lock() -> None:
    assert loaded() == ["True", "False"]


def test_models_that_need_the_command_line_get_it(tmp_path: Path) -> None:
    for name, text in (
        ("__init__", "from conda_lock.conda_lock import main"),
        ("conda_lock", "main = 1"),
        ("lockfile/__init__", "from conda_lock import main\nparse_conda_lock_file = write_conda_lock_file = main"),
        ("lockfile/v1/models", "HashModel = LockMeta = 1"),
        ("lockfile/v2prelim/models", "LockedDependency = Lockfile = 1"),
        ("models/channel", "Channel = 1"),
    ):
        path = tmp_path / "conda_lock" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    assert loaded(tmp_path) == ["True", "True"]
