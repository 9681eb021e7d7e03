"""A folder in which several users leave verified files for each other, and in which none of them believes anything.

Layout: `sha256/ab/abcd…/name-1.0-py3-none-any.whl`, as in a store. There is nothing else: no record that one user would
act on, no lock that one could hold against another, no partial file that one would go on with.

A file is used by copying it from an open descriptor and hashing what was read. Links are not followed, so that nothing
is read, written or deleted through a name that somebody else has put there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tfprov.lock.records import LockedFile

_FOLDER = "sha256"
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


class Common:
    """Files by hash below one folder that other users can write to."""

    def __init__(self, root: Path) -> None:
        """Use this folder; it is there, because somebody gave several users the right to write to it."""
        self.root = root

    def seems_to_have(self, file: LockedFile) -> bool:
        """Whether there is a file of this name and size; only `open` and its hash say whether it is the file."""
        try:
            found = self._path(file).lstat()
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and file.size in (None, found.st_size)

    def open(self, file: LockedFile) -> BinaryIO | None:
        """What is called like this file, open for reading; None where there is none. Its content may be anything."""
        try:
            # A pipe would be waited for.
            handle = os.open(self._path(file), os.O_RDONLY | _NO_LINK | getattr(os, "O_NONBLOCK", 0))
        except OSError:
            return None
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or file.size not in (None, found.st_size):
            os.close(handle)
            return None
        return os.fdopen(handle, "rb")

    def offer(self, file: LockedFile, path: Path) -> None:
        """Leave a file for others, as another name of it where that can be. Best effort.

        Args:
            file: what it is.
            path: in this user's own store; nobody else may write to it.
        """
        with contextlib.suppress(OSError), _folder(self.root, (_FOLDER, file.sha256[:2], file.sha256)) as folder:
            temporary = f".{os.getpid()}-{os.urandom(4).hex()}.tmp"
            try:
                os.link(path, temporary, dst_dir_fd=folder)
            except OSError:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK
                with path.open("rb") as source, os.fdopen(os.open(temporary, flags, 0o644, dir_fd=folder), "wb") as to:
                    shutil.copyfileobj(source, to, 1 << 20)
            try:
                # What another user has put there in the meantime was either the same, or not what it is called.
                os.rename(temporary, file.filename, src_dir_fd=folder, dst_dir_fd=folder)
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)

    def prune(self, *, cap_bytes: int) -> None:
        """Delete files of this user's, least recently used first, until at most so many bytes of all users' remain."""
        found = sorted(self._files(), key=lambda one: one[2].st_mtime)
        total = sum(status.st_size for *_, status in found)
        for parts, name, status in found:
            if total <= cap_bytes:
                return
            if status.st_uid == os.getuid():
                total -= status.st_size
                with contextlib.suppress(OSError), _folder(self.root, parts, make=False) as folder:
                    os.unlink(name, dir_fd=folder)
                with contextlib.suppress(OSError), _folder(self.root, parts[:-1], make=False) as folder:
                    os.rmdir(parts[-1], dir_fd=folder)

    def _files(self) -> Iterator[tuple[tuple[str, ...], str, os.stat_result]]:
        """Folders, name and status of every file."""
        levels: list[tuple[str, ...]] = [(_FOLDER,)]
        for _ in range(2):
            levels = [(*parts, name) for parts in levels for name, _ in self._entries(parts)]
        for parts in levels:
            yield from ((parts, name, status) for name, status in self._entries(parts) if stat.S_ISREG(status.st_mode))

    def _entries(self, parts: tuple[str, ...]) -> list[tuple[str, os.stat_result]]:
        with (
            contextlib.suppress(OSError),
            _folder(self.root, parts, make=False) as folder,
            os.scandir(folder) as entries,
        ):
            return [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
        return []

    def _path(self, file: LockedFile) -> Path:
        return self.root / _FOLDER / file.sha256[:2] / file.sha256 / file.filename


def create(path: Path) -> BinaryIO:
    """A new file to write to, which nobody else may. It is opened through no link, and is not there before."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o644), "wb")


@contextlib.contextmanager
def _folder(root: Path, parts: tuple[str, ...], *, make: bool = True) -> Iterator[int]:
    """A folder below another, open, reached through no link.

    Args:
        root: the folder to begin in.
        parts: names below it.
        make: whether to make those that are not there.

    Raises:
        OSError: one is a link or a file, is not there, or may not be made.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY
    handle = os.open(root, flags)
    try:
        for part in parts:
            made = False
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=handle)
                    made = True
            inner = os.open(part, flags | _NO_LINK, dir_fd=handle)
            if made:  # whoever may put something into the folder around it may do so here, whatever the mask says
                os.fchmod(inner, stat.S_IMODE(os.fstat(handle).st_mode))
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)
