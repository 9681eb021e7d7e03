"""File locks on shared files, which a dead or stuck process cannot hold for ever."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import filelock

from tfprov.errors import TfprovError
from tfprov.ladder.classify import classify_exception

STUCK_SECONDS = 120.0
"""How long the owner of a lock may make no progress before others stop waiting. Such an owner was suspended, or its
machine is gone and the file server still keeps its lock."""
_POLL_SECONDS = 0.1
_SWEPT_SECONDS = 86400.0
NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP})
"""Errors from a file system without locks: an NFS mount without a lock service, some FUSE file systems."""


@contextlib.contextmanager
def held(
    path: Path,
    *,
    timeout: float | None = None,
    waiting: Callable[[], None] | None = None,
    signs: Sequence[Path] = (),
    stuck: float = STUCK_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[bool]:
    """Hold a lock for the duration of the block.

    It is the operating system's lock on an open file, so it ends with the owning process, even when that is killed.

    Args:
        path: the lock file; its folder exists.
        timeout: seconds to wait for another owner; None to wait as long as the owner makes progress.
        waiting: called several times a second while another process is the owner; may raise.
        signs: files whose size or time changes while the owner works.
        stuck: seconds without such a change after which the owner is no longer waited for.
        clock: the current time in seconds.

    Yields:
        Whether the lock is held. It is not where the file system has no locks, nor where the owner is stuck: the caller
        then works concurrently with other processes, under file names of its own.

    Raises:
        TfprovError: `lock-timeout`, or the code for the system's reason why the file cannot be locked.
    """
    # No fallback to a marker file, which would outlive a killed owner.
    lock = filelock.FileLock(path, fallback_to_soft=False)
    began = alive = clock()
    seen = _state(signs)
    exclusive = True
    while True:
        try:
            lock.acquire(timeout=0 if timeout == 0 else _POLL_SECONDS)
            if _is_at(path, lock):
                break
            lock.release()
        except filelock.Timeout:
            _check_rights(path)
            now, state = clock(), _state(signs)
            if state != seen:
                seen, alive = state, now
            if timeout is not None and now - began >= timeout:
                raise TfprovError(
                    "lock-timeout",
                    f"another process has been working on `{path.stem[:12]}` for {timeout:.0f} s",
                    evidence=(f"lock `{path}`",),
                ) from None
            if now - alive >= stuck:
                exclusive = False
                break
            if waiting is not None:
                waiting()
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise classify_exception(error) from error
            exclusive = False
            break
    try:
        yield exclusive
    finally:
        if exclusive:
            lock.release()


def sweep(folder: Path) -> None:
    """Delete lock files in a folder that are a day old and not held; a process that waits for one locks a new file.

    Windows deletes a lock file with its last holder.
    """
    for path in folder.glob("*.lock") if os.name == "posix" else ():
        with contextlib.suppress(OSError, TfprovError):
            if time.time() - path.stat().st_mtime < _SWEPT_SECONDS:
                continue
            with held(path, timeout=0) as alone:
                if alone:
                    path.unlink()


def _is_at(path: Path, lock: filelock.BaseFileLock) -> bool:
    """Whether the file that is locked is still the one at its path, and not one that was deleted meanwhile."""
    handle = lock._context.lock_file_fd
    if os.name != "posix" or handle is None:
        return True
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False


def possible(folder: Path) -> bool:
    """Whether files in a folder can be locked, tested by locking the folder. True when that cannot be tested."""
    if os.name != "posix":
        return True
    import fcntl

    try:
        opened = os.open(folder, os.O_RDONLY)
    except OSError:
        return True
    try:
        fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in NO_LOCKS
    finally:
        os.close(opened)
    return True


def _state(signs: Sequence[Path]) -> tuple[tuple[int, int] | None, ...]:
    found: list[tuple[int, int] | None] = []
    for path in signs:
        try:
            status = path.stat()
        except OSError:
            found.append(None)
        else:
            found.append((status.st_size, status.st_mtime_ns))
    return tuple(found)


def _check_rights(path: Path) -> None:
    """Raise for another user's lock file that this user may not open: it would otherwise seem held for ever."""
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        raise TfprovError(
            "permission-denied",
            f"`{path}` belongs to another user",
            hint="share a store among the members of a group: `chmod g+ws` on its folder, and `umask 002`",
        )
