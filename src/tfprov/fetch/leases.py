"""Which files of the store a process needs: nobody may evict them while it lives."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import filelock

from tfprov import paths

_GUARD_SECONDS = 30.0
_LONGEST_SECONDS = 7 * 86400.0


class Lease:
    """Files that must stay. It ends with `release`, when nobody holds the record any more, or with the process.

    It is a lock of the operating system beside a list of hashes, so that the list of a process that was killed counts
    for nothing.
    """

    def __init__(self, folder: Path, hashes: Collection[str]) -> None:
        """Take it.

        Args:
            folder: where leases are kept; made if need be.
            hashes: of the files.

        Raises:
            OSError: nothing can be written there, or the folder knows no locks.
        """
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._list = folder / f"{name}.json"
        self._lock = _lock(folder / f"{name}.lock")
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as held:
            # Who has been making the store smaller for so long was stopped, and looks again before it goes on.
            with contextlib.suppress(filelock.Timeout):
                held.enter_context(guard(folder))
            self._lock.acquire(timeout=0)
            paths.write_atomic(self._list, json.dumps(sorted(hashes)).encode())

    def release(self) -> None:
        """Let the files go."""
        with contextlib.suppress(OSError):
            self._list.unlink(missing_ok=True)
        self._lock.release()
        with contextlib.suppress(OSError):
            Path(self._lock.lock_file).unlink(missing_ok=True)

    def __del__(self) -> None:
        """Let the files go when nobody needs them any more."""
        if self._lock.is_locked:
            self.release()


@contextlib.contextmanager
def guard(folder: Path) -> Iterator[None]:
    """Keep others from taking leases while it is being decided what nobody holds.

    Raises:
        OSError: nothing can be written there, or the folder knows no locks.
        filelock.Timeout: another process has held it for half a minute.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / "guard.lock").acquire(timeout=_GUARD_SECONDS):
        yield


def _lock(path: Path) -> filelock.BaseFileLock:
    # Not bound to the thread that took it: whoever holds the record last lets it go. And a marker file in place of a
    # lock, where the folder knows none, would outlive a killed owner.
    return filelock.FileLock(path, thread_local=False, fallback_to_soft=False)


def leased(folder: Path) -> frozenset[str]:
    """The hashes that living processes need. What dead ones left behind is removed."""
    found: set[str] = set()
    for listed in folder.glob("*.json"):
        path = listed.with_suffix(".lock")
        lock = _lock(path)
        try:
            lock.acquire(timeout=0)
        except (filelock.Timeout, OSError):
            # Held; or another user's, of whom nothing can be told but how old it is.
            with contextlib.suppress(OSError, ValueError):
                if time.time() - listed.stat().st_mtime < _LONGEST_SECONDS:
                    found.update(str(sha256) for sha256 in json.loads(listed.read_bytes()))
            continue
        with contextlib.suppress(OSError):
            listed.unlink(missing_ok=True)
        lock.release()
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    return frozenset(found)
