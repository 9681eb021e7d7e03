"""uv: its executable, and what killed ones leave in its cache."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

_FORGET_SECONDS = 60.0


def uv_executable() -> Path:
    """The uv that is installed with tfprov."""
    from uv import find_uv_bin

    return Path(find_uv_bin())


def sweep(cache: Path) -> None:
    """Delete what killed installers left half unpacked, unless one is at work: uv holds the lock of its cache then."""
    if os.name != "posix" or not cache.is_dir():
        return
    import fcntl

    with contextlib.suppress(OSError), (cache / ".lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for left in (*cache.glob(".tmp*"), *cache.glob("*/.tmp*")):
            shutil.rmtree(left, ignore_errors=True)
