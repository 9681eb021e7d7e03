"""Where things are in an environment's folder."""

from __future__ import annotations

import os
from pathlib import Path


def python_in(environment: Path) -> Path:
    """The interpreter inside an environment's folder."""
    return environment / "Scripts" / "python.exe" if os.name == "nt" else environment / "bin" / "python"


def executables_in(environment: Path) -> Path:
    """The folder of an environment's commands."""
    return python_in(environment).parent
