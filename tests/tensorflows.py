"""Environments with the real TensorFlow, from the index that this machine is configured with."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv

from tfprov.host.interpreters import discover
from tfprov.host.records import Interpreter

Recipe = tuple[str, tuple[str, ...]]
"""Version of Python, and what is installed into the environment."""


def call(*argv: str | Path) -> None:
    """Run uv."""
    done = subprocess.run([uv.find_uv_bin(), *argv], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def install(environment: Path, *requirements: str) -> None:
    """Install into an environment."""
    call("pip", "install", "--python", environment / "bin" / "python", *requirements)


def create(recipe: Recipe, folder: Path) -> Path:
    """A new environment; the test is skipped where its Python is missing."""
    version, requirements = recipe
    fitting = [one.path for one in discover(os.environ) if _is_usable(one, version)]
    if not fitting:
        pytest.skip(f"no Python {version} on this machine")
    call("venv", "--python", fitting[0], folder)
    install(folder, *requirements)
    return folder


def _is_usable(interpreter: Interpreter, version: str) -> bool:
    return interpreter.problem is None and interpreter.version.startswith(f"{version}.") and not interpreter.virtual


@contextlib.contextmanager
def shared(factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """A folder that all processes of this test run have in common, for one of them at a time."""
    import fcntl

    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield root / name


def original(factory: pytest.TempPathFactory, recipe: Recipe) -> Path:
    """An environment for all processes of this test run, in which TensorFlow was imported: its modules are compiled."""
    version, requirements = recipe
    with shared(factory, f"{' '.join(requirements).replace('<', ' below ')} on {version}") as folder:
        environment = folder / "environment"
        if not (folder / "done").exists():
            create(recipe, environment)
            imported = (environment / "bin" / "python", "-I", "-c", "import tensorflow")
            subprocess.run(imported, capture_output=True, check=True)
            (folder / "done").touch()
    return environment
