"""Reading files that tfprov did not write: regular files only, and up to a size limit.

Reading a pipe blocks until something writes to it, and a device may have no end. Every file that a user names, and
every file in a folder that tfprov did not make, is read through this module; `tests/unit/test_contents.py` enforces it.
"""

from __future__ import annotations

import codecs
import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from tfprov.errors import TfprovError

MOST_CONTENT = 64 << 20
"""Default size limit of a text file, in bytes: a hundred times the size of the largest known lock."""


def is_there(path: Path) -> bool:
    """Whether a path that came from outside exists. False where a name is too long for any file.

    Raises:
        OSError: the path cannot be examined.
    """
    try:
        return path.exists()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False


def is_readable(path: str | Path) -> bool:
    """Whether a text from outside is the path of a file that this user may read; False if it is not a path at all."""
    # These answer for a name that is too long, holds NUL, or lies where nobody may look, too.
    return os.path.isfile(path) and os.access(path, os.R_OK)  # noqa: PTH113 - `Path` may raise


def content_of(path: Path, *, most: int = MOST_CONTENT) -> bytes:
    """The content of a regular file. Pipes and devices are refused: reading one might never end.

    Args:
        path: the file.
        most: size limit in bytes.

    Raises:
        OSError: the file cannot be read, is not a regular file, or is larger than the limit.
    """
    with regular(path) as stream:
        # `read` allocates all the bytes that it is asked for before it knows how many there are.
        there = os.fstat(stream.fileno()).st_size
        content = stream.read(min(there, most) + 1)
        if there < len(content) <= most:  # the file is growing, or is one of the system's, which report size 0
            content += stream.read(most + 1 - len(content))
    if len(content) > most:
        raise OSError(errno.EFBIG, f"larger than {most:,} bytes", str(path))
    return content


def text_of(path: Path) -> str:
    """The text of a regular file, see `content_of`.

    Raises:
        OSError: as for `content_of`, or the file is not UTF-8.
    """
    return _decoded(content_of(path), "utf-8", path)


def given_text(path: Path) -> str:
    """The text of a file that the command line names, see `content_of`.

    A mark at its beginning says which encoding it has: Windows PowerShell writes UTF-16 with one into `> facts.json`.

    Raises:
        TfprovError: `usage` if it cannot be read, or is not UTF-8.
    """
    try:
        content = content_of(path)
        is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return _decoded(content, "utf-16" if is_utf_16 else "utf-8-sig", path)
    except OSError as error:
        raise TfprovError("usage", f"`{path}` cannot be read", evidence=(str(error),)) from error


def _decoded(content: bytes, encoding: str, path: Path) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig").upper()
        raise OSError(errno.EINVAL, f"not {name}: {error.reason} at byte {error.start:,}", str(path)) from error


def regular(path: Path) -> BinaryIO:
    """A regular file, opened for reading.

    The type is that of the open file, because the name may lead to another one a moment later.

    Raises:
        OSError: the file cannot be opened, or is not a regular file.
    """
    # O_NONBLOCK: opening a pipe does not wait for a writer.
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    folder = IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    try:
        handle = os.open(path, flags)
    except PermissionError:
        # Windows opens no folder, and says no more than that.
        if os.path.isdir(path):  # noqa: PTH112 - `Path` may raise
            raise folder from None
        raise
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        if stat.S_ISDIR(mode):
            raise folder
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(handle, "rb")


def utf_16_of(head: bytes, *, share: float) -> str | None:
    """The codec of a text in UTF-16 without a byte order mark, told by its zero bytes; None for any other text.

    In UTF-16, the high byte of each ASCII character is zero, so that the zeros are at even places or at odd ones. A run
    of zeros, as a log has where it was cut while a program wrote it, is not UTF-16, nor is a single one.

    Args:
        head: the beginning of the text.
        share: of `head`, that is zero at least.
    """
    odd, even = head[1::2].count(0), head[0::2].count(0)
    if max(odd, even) < max(2, len(head) * share) or min(odd, even) * 4 > max(odd, even):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"
