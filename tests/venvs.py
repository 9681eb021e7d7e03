"""Environments that the `venv` of the standard library makes."""

from __future__ import annotations

import os
import venv
from pathlib import Path

import pytest


def make(folder: Path) -> Path:
    """An environment without pip at this path; skips the test where `venv` is incomplete."""
    # On Windows it copies a launcher that lies beside it; a Python from an embeddable package has none, and what
    # `venv` makes then has no interpreter.
    if os.name == "nt" and not any(Path(venv.__file__).parent.glob("scripts/nt/*.exe")):
        pytest.skip("the `venv` of this Python lacks its launcher (scripts/nt)")
    # Without symlinks the interpreter of a relocatable Python would not find its library.
    venv.EnvBuilder(symlinks=os.name == "posix", with_pip=False).create(folder)
    return folder
