"""A folder in which several users share verified files without trusting each other.

Layout: `sha256/ab/abcd…/name-1.0-py3-none-any.whl`, as in a store. There is nothing else: no record that another user's
process would act on, no lock that one could block others with, no partial file that another would resume.

A file is used by copying it from an open descriptor and hashing the copied bytes. Symbolic links are not followed, so
that nothing is read, written or deleted through a name that another user has planted.
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
    """Files by hash below a folder that other users can write to."""

    def __init__(self, root: Path) -> None:
        """Use this folder. It exists, because it was set up with write access for several users."""
        self.root = root

    def seems_to_have(self, file: LockedFile) -> bool:
        """Whether there is a file of this name and size; only its hash says whether it is the right one."""
        try:
            found = self._path(file).lstat()
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and file.size in (None, found.st_size)

    def open(self, file: LockedFile) -> BinaryIO | None:
        """The file of this name, open for reading; None where there is none. Its content is not verified."""
        try:
            # O_NONBLOCK: opening a pipe does not wait for a writer.
            handle = os.open(self._path(file), os.O_RDONLY | _NO_LINK | getattr(os, "O_NONBLOCK", 0))
        except OSError:
            return None
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or file.size not in (None, found.st_size):
            os.close(handle)
            return None
        return os.fdopen(handle, "rb")

    def offer(self, file: LockedFile, path: Path) -> None:
        """Share a file with other users, as a hard link where possible. Best effort.

        Args:
            file: the file.
            path: in this user's own store; no other user may write to it.
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
                # This may replace a file of another user, which was either the same or a wrong one.
                os.rename(temporary, file.filename, src_dir_fd=folder, dst_dir_fd=folder)
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)

    def prune(self, *, cap_bytes: int) -> None:
        """Delete this user's least recently used files, until at most `cap_bytes` of all users' files remain."""
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
    """A new file, open for writing, which no other user may write to. Existing files and links are refused."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o644), "wb")


@contextlib.contextmanager
def _folder(root: Path, parts: tuple[str, ...], *, make: bool = True) -> Iterator[int]:
    """A descriptor of a subfolder, reached through no symbolic link.

    Args:
        root: the folder to start from.
        parts: names below it.
        make: whether to create missing folders.

    Raises:
        OSError: a part is a link or a file, does not exist, or cannot be created.
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
            if made:  # everyone who may write to the parent folder may write here, whatever the umask
                os.fchmod(inner, stat.S_IMODE(os.fstat(handle).st_mode))
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)
