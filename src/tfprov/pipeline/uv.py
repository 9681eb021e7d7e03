"""uv: its executable, and leftovers of killed uv processes in its cache."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from tfprov.extras import incomplete


def uv_executable() -> Path:
    """Path of the uv executable that is installed with tfprov.

    Raises:
        TfprovError: `extra-missing` when it is gone.
    """
    from uv import find_uv_bin

    try:
        return Path(find_uv_bin())
    except FileNotFoundError as error:
        raise incomplete("the executable of `uv` is missing, and tfprov needs it", str(error)) from error


def sweep(cache: Path) -> None:
    """Delete unfinished files of killed uv processes from its cache; does nothing while uv holds the cache's lock."""
    if os.name != "posix" or not cache.is_dir():
        return
    import fcntl

    with contextlib.suppress(OSError), (cache / ".lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for left in (*cache.glob(".tmp*"), *cache.glob("*/.tmp*")):
            shutil.rmtree(left, ignore_errors=True)
