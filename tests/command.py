"""The command as its users start it, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def tfprov(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end.

    Args:
        home: where it keeps its things; its parent is the working directory.
        arguments: of the command line.
    """
    return subprocess.run(
        [sys.executable, "-I", "-m", "tfprov", *arguments],
        env={**os.environ, "TFPROV_HOME": str(home)},
        cwd=home.parent,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
