"""The lock of one environment, held by the tfprov process that works on it.

It is an operating system lock on an open file, which ends with the process. On a file system without such locks (NFS
without a lock service, some FUSE ones) it is a file whose existence is the lock, and whose content names the process
and machine that made it: the next run on that machine removes it if the process is gone; on any other, the user must.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tfprov.errors import TfprovError

if TYPE_CHECKING:
    import filelock

LOCKS = ".locks"
"""Folder of the locks, beside the environments."""
_MARKER = ".held"


@contextlib.contextmanager
def held(path: Path, *, name: str, timeout: float = -1, warn: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a lock.

    Args:
        path: the lock file.
        name: of the environment, for messages.
        timeout: seconds to wait for the current holder; negative to wait for ever, 0 not to wait.
        warn: is told whom it waits for, before it waits.

    Raises:
        TfprovError: `lock-timeout`; `permission-denied` where the lock file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:
        raise TfprovError(
            "permission-denied",
            f"`{path.parent}` cannot be created",
            evidence=(str(error),),
            hint="check HOME, or set TFPROV_HOME to a folder that you may write to",
        ) from error
    try:
        lock = _acquired(path, name=name, timeout=timeout if warn is None else 0)
    except TfprovError as error:
        if warn is None or timeout == 0 or error.code.name != "lock-timeout":
            raise
        warn(f"{error.what}: waiting for it")
        lock = _acquired(path, name=name, timeout=timeout)
    try:
        yield
    finally:
        lock.release()


def _acquired(path: Path, *, name: str, timeout: float) -> filelock.BaseFileLock:
    # Imported here: a run that finds nothing to do needs no lock.
    from filelock import FileLock, SoftFileLock, Timeout

    from tfprov.locks import NO_LOCKS

    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(timeout=timeout)
    except Timeout as error:
        raise TfprovError(
            "lock-timeout",
            f"another tfprov is working on `{name}`",
            evidence=(f"it holds `{path}`",),
        ) from error
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    else:
        return lock
    # Another name than the lock file's, which stays on disk after its release where the file system has locks.
    marker = SoftFileLock(path.with_name(path.name + _MARKER))
    try:
        marker.acquire(timeout=timeout)
    except Timeout as error:
        raise TfprovError(
            "lock-timeout",
            f"another tfprov is working on `{name}`, according to `{marker.lock_file}`",
            evidence=(f"process and machine that made it: {_maker(Path(marker.lock_file))}",),
            hint="wait for it, or end it; if that process is gone, delete the file",
        ) from error
    return marker


def _maker(marker: Path) -> str:
    try:
        return ", ".join(marker.read_text(encoding="utf-8", errors="replace").split()[:2]) or "unknown"
    except OSError:
        return "unknown"


@contextlib.contextmanager
def all_locked(folder: Path) -> Iterator[None]:
    """Lock every environment below a folder, so that no tfprov uses what they share; does not wait.

    Raises:
        TfprovError: `lock-timeout`; `permission-denied` where a lock file cannot be made.
    """
    with contextlib.ExitStack() as every:
        # By their locks, not by the environments: a first run holds the lock before the environment exists.
        for path in sorted((folder / LOCKS).glob("*")):
            if path.suffix == _MARKER:
                continue
            every.enter_context(held(path, name=path.name, timeout=0))
        yield
