"""Reading archives: a file of bytes that come from elsewhere, and what a damaged or malicious archive raises."""

from __future__ import annotations

import contextlib
import errno
import io
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


@cache
def damage() -> tuple[type[Exception], ...]:
    """The exceptions that zipfile and tarfile raise, documented or not, apart from OSError."""
    import struct
    import tarfile
    import zipfile
    import zlib

    # For instance a KeyError for a hard link to nothing, an IndexError for an empty name, a ValueError for the map of a
    # sparse file, a RuntimeError for an encrypted member.
    found: list[type[Exception]] = [tarfile.TarError, zipfile.BadZipFile, zlib.error, struct.error, EOFError]
    found += [ValueError, KeyError, IndexError, OverflowError, RuntimeError]
    with contextlib.suppress(ImportError):  # some Pythons are built without it
        from lzma import LZMAError

        found.append(LZMAError)
    return tuple(found)


@contextlib.contextmanager
def damage_as(refusal: Callable[[str], Exception]) -> Iterator[None]:
    """Raise another exception if the block fails because an archive is damaged; failures of the machine pass.

    Args:
        refusal: makes that exception; gets what the library said.
    """
    try:
        yield
    except OSError as error:
        # What gzip and bz2 raise for bad data has no number; an offset before the first byte gives EINVAL.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise refusal(str(error)) from error
    except damage() as error:
        raise refusal(str(error)) from error


class Seekable(io.RawIOBase):
    """Bytes that are read by their offset, as a seekable file."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        """Start at the first byte.

        Args:
            read: the bytes at an offset, at most so many, fewer only at the end.
            size: size of the file.
        """
        super().__init__()
        self._read = read
        self._size = size
        self._position = 0

    def seekable(self) -> bool:
        """It is."""
        return True

    def readable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position; returns the new one."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError("before the first byte")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill a buffer from the position on; returns the number of bytes, 0 only at the end."""
        view = memoryview(buffer)
        count = min(len(view), self._size - self._position)
        if count <= 0:
            return 0
        content = self._read(self._position, count)
        view[: len(content)] = content
        self._position += len(content)
        return len(content)
