"""Temporary folders and places to build in, and the deletion of those that killed runs left."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from tfprov.errors import TfprovError
from tfprov.paths import beside, home, writable
from tfprov.structured import whole_number
from tfprov.trash import to_trash
from tfprov.writing import UNFINISHED, sweep_left

_TEMPORARY = "tfprov-"
_TEMPORARY_NAME = re.compile(rf"{_TEMPORARY}[a-z]+-(\d{{1,10}})-[^-]+")
_HELD = ".held"
"""Suffix of a temporary folder that is locked while it is in use."""
_ABANDONED_SECONDS = 3600.0
_CLOCK_SECONDS = 2.0
_STAGED = ".new"
_STAGED_NAME = re.compile(rf"\..*\.\d{{1,10}}-[0-9a-f]{{8}}{re.escape(_STAGED)}")


@contextlib.contextmanager
def staged(target: Path, *, folder: bool) -> Iterator[Path]:
    """A place beside `target` to build it in; the caller renames it. Deleted at the end if it is still there.

    This process holds a lock on the place, so that `sweep_staged` can tell what killed runs left.

    Args:
        target: final path; its parent folder exists.
        folder: True for a folder, False for an (empty) file.
    """
    sweep_staged(target.parent)
    sweep_left(target)
    # Under a name that is not swept for an hour, until it is locked.
    place = beside(target, UNFINISHED)
    place.mkdir() if folder else place.touch(exist_ok=False)
    held = os.open(place, os.O_RDONLY) if os.name == "posix" else None
    try:
        if held is not None:
            _lock(held)
        place = place.rename(beside(target, _STAGED))
        yield place
    finally:
        if held is not None:
            os.close(held)
        if place.is_dir():
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)


def sweep_staged(parent: Path) -> None:
    """Delete what killed runs left of their `staged` places in a folder."""
    with contextlib.suppress(OSError):
        for place in parent.glob(f".*{_STAGED}"):
            with contextlib.suppress(OSError):
                if _STAGED_NAME.fullmatch(place.name) and not _is_held(place):
                    shutil.rmtree(to_trash(place), ignore_errors=True) if place.is_dir() else place.unlink()


def _is_held(place: Path) -> bool:
    """Whether the process that made a place is alive, in any container; judged by age where there are no locks."""
    if os.name != "posix":
        return time.time() - place.lstat().st_mtime < _ABANDONED_SECONDS
    # O_NONBLOCK: anybody may have put a pipe of such a name there, and opening it does not wait for a writer.
    opened = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        return not _lock(opened)
    finally:
        os.close(opened)


def _lock(opened: int) -> bool:
    """Try to lock an open file or folder, until it is closed; returns whether it worked."""
    import fcntl

    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def temporary(purpose: str) -> Iterator[Path]:
    """A fresh temporary folder, deleted at the end. Its name tells `sweep_temporary` which process made it."""
    import tempfile  # deferred: most commands do not need it

    temporary_root()
    prefix = f"{_TEMPORARY}{purpose}-{os.getpid()}-"
    suffix = _HELD if os.name == "posix" else ""
    with tempfile.TemporaryDirectory(prefix=prefix, suffix=suffix, ignore_cleanup_errors=True) as folder:
        held = os.open(folder, os.O_RDONLY) if suffix else None
        try:
            if held is not None:
                _lock(held)
            yield Path(folder)
        finally:
            if held is not None:
                os.close(held)


def temporary_root() -> Path:
    """The system's folder for temporary files, else one in the cache that child processes then use, too.

    Raises:
        TfprovError: `permission-denied` when neither can be written to.
    """
    import tempfile

    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        folder = home(os.environ).cache / "temporary"
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        if not writable(folder):
            raise TfprovError(
                "permission-denied",
                "there is no folder for temporary files",
                evidence=(error.strerror or str(error), f"`{folder}` cannot be written to either"),
                hint="name one that you may write to with TMPDIR",
            ) from error
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
        return folder


def sweep_temporary(*, now: float) -> None:
    """Delete the temporary folders that killed runs left behind.

    Only this user's folders, whose process is gone. The process may be in another container that shares the folder,
    where it cannot be seen from here. So a folder that is locked stays, and one without a lock stays for an hour after
    its last change.

    Args:
        now: seconds since the epoch.
    """
    import tempfile

    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            found = _TEMPORARY_NAME.fullmatch(entry.name)
            if found is None or not entry.is_dir(follow_symlinks=False) or is_being_made(Path(entry.path), found[1]):
                continue
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if entry.name.endswith(_HELD):
                    is_left = not _is_held(Path(entry.path))
                else:
                    is_left = now - status.st_mtime > _ABANDONED_SECONDS
                if is_left and status.st_uid == _user():
                    shutil.rmtree(entry.path, ignore_errors=True)


def is_being_made(place: Path, maker: str) -> bool:
    """Whether the process that made a file or folder is running, as far as it can be seen from here.

    Args:
        place: the file or folder.
        maker: its process id in decimal, from the name; anybody can make a name with any text there.
    """
    import psutil

    pid = whole_number(maker)
    try:
        process = psutil.Process(-1 if pid is None else pid)
        # One that began after the last change has only got the same id.
        is_it = bool(process.create_time() < place.lstat().st_mtime + _CLOCK_SECONDS)
        return is_it and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, ValueError, OSError):
        return False
    except psutil.Error:
        return True


def _user() -> int:
    # Windows has no numeric user ids; every file there is reported to belong to user 0.
    return os.getuid() if hasattr(os, "getuid") else 0
