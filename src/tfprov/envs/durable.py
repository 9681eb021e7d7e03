"""Flushing the file system, so that a verified environment survives a loss of power.

The files of an environment come from installers and links, and syncing 17,000 files one by one is too slow. One call of
`syncfs` writes back the whole file system. It starts when the installer has finished and runs beside the smoke test;
what the smoke test wrote is flushed before the seal. Measured on a laptop disk: 1.3 s for 2 GB of unwritten data, a few
milliseconds when the first call had 5 s of smoke test to work in.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path

from tfprov.writing import sync_folder

SECONDS = 30.0
"""Longest wait for a slow disk. After it the run goes on: an environment that works is worth more than one that would
survive a loss of power in the next minute."""


def begin(folder: Path) -> threading.Thread:
    """Start flushing the file system of a folder in the background, without waiting for it; returns the thread."""
    thread = threading.Thread(target=_write_back, args=(folder,), daemon=True)
    thread.start()
    return thread


def settle(folder: Path, *, seconds: float = SECONDS) -> bool:
    """Flush the file system of a folder.

    Args:
        folder: any folder on the file system.
        seconds: longest wait.

    Returns:
        Whether it finished in time.
    """
    thread = begin(folder)
    thread.join(seconds)
    return not thread.is_alive()


def _write_back(folder: Path) -> None:
    if os.name != "posix":
        return
    if sys.platform == "linux":
        import ctypes

        # Python has no syncfs; glibc and musl do. The call releases the GIL.
        call = getattr(ctypes.CDLL(None), "syncfs", None)
        if call is not None:
            with contextlib.suppress(OSError):
                handle = os.open(folder, os.O_RDONLY)
                try:
                    call(handle)
                finally:
                    os.close(handle)
            return
    os.sync()
    # macOS: what that wrote may still be in the cache of the disk.
    with contextlib.suppress(OSError):
        sync_folder(folder)
