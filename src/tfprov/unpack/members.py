"""Writes members of an archive to files."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, cast

from tfprov.archives import Seekable
from tfprov.renames import open_shared
from tfprov.unpack.archive import LOCAL, RefusedError, check_local, local_header
from tfprov.unpack.inflate import InflateError, crc32, inflater
from tfprov.unpack.records import ArchiveMember

_WRITE = 64 * 1024
"""Bytes per write: for larger writes the kernel allocates memory in large blocks, see `docs/network.md`."""
_READ = 16 * 1024
"""Compressed bytes that are inflated at once: most libraries then expand to a little more than one write."""
_EXTRA = 256
"""Room for the extra field of a local header, so that one read covers it together with the data."""


class ArchiveBytes(Protocol):
    """Read access to the bytes of an archive."""

    def read(self, offset: int, count: int) -> bytes:
        """At most `count` bytes at an offset, fewer only at the end. Thread-safe."""


class File:
    """An open archive file."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            OSError: it cannot be opened.
        """
        self.descriptor = open_shared(path)
        self._lock = threading.Lock()

    def __enter__(self) -> File:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)

    @property
    def writable_by_others(self) -> bool:
        """Whether a user other than root and this one can change the bytes between two reads."""
        if os.name != "posix":
            return False
        found = os.fstat(self.descriptor)
        return found.st_uid not in (os.getuid(), 0) or bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))

    def read(self, offset: int, count: int) -> bytes:
        """See `ArchiveBytes`."""
        if hasattr(os, "pread"):
            return os.pread(self.descriptor, count, offset)
        with self._lock:
            os.lseek(self.descriptor, offset, os.SEEK_SET)
            return os.read(self.descriptor, count)

    def stream(self) -> BinaryIO:
        """The archive as a seekable file.

        Its position is its own. Windows has no `pread`, and a duplicate of the descriptor would share the position that
        `read` moves.
        """
        size = os.fstat(self.descriptor).st_size
        return cast("BinaryIO", io.BufferedReader(Seekable(self.read, size)))


class Written(NamedTuple):
    """A file that was written.

    Attributes:
        size: bytes.
        mtime: modification time in nanoseconds.
    """

    size: int
    mtime: int


def extract(source: ArchiveBytes, member: ArchiveMember, target: str, *, going: Callable[[int], None]) -> Written:
    """Write a member to a new file.

    Args:
        source: the archive.
        member: the member to write.
        target: path of the file; its folder exists.
        going: called with the number of compressed bytes of each piece that is done; raises to stop.

    Raises:
        RefusedError: the content does not match the archive's metadata.
        OSError: the file cannot be written, or the archive cannot be read.
    """
    head = source.read(member.offset, LOCAL.size + len(member.name.encode()) + _EXTRA + min(member.packed, _WRITE))
    local = local_header(head)
    if local is None:
        # The header has a long extra field.
        head = source.read(member.offset, LOCAL.size + 2 * 0xFFFF)
        local = local_header(head)
    if local is None:
        raise RefusedError(f"`{member.name}` is truncated")
    check_local(local, member)
    mode = 0o777 if member.executable else 0o666
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    handle = os.open(target, flags, mode)
    try:
        if len(head) >= local.data + member.packed:
            content = _Content(handle, member)
            content.take(head[local.data : local.data + member.packed])
            content.end()
            going(member.packed)
        else:
            _write_in_pieces(handle, source, member, member.offset + local.data, going)
        status = os.fstat(handle)
    except BaseException:
        os.close(handle)
        with contextlib.suppress(OSError):
            os.unlink(target)  # noqa: PTH108 - paths here are text, as many as there are files
        raise
    os.close(handle)
    return Written(status.st_size, status.st_mtime_ns)


def _write_in_pieces(
    handle: int, source: ArchiveBytes, member: ArchiveMember, start: int, going: Callable[[int], None]
) -> None:
    content = _Content(handle, member)
    position, end = start, start + member.packed
    while position < end:
        piece = source.read(position, min(_READ, end - position))
        if not piece:
            break
        content.take(piece)
        position += len(piece)
        going(len(piece))
    content.end()


class _Content:
    """Inflates the content of a member, checks it and writes it to its file."""

    def __init__(self, handle: int, member: ArchiveMember) -> None:
        self._handle = handle
        self._member = member
        self._inflater = inflater() if member.deflated else None
        self._crc = self._size = 0

    def take(self, packed: bytes) -> None:
        try:
            content = packed if self._inflater is None else self._inflater.decompress(packed)
        except InflateError as error:
            raise RefusedError(f"`{self._member.name}` cannot be inflated: {error}") from error
        self._size += len(content)
        # Checked before writing: content that expands to more than it should does not reach the disk.
        if self._size > self._member.size:
            raise RefusedError(f"`{self._member.name}` is bigger than the archive says")
        self._crc = crc32(content, self._crc)
        view = memoryview(content)
        while view:
            view = view[os.write(self._handle, view[:_WRITE]) :]

    def end(self) -> None:
        stream = self._inflater
        whole = stream is None or (stream.eof and not stream.unused_data)
        if not whole or self._size != self._member.size or self._crc != self._member.crc:
            raise RefusedError(f"`{self._member.name}` is not what the archive says: its size or CRC differs")
