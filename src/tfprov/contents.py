"""Reading what is not tfprov's own: regular files only, and only so much of them.

A pipe waits for somebody who writes to it, and a device may have no end. All that a user names, and all that lies in
a folder which somebody else made is read through here; `tests/unit/test_contents.py` keeps that.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

MOST_CONTENT = 64 << 20
"""Bytes of the largest file of text that is read: a hundred times what the largest lock known has."""


def is_there(path: Path) -> bool:
    """Whether there is something at a path that somebody else wrote; nothing is where a name is too long for any file.

    Raises:
        OSError: it cannot be looked at.
    """
    try:
        return path.exists()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False


def content_of(path: Path, *, most: int = MOST_CONTENT) -> bytes:
    """The content of a regular file; a pipe or a device might never come to an end.

    Args:
        path: the file.
        most: bytes that it may have.

    Raises:
        OSError: it cannot be read, is neither a file nor a folder, or is larger than that.
    """
    with regular(path) as stream:
        # `read` makes room for all that it is asked for, before it looks how much there is.
        there = os.fstat(stream.fileno()).st_size
        content = stream.read(min(there, most) + 1)
        if there < len(content) <= most:  # it grows, or is one of the system's, which say that they are empty
            content += stream.read(most + 1 - len(content))
    if len(content) > most:
        raise OSError(errno.EFBIG, f"larger than {most:,} bytes", str(path))
    return content


def text_of(path: Path, *, most: int = MOST_CONTENT) -> str:
    """The text of a regular file, see `content_of`.

    Raises:
        OSError: as there, and when it is not UTF-8.
    """
    try:
        return content_of(path, most=most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise OSError(errno.EINVAL, f"not UTF-8: {error.reason} at byte {error.start:,}", str(path)) from error


def regular(path: Path) -> BinaryIO:
    """A regular file, open for reading. What it is is asked of the open file: a name may lead elsewhere a moment later.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
    """
    # A pipe is opened without waiting for somebody who writes to it.
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(path, flags)
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(handle, "rb")
