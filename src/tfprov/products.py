"""Files written to a path that the user chose: each replaces only an older file of its own kind."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tfprov.errors import TfprovError
from tfprov.paths import nearest_folder, status_of, try_file
from tfprov.writing import write_atomic

# How /proc, /sys and their like refuse a new file.
_NO_FILES = frozenset({errno.ENOENT, errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP})

MOVE_AWAY = "move it away; tfprov never overwrites what it did not make"
"""What to do about such a file."""


def check_place(path: Path) -> None:
    """Check that a file can be created at a path, by creating one in its nearest existing folder.

    Raises:
        TfprovError: `filesystem-feature` when the file system takes no files, as /proc and /sys.
        OSError: no permission, no space, or a read-only file system.
    """
    folder = nearest_folder(path.parent)
    try:
        try_file(folder)
    except OSError as error:
        if error.errno not in _NO_FILES:
            error.filename = str(folder)
            raise
        raise TfprovError(
            "filesystem-feature",
            f"no file can be created in `{folder}`, so `{path}` cannot be written",
            evidence=(f"the system reports: {error.strerror}",),
            hint="choose another path",
        ) from error


def check_new(path: Path, *, other: str) -> None:
    """Check that a file does not exist yet and can be created.

    Args:
        path: the file.
        other: what to do if it exists, for the hint.

    Raises:
        TfprovError: `path-not-ours` when it exists; `usage` when its folder does not; what `check_place` raises.
        OSError: see `check_place`.
    """
    # `lexists`, because a dangling link is in the way, too.
    if os.path.lexists(path):
        hint = f"{other}; existing files are not overwritten"
        raise TfprovError("path-not-ours", f"`{path}` already exists", hint=hint)
    if not path.parent.is_dir():
        raise TfprovError("usage", f"there is no folder `{path.parent}`")
    check_place(path)


def foreign(path: Path, why: str, *, code: str = "path-not-ours") -> TfprovError:
    """The refusal of a file that tfprov did not make, although it has the name of one that tfprov makes.

    Args:
        path: the file.
        why: how that shows.
        code: another code, where the file would be used and not overwritten.
    """
    return TfprovError(code, f"`{path}` was not made by tfprov", evidence=(why,), hint=MOVE_AWAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A kind of file that tfprov writes to a path that the user chose. It replaces only files of its own kind.

    Attributes:
        what: name of the kind, with its article: `a JUnit file`.
        is_ours: whether tfprov wrote this content; the stream is positioned at its start.
    """

    what: str
    is_ours: Callable[[BinaryIO], bool]

    def check(self, path: Path) -> None:
        """Check that a file may be written at a path. Commands call this first, not after an hour's work.

        An empty file may be replaced: `mktemp` makes one, and nothing is lost.

        Raises:
            TfprovError: `path-not-ours` when the path holds something that tfprov did not write; see `check_place`.
        """
        found = self._in_the_way(path)
        if found:
            raise TfprovError(
                "path-not-ours",
                f"`{path}` cannot become {self.what}",
                evidence=(found,),
                hint="choose another path; tfprov replaces only files of that kind that it wrote itself",
            )
        check_place(path)

    def _in_the_way(self, path: Path) -> str:
        try:
            status = status_of(path)
        except NotADirectoryError:
            return f"`{path.parent}` is not a folder"
        if status is None:
            return ""
        if not stat.S_ISREG(status.st_mode):
            other = "a link" if stat.S_ISLNK(status.st_mode) else "not a regular file"
            return f"it is {'a folder' if stat.S_ISDIR(status.st_mode) else other}"
        if status.st_size == 0:
            return ""
        try:
            with path.open("rb") as stream:
                return "" if self.is_ours(stream) else "it exists, and tfprov did not write it"
        except OSError as error:
            return f"it exists, and cannot be read: {error.strerror}"

    def write(self, path: Path, content: bytes) -> None:
        """Write a file of this kind atomically.

        Raises:
            TfprovError: `path-not-ours`, see `check`.
        """
        self.check(path)
        write_atomic(path, content)
