"""The Pythons of pyenv on this machine: what runs inside environments has to run on the old ones, too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

MINORS = ("3.6", "3.7", "3.8")


def old_python(minor: str) -> tuple[Path, str]:
    """Path and full version of such an interpreter of pyenv; the test is skipped where there is none."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = sorted(root.glob(f"{minor}.[0-9]*/bin/python{minor}"))
    if not found:
        pytest.skip(f"no Python {minor} below {root}")
    return found[-1], found[-1].parents[1].name
