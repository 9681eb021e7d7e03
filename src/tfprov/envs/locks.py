"""The lock of one environment, which the tfprov that works on it holds.

It is the operating system's lock on an open file, which ends with its holder. On a file system without such locks (NFS
without a lock service, some FUSE ones) it is a file that is made where there is none, and says which process of which
machine made it: one whose process is gone is taken away by the next on the same machine, of another machine by hand.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tfprov.errors import TfprovError

if TYPE_CHECKING:
    import filelock

LOCKS = ".locks"
"""Folder of the locks, beside the environments."""
_MARKER = ".held"


@contextlib.contextmanager
def held(path: Path, *, name: str, timeout: float) -> Iterator[None]:
    """Hold a lock.

    Args:
        path: the lock file.
        name: of the environment, for messages.
        timeout: seconds to wait for whoever has it; -1 for as long as it takes.

    Raises:
        TfprovError: `lock-timeout`; `permission-denied` where nothing can be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:
        raise TfprovError(
            "permission-denied",
            f"`{path.parent}` cannot be made",
            evidence=(str(error),),
            hint="is HOME right? or set TFPROV_HOME to a folder that you may write to",
        ) from error
    lock = _acquired(path, name=name, timeout=timeout)
    try:
        yield
    finally:
        lock.release()


def _acquired(path: Path, *, name: str, timeout: float) -> filelock.BaseFileLock:
    # To see that nothing is to do needs no lock.
    from filelock import FileLock, SoftFileLock, Timeout

    from tfprov.locks import NO_LOCKS

    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(timeout=timeout)
    except Timeout as error:
        raise TfprovError(
            "lock-timeout",
            f"another tfprov works on `{name}`",
            evidence=(f"it holds `{path}`",),
        ) from error
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    else:
        return lock
    # A name of its own: where the file system has locks, the file stays when nobody holds it.
    marker = SoftFileLock(path.with_name(path.name + _MARKER))
    try:
        marker.acquire(timeout=timeout)
    except Timeout as error:
        raise TfprovError(
            "lock-timeout",
            f"another tfprov works on `{name}`, by `{marker.lock_file}`",
            evidence=(f"process and machine that made it: {_maker(Path(marker.lock_file))}",),
            hint="wait for it, or end it; where that process is gone, delete the file",
        ) from error
    return marker


def _maker(marker: Path) -> str:
    try:
        return ", ".join(marker.read_text(encoding="utf-8", errors="replace").split()[:2]) or "not said"
    except OSError:
        return "not known"


@contextlib.contextmanager
def all_locked(folder: Path) -> Iterator[None]:
    """Hold every environment below a folder, so that no tfprov uses what they share; does not wait.

    Raises:
        TfprovError: `lock-timeout`; `permission-denied` where nothing can be made.
    """
    with contextlib.ExitStack() as every:
        # Not only those that are there: a first run holds its environment before it makes it.
        for path in sorted((folder / LOCKS).glob("*")):
            if path.suffix == _MARKER:
                continue
            every.enter_context(held(path, name=path.name, timeout=0))
        yield
