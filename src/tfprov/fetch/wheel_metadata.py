"""The METADATA of a wheel on a server, read through ranges of the file where the index has no copy of it."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from tfprov.fetch.answers import length_of, name_in, raise_for_status, range_of
from tfprov.fetch.bounded import METADATA, body_of, chunks_of
from tfprov.ladder.climb import TransferError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import httpx

# The list of members of most wheels, and their METADATA, which tools write last.
_TAIL = 48 * 1024
_BLOCK = 32 * 1024
_CROWDED = 64
# The end of an archive, and an entry of its list of members (APPNOTE 4.3.16 and 4.3.12).
_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_WANTED = (8, 9, 10, 11, 12, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelMetadata:
    """What was found.

    Attributes:
        content: of the METADATA.
        response: that the first part of the wheel came with: its validators are those of the metadata.
        unchanged: whether the server said that it is as it was; there is no content then.
    """

    content: bytes
    response: httpx.Response
    unchanged: bool = False


def read_metadata(
    url: str,
    ask: Callable[[Mapping[str, str]], AbstractContextManager[httpx.Response]],
    *,
    conditions: Mapping[str, str],
    receive: Callable[[Iterable[bytes]], AbstractContextManager[IO[bytes]]],
) -> WheelMetadata:
    """The METADATA of a wheel, in one request for most wheels.

    Args:
        url: of the wheel, for messages.
        ask: requests the wheel with these headers.
        conditions: headers under which the server need not send anything.
        receive: keeps a whole wheel, from a server that does not send parts.

    Raises:
        TransferError: `mirror-http-error`, or `hash-mismatch` for a file that is no wheel.
        httpx.HTTPError: the connection failed.
    """
    with ask({"Range": f"bytes=-{_TAIL}", **conditions}) as response:
        if response.status_code == 304:
            return WheelMetadata(content=b"", response=response, unchanged=True)
        status, total = response.status_code, range_of(response)[1]
        if status == 206 and total is not None:
            tail = body_of(response, url)
            return WheelMetadata(content=metadata_in(_Ranges(url, ask, total, tail), url), response=response)
        length = length_of(response)
        ranges = response.headers.get("Accept-Ranges", "none").lower() == "bytes"
        if status == 200 and (not ranges or length is None or length <= _TAIL):
            return WheelMetadata(content=_whole(response, url, receive), response=response)
        if status not in (200, 400, 405, 416, 501):
            raise_for_status(response, url)
    # A server that does not count from the end.
    with ask({"Range": "bytes=0-0"}) as response:
        total = range_of(response)[1]
        if response.status_code == 206 and total is not None:
            return WheelMetadata(content=metadata_in(_Ranges(url, ask, total, b""), url), response=response)
        raise_for_status(response, url)
        return WheelMetadata(content=_whole(response, url, receive), response=response)


def _whole(
    response: httpx.Response, url: str, receive: Callable[[Iterable[bytes]], AbstractContextManager[IO[bytes]]]
) -> bytes:
    """The METADATA of a wheel that the server sends as a whole only."""
    with receive(chunks_of(response, url)) as file:
        return metadata_in(file, url)


def metadata_in(file: IO[bytes], url: str) -> bytes:
    """The METADATA of a wheel.

    Args:
        file: the wheel.
        url: its address, for messages.

    Raises:
        TransferError: `hash-mismatch` for a file that is no wheel.
    """
    try:
        with zipfile.ZipFile(_crowded(file) or file) as archive:
            names = [
                each for each in archive.namelist() if each.endswith(".dist-info/METADATA") and each.count("/") == 1
            ]
            problem = f"it has {len(names)} files METADATA" if len(names) != 1 else None
            if problem is None and archive.getinfo(names[0]).file_size <= METADATA.wire:
                with archive.open(names[0]) as member:
                    return member.read(METADATA.wire)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise _no_wheel(url, f"{type(error).__name__}: {error}") from error
    raise _no_wheel(url, problem or f"its METADATA has more than {METADATA.wire:,} bytes")


def _crowded(file: IO[bytes]) -> IO[bytes] | None:
    """An archive with the METADATA of one with very many members alone; None for any other archive.

    zipfile makes an object for every member, which takes longer for the 16,000 of TensorFlow, or for the wheels of a
    whole project together, than all the rest of the resolve in this process. So the entry is cut out of the list of
    members, and zipfile reads an archive of it alone. A wheel with several of them is for zipfile to refuse.
    """
    total = file.seek(0, io.SEEK_END)
    end = _read(file, max(0, total - _END.size - 1024), total)
    at = end.rfind(b"PK\x05\x06")
    if at < 0 or len(end) < at + _END.size:
        return None
    *_, count, size, start, _ = _END.unpack_from(end, at)
    if count < _CROWDED or start + size > total:
        return None
    members = _read(file, start, start + size)
    found, entries = -1, []
    while (found := members.find(b".dist-info/METADATA", found + 1)) >= 0:
        head = members.rfind(b"PK\x01\x02", 0, found)
        if head < 0 or len(members) < head + _ENTRY.size:
            return None
        packed, _, name, extra, comment, offset = (_ENTRY.unpack_from(members, head)[number] for number in _WANTED)
        path = members[head + _ENTRY.size : head + _ENTRY.size + name]
        if path.endswith(b".dist-info/METADATA") and path.count(b"/") == 1:
            length = _ENTRY.size + name + extra + comment
            entries.append((offset, 30 + name + 65536 + packed, bytearray(members[head : head + length])))
    if len(entries) != 1:
        return None
    (offset, most, entry) = entries[0]
    # Behind the name stands an extra field, which may have another length than that of the list.
    content = _read(file, offset, min(start, offset + most))
    entry[42:46] = bytes(4)
    return io.BytesIO(content + entry + _END.pack(b"PK\x05\x06", 0, 0, 1, 1, len(entry), len(content), 0))


def _read(file: IO[bytes], start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)


def _no_wheel(url: str, evidence: str) -> TransferError:
    what = f"`{name_in(url)}` on the server is not a whole wheel"
    return TransferError("hash-mismatch", what, transient=True, stubborn=True, evidence=(evidence,))


class _Ranges(io.RawIOBase, IO[bytes]):
    """A file on a server that can be read anywhere; what was read stays."""

    def __init__(
        self,
        url: str,
        ask: Callable[[Mapping[str, str]], AbstractContextManager[httpx.Response]],
        total: int,
        tail: bytes,
    ) -> None:
        super().__init__()
        self._url, self._ask, self._total = url, ask, total
        self._parts = [(total - len(tail), tail)]
        self._at = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._total}[whence]
        self._at = max(0, start + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self._total if size < 0 else min(self._total, self._at + size)
        if end <= self._at:
            return b""
        for start, content in self._parts:
            if start <= self._at and end <= start + len(content):
                break
        else:
            start, content = self._at, self._fetch(self._at, min(self._total, max(end, self._at + _BLOCK)))
            self._parts.append((start, content))
        found = content[self._at - start : end - start]
        self._at = end
        return found

    def _fetch(self, start: int, end: int) -> bytes:
        with self._ask({"Range": f"bytes={start}-{end - 1}"}) as response:
            raise_for_status(response, self._url)
            if response.status_code != 206 or range_of(response)[0] != start:
                raise TransferError("mirror-http-error", f"the server sent another part of `{name_in(self._url)}`")
            content = body_of(response, self._url)
        if len(content) != end - start:
            raise TransferError("net-reset", f"the server ended a part of `{name_in(self._url)}` early")
        return content
