"""The lock of one environment, which the tfprov that works on it holds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tfprov.errors import TfprovError

LOCKS = ".locks"
"""Folder of the locks, beside the environments."""


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
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:
        raise TfprovError(
            "permission-denied",
            f"`{path.parent}` cannot be made",
            evidence=(str(error),),
            hint="is HOME right? or set TFPROV_HOME to a folder that you may write to",
        ) from error
    lock = FileLock(path)
    try:
        lock.acquire(timeout=timeout)
    except Timeout as error:
        raise TfprovError(
            "lock-timeout",
            f"another tfprov works on `{name}`",
            evidence=(f"it holds `{lock.lock_file}`",),
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def all_locked(folder: Path) -> Iterator[None]:
    """Hold every environment below a folder, so that no tfprov uses what they share; does not wait.

    Raises:
        TfprovError: `lock-timeout`; `permission-denied` where nothing can be made.
    """
    with contextlib.ExitStack() as every:
        # Not only those that are there: a first run holds its environment before it makes it.
        for path in sorted((folder / LOCKS).glob("*")):
            every.enter_context(held(path, name=path.name, timeout=0))
        yield
