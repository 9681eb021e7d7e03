"""Reads the METADATA of a remote wheel through range requests, where the index has no copy of it."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from tfprov.archives import Seekable, damage
from tfprov.fetch.answers import length_of, name_in, raise_for_status, range_of
from tfprov.fetch.bounded import METADATA, body_of, chunks_of
from tfprov.ladder.climb import TransferError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import httpx

# Enough for the central directory of most wheels and for their METADATA, which tools write last.
_TAIL = 48 * 1024
_BLOCK = 32 * 1024
_CROWDED = 64
# The end of a zip archive, and an entry of its central directory (APPNOTE 4.3.16 and 4.3.12).
_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_WANTED = (8, 9, 10, 11, 12, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelMetadata:
    """The metadata of a wheel.

    Attributes:
        content: of the METADATA file.
        response: the response with the first part of the wheel, whose validators are those of the metadata.
        unchanged: whether the server answered 304; there is no content then.
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
    """Read the METADATA of a wheel, with one request for most wheels.

    Args:
        url: of the wheel, for messages.
        ask: requests the wheel with these headers.
        conditions: headers that allow the server to answer 304.
        receive: keeps a whole wheel, from a server that does not support ranges.

    Raises:
        TransferError: `mirror-http-error`, or `hash-mismatch` for a file that is not a wheel.
        httpx.HTTPError: the connection failed.
    """
    with ask({"Range": f"bytes=-{_TAIL}", **conditions}) as response:
        if response.status_code == 304:
            return WheelMetadata(content=b"", response=response, unchanged=True)
        status, total = response.status_code, range_of(response)[1]
        if status == 206 and total is not None:
            tail = body_of(response, url)
            return WheelMetadata(content=metadata_in(remote_file(url, ask, total, tail), url), response=response)
        length = length_of(response)
        ranges = response.headers.get("Accept-Ranges", "none").lower() == "bytes"
        if status == 200 and (not ranges or length is None or length <= _TAIL):
            return WheelMetadata(content=_whole(response, url, receive), response=response)
        if status not in (200, 400, 405, 416, 501):
            raise_for_status(response, url)
    # The server does not support ranges that are counted from the end.
    with ask({"Range": "bytes=0-0"}) as response:
        total = range_of(response)[1]
        if response.status_code == 206 and total is not None:
            return WheelMetadata(content=metadata_in(remote_file(url, ask, total), url), response=response)
        raise_for_status(response, url)
        return WheelMetadata(content=_whole(response, url, receive), response=response)


def _whole(
    response: httpx.Response, url: str, receive: Callable[[Iterable[bytes]], AbstractContextManager[IO[bytes]]]
) -> bytes:
    """The METADATA of a wheel that the server only sends whole."""
    with receive(chunks_of(response, url)) as file:
        return metadata_in(file, url)


def remote_file(
    url: str, ask: Callable[[Mapping[str, str]], AbstractContextManager[httpx.Response]], total: int, tail: bytes = b""
) -> IO[bytes]:
    """A remote file with random access through range requests.

    Args:
        url: of the file, for messages.
        ask: requests the file with these headers.
        total: its size in bytes.
        tail: its last bytes, as far as they are here already.
    """
    return cast("IO[bytes]", _Ranges(url, ask, total, tail))


def metadata_in(file: IO[bytes], url: str) -> bytes:
    """The METADATA of a wheel.

    Args:
        file: the wheel.
        url: its URL, for messages.

    Raises:
        TransferError: `hash-mismatch` for a file that is not a wheel.
    """
    try:
        with zipfile.ZipFile(_crowded(file) or file) as archive:
            names = [
                each for each in archive.namelist() if each.endswith(".dist-info/METADATA") and each.count("/") == 1
            ]
            problem = f"it has {len(names)} METADATA files" if len(names) != 1 else None
            if problem is None and archive.getinfo(names[0]).file_size <= METADATA.wire:
                with archive.open(names[0]) as member:
                    return member.read(METADATA.wire)
    except damage() as error:
        raise _no_wheel(url, f"{type(error).__name__}: {error}") from error
    raise _no_wheel(url, problem or f"its METADATA has more than {METADATA.wire:,} bytes")


def _crowded(file: IO[bytes]) -> IO[bytes] | None:
    """A small archive with only the METADATA of a wheel with very many members; None for any other archive.

    zipfile creates an object for every member. For the 16,000 of TensorFlow, or for all wheels of a project together,
    that takes longer than the rest of the resolve in this process. So this entry is cut out of the central directory,
    and zipfile reads an archive with it alone. A wheel with several METADATA files is left for zipfile to refuse.
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
    # The extra field after the name may differ in length from that in the central directory.
    content = _read(file, offset, min(start, offset + most))
    entry[42:46] = bytes(4)
    return io.BytesIO(content + entry + _END.pack(b"PK\x05\x06", 0, 0, 1, 1, len(entry), len(content), 0))


def _read(file: IO[bytes], start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)


def _no_wheel(url: str, evidence: str) -> TransferError:
    what = f"`{name_in(url)}` on the server is not a complete wheel"
    return TransferError("hash-mismatch", what, transient=True, stubborn=True, evidence=(evidence,))


class _Ranges(Seekable):
    """A remote file with random access; the parts that were read are kept."""

    def __init__(
        self,
        url: str,
        ask: Callable[[Mapping[str, str]], AbstractContextManager[httpx.Response]],
        total: int,
        tail: bytes,
    ) -> None:
        super().__init__(self._part, total)
        self._url, self._ask, self._total = url, ask, total
        self._parts = [(total - len(tail), tail)]

    def _part(self, offset: int, count: int) -> bytes:
        end = offset + count
        for start, content in self._parts:
            if start <= offset and end <= start + len(content):
                break
        else:
            start, content = offset, self._fetch(offset, min(self._total, max(end, offset + _BLOCK)))
            self._parts.append((start, content))
        return content[offset - start : end - start]

    def _fetch(self, start: int, end: int) -> bytes:
        with self._ask({"Range": f"bytes={start}-{end - 1}"}) as response:
            raise_for_status(response, self._url)
            if response.status_code != 206 or range_of(response)[0] != start:
                raise TransferError("mirror-http-error", f"the server sent another part of `{name_in(self._url)}`")
            content = body_of(response, self._url)
        if len(content) != end - start:
            raise TransferError("net-reset", f"the server sent a part of `{name_in(self._url)}` incompletely")
        return content
