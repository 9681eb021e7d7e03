"""Atomic writes, and writes that survive a loss of power."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tfprov.paths import beside, shortened
from tfprov.renames import replace

UNFINISHED = ".tmp"
"""End of the name of what is written beside a path, to be renamed to it."""
_LEFT_S = 3600.0


def write_through(path: Path, content: bytes) -> None:
    """Change a file of the user's atomically: where its link leads, if it is one, and with the permissions that it has.

    Only for a file whose content was read and understood before. Anything else might be where a link leads.
    """
    place = Path(os.path.realpath(path))
    try:
        mode = stat.S_IMODE(place.stat().st_mode)
    except FileNotFoundError:
        # A link that leads nowhere is replaced: a project of somebody else's must not name the file that is made.
        place, mode = path, None
    write_atomic(place, content, mode=mode)


def as_line(path: str) -> str:
    """A path as one line of a list of files: a line feed in it becomes a NUL, which no path has."""
    return path.replace("\n", "\0")


def of_line(line: str) -> str:
    """The path that `as_line` wrote."""
    return line.replace("\0", "\n")


def end_of_list(files: int) -> str:
    """The last line of a list of files, which shows that the list is complete."""
    return f"complete: {files} files"


def write_atomic(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Write a file atomically: readers see the old content or the new one, never a part.

    Creates the parent folder. The content is synced before the rename, so a power loss leaves no empty file. What runs
    that were killed in the middle of this have left for the same path is deleted an hour later.

    Args:
        path: the file; a link is replaced.
        content: of the file.
        mode: its permissions; None for those of any new file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep_left(path)
    # open() rather than mkstemp(), which ignores the umask: everyone who may read the folder may read this file. The
    # umask cannot be applied by hand, because reading it means setting it, which is not thread-safe.
    temporary = beside(path, UNFINISHED)
    try:
        with naming(path), temporary.open("xb") as stream:
            if mode is not None:
                temporary.chmod(mode)
            stream.write(content)
            stream.flush()
            write_back(stream.fileno())
        replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sweep_left(path: Path) -> None:
    """Delete what killed runs left beside a path of their work on it, if the last change of that is an hour ago."""
    left = re.compile(rf"\.{re.escape(shortened(path.name))}\.\d+-[0-9a-f]{{8}}{re.escape(UNFINISHED)}")
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if left.fullmatch(entry.name) and time.time() - entry.stat(follow_symlinks=False).st_mtime > _LEFT_S:
                    # Of folders those that are empty; others are not left under such a name by `staged`.
                    Path(entry.path).rmdir() if entry.is_dir(follow_symlinks=False) else Path(entry.path).unlink()


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add a file name to each OSError of the block that has none, as those of operations on open files."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def write_back(handle: int, *, content_only: bool = False) -> None:
    """Make what was written to an open file, or renamed in an open folder, survive a loss of power.

    Args:
        handle: its descriptor.
        content_only: leave out what is not needed to read the content, such as its times.

    Raises:
        OSError: the disk refuses, or the file system knows it for files only.
    """
    if sys.platform == "darwin":
        import fcntl

        # fsync(2) there: what it wrote may stay in the cache of the disk. Not every file system knows the request.
        with contextlib.suppress(OSError):
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
            return
    (getattr(os, "fdatasync", os.fsync) if content_only else os.fsync)(handle)


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power loss, where the system supports it. OSError when the disk fails."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        write_back(handle)
    except OSError as error:
        # Network file systems that sync files only (SMB, 9p, some FUSE file systems). A disk failure would be EIO.
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(handle)
