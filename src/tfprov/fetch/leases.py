"""Leases: the files of the store that a running process needs, and that no process may evict."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import filelock

from tfprov import writing
from tfprov.structured import json_of

_GUARD_SECONDS = 30.0
_LONGEST_SECONDS = 7 * 86400.0


class Lease:
    """Files that must stay, until `release`, until the object is garbage, or until the process ends.

    A lease is a lock of the operating system beside a list of hashes, so that it ends with a process that is killed.
    """

    def __init__(self, folder: Path, hashes: Collection[str]) -> None:
        """Take it.

        Args:
            folder: of all leases; created if missing.
            hashes: SHA-256 of the files.

        Raises:
            OSError: the folder cannot be written to, or does not support locks.
        """
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._list = folder / f"{name}.json"
        self._lock = _lock(folder / f"{name}.lock")
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as held:
            # A process that has been evicting for so long was suspended, and checks the leases again when it resumes.
            with contextlib.suppress(filelock.Timeout):
                held.enter_context(guard(folder))
            self._lock.acquire(timeout=0)
            writing.write_atomic(self._list, json.dumps(sorted(hashes)).encode())

    def release(self) -> None:
        """Give the files up."""
        with contextlib.suppress(OSError):
            self._list.unlink(missing_ok=True)
        self._lock.release()
        with contextlib.suppress(OSError):
            Path(self._lock.lock_file).unlink(missing_ok=True)

    def __del__(self) -> None:
        """Give the files up when the object is garbage."""
        if self._lock.is_locked:
            self.release()


@contextlib.contextmanager
def guard(folder: Path) -> Iterator[None]:
    """Keep other processes from taking leases while files are evicted.

    Raises:
        OSError: the folder cannot be written to, or does not support locks.
        filelock.Timeout: another process has held it for half a minute.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / "guard.lock").acquire(timeout=_GUARD_SECONDS):
        yield


def _lock(path: Path) -> filelock.BaseFileLock:
    # Not bound to the thread that took it, because the last holder of the lease releases it. No fallback to a marker
    # file where the folder does not support locks, because that would outlive a killed owner.
    return filelock.FileLock(path, thread_local=False, fallback_to_soft=False)


def leased(folder: Path) -> frozenset[str]:
    """The hashes that running processes need. Leases of dead processes are removed."""
    found: set[str] = set()
    for listed in folder.glob("*.json"):
        path = listed.with_suffix(".lock")
        lock = _lock(path)
        try:
            lock.acquire(timeout=0)
        except (filelock.Timeout, OSError):
            # Held, or of another user, where only its age can be known.
            with contextlib.suppress(OSError, ValueError):
                if time.time() - listed.stat().st_mtime < _LONGEST_SECONDS:
                    found.update(str(sha256) for sha256 in json_of(listed.read_bytes()))
            continue
        with contextlib.suppress(OSError):
            listed.unlink(missing_ok=True)
        lock.release()
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    return frozenset(found)
