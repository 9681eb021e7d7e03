"""Environments with the real TensorFlow, from the index that this machine is configured with."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uv

from command import tfprov
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


def first_home(factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A home for all processes of this test run, in which the shipped profile `cpu` was brought up first.

    What else is brought up there finds TensorFlow downloaded and unpacked.

    Returns:
        The home, and the document of that first `up --json`.
    """
    with shared(factory, "hôme with spaces") as home:
        told = home.with_name("told by the first up.json")
        if not told.exists():
            done = tfprov(home, "up", "cpu", "--json")
            assert done.returncode == 0, done.stderr
            told.write_text(done.stdout, encoding="utf-8")
    return home, json.loads(told.read_text(encoding="utf-8"))
