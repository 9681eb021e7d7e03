"""Reads small responses within limits: time for headers and body, bytes on the wire, bytes after decompression."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tfprov import words
from tfprov.errors import TfprovError
from tfprov.ladder.climb import TransferError
from tfprov.redact import redact

if TYPE_CHECKING:
    import httpx


_HEADER_SECONDS = 30.0
_MOMENT = 0.5
_LOOK_SECONDS = 0.25
LARGEST = 16 << 30
"""Bytes of a file whose size the lock does not give. The largest wheels have some 5 GB."""
_RESERVE = 256 << 20
_STEP = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits for a small response.

    Attributes:
        seconds: for the body.
        slowest: lowest acceptable speed of the body in bytes per second, measured over `window`.
        window: seconds.
        wire: bytes before decompression.
        unpacked: bytes after decompression.
    """

    seconds: float = 300.0
    slowest: float = 512.0
    window: float = 15.0
    wire: int = 64 << 20
    unpacked: int = 256 << 20


PAGE = Limits()
"""Limits for index pages. The longest known ones have some 30 MB."""
METADATA = Limits(wire=16 << 20, unpacked=64 << 20)


class Watch:
    """Ends a request whose headers take too long, one byte a second for example, which no read timeout detects.

    Passed to the client as the request extension `watch`; the transport reports the sockets that carry the request.
    """

    def __init__(self, seconds: float) -> None:
        self.fired = False
        self.ends_at = time.monotonic() + seconds
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Watch:
        _WATCHER.add(self)
        return self

    def __exit__(self, *exc: object) -> None:
        _WATCHER.remove(self)

    def over(self, sockets: list[socket.socket]) -> None:
        """Watch these sockets; the list may grow."""
        self._sockets = sockets

    def end(self) -> None:
        """End the request."""
        self.fired = True
        for each in tuple(self._sockets):
            # Closing the socket would not wake the thread that reads from it.
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class _Watcher:
    """One thread for all requests of this process, because starting one takes longer than many a request."""

    def __init__(self) -> None:
        self._watches: set[Watch] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, watch: Watch) -> None:
        with self._changed:
            self._watches.add(watch)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look, name="headers", daemon=True)
                self._thread.start()
            elif len(self._watches) == 1:
                self._changed.notify()

    def remove(self, watch: Watch) -> None:
        with self._changed:
            self._watches.discard(watch)

    def _look(self) -> None:
        while True:
            with self._changed:
                self._changed.wait(_LOOK_SECONDS if self._watches else None)
                now = time.monotonic()
                late = [watch for watch in self._watches if watch.ends_at <= now]
                self._watches.difference_update(late)
            for watch in late:
                watch.end()


_WATCHER = _Watcher()


@contextlib.contextmanager
def response_to(
    client: httpx.Client, url: str, *, method: str = "GET", headers: Mapping[str, str], auth: httpx.Auth | None = None
) -> Iterator[httpx.Response]:
    """The response to a request, with its body still to be read.

    All headers, including those of redirects, must arrive within about the client's read timeout.

    Args:
        client: of this thread.
        url: without credentials.
        method: GET or HEAD.
        headers: of the request.
        auth: credentials.

    Raises:
        TransferError: `net-timeout` when the headers do not end; not worth another try on the same route.
        httpx.HTTPError: the connection failed.
    """
    import httpx

    # Complete silence is detected by the client's own timeout, after which more patience may help; so this limit is a
    # moment later.
    seconds = (client.timeout.read or _HEADER_SECONDS) + _MOMENT
    watch = Watch(seconds)
    request = client.build_request(method, url, headers=dict(headers), extensions={"watch": watch})
    with watch:
        try:
            response = client.send(request, stream=True, auth=auth)
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            if not watch.fired:
                raise
            raise TransferError(
                "net-timeout",
                f"`{urlsplit(url).netloc}` did not complete its headers in {seconds:.0f} s",
                transient=False,
                stubborn=True,
                evidence=(redact(f"{method} {url}"),),
            ) from error
    try:
        yield response
    finally:
        response.close()


def body_of(response: httpx.Response, url: str, limits: Limits = PAGE) -> bytes:
    """The whole body, decompressed.

    Raises:
        TransferError: `net-timeout` for a body that trickles; `mirror-http-error` for one that does not end or has an
            unknown encoding; `net-reset` for a truncated compressed body.
        httpx.HTTPError: the connection failed.
    """
    unpack = _Unpacker(response.headers.get("Content-Encoding", ""), url, limits)
    parts: list[bytes] = []
    wire = 0
    began = time.monotonic()
    for chunk in chunks_of(response, url, limits):
        wire += len(chunk)
        parts.append(unpack(chunk))
        if wire > limits.wire:
            raise _endless(url, f"{wire:,} bytes so far", f"the limit is {limits.wire:,} bytes")
        if (seconds := time.monotonic() - began) > limits.seconds:
            raise _endless(url, f"{wire:,} bytes in {seconds:.0f} s", f"the limit is {limits.seconds:.0f} s")
    unpack.check_whole()
    return b"".join(parts)


def chunks_of(response: httpx.Response, url: str, limits: Limits = PAGE) -> Iterator[bytes]:
    """The body in chunks as they arrive, as long as it is not too slow.

    Raises:
        TransferError: `net-timeout`; not worth another try on the same route.
        httpx.HTTPError: the connection failed.
    """
    since, count = time.monotonic(), 0
    for chunk in response.iter_raw():
        count += len(chunk)
        yield chunk
        seconds = time.monotonic() - since
        if seconds <= limits.window:
            continue
        if count < limits.slowest * seconds:
            raise TransferError(
                "net-timeout",
                f"`{urlsplit(url).hostname}` sends almost nothing",
                transient=False,
                stubborn=True,
                evidence=(f"{count} bytes in {seconds:.0f} s", redact(f"GET {url}")),
            )
        since, count = time.monotonic(), 0


def within_disk(chunks: Iterable[bytes], url: str, folder: Path) -> Iterator[bytes]:
    """The chunks of a file whose size nobody gave, as long as it neither fills the disk nor goes on for ever.

    Args:
        chunks: as they arrive.
        url: of the file, for messages.
        folder: where they are being written.

    Raises:
        TransferError: `mirror-http-error` for a file that does not end.
        TfprovError: `disk-full`.
    """
    count = looked = 0
    for chunk in chunks:
        count += len(chunk)
        if count > LARGEST:
            what, limit = f"the file `{redact(url)}` does not end", f"the limit is {LARGEST:,}"
            evidence = (f"{count:,} bytes so far", limit)
            raise TransferError("mirror-http-error", what, transient=False, stubborn=True, evidence=evidence)
        if count - looked >= _STEP:
            looked, free = count, shutil.disk_usage(folder).free
            if free < _RESERVE:
                raise TfprovError(
                    "disk-full",
                    f"`{redact(url)}` would fill the disk, and neither lock nor server says how large it is",
                    evidence=(f"{words.size(count)} so far, {words.size(free)} free in `{folder}`",),
                    hint="free some space, or move tfprov's folders with TFPROV_HOME; if the file should not be that "
                    "large, `tfprov lock --upgrade` takes it from the index again",
                )
        yield chunk


class _Unpacker:
    """Decompresses a body as it arrives, up to a size limit: a small page can decompress to gigabytes."""

    def __init__(self, encoding: str, url: str, limits: Limits) -> None:
        self._url, self._limits, self._size = url, limits, 0
        name = encoding.strip().lower()
        if name not in ("", "identity", "gzip", "x-gzip"):
            raise TransferError(
                "mirror-http-error",
                f"`{urlsplit(url).hostname}` sent its page in an encoding that was not requested",
                transient=False,
                evidence=(f"Content-Encoding: {encoding[:80]}", redact(url)),
            )
        self._stream = zlib.decompressobj(31) if name.endswith("gzip") else None
        self._any = False

    def __call__(self, chunk: bytes) -> bytes:
        self._any = self._any or bool(chunk)
        if self._stream is None:
            return self._counted(chunk)
        parts = []
        while chunk:
            try:
                parts.append(self._counted(self._stream.decompress(chunk, self._limits.unpacked + 1 - self._size)))
            except zlib.error as error:
                raise _cut(self._url, str(error)) from error
            chunk = self._stream.unconsumed_tail or self._stream.unused_data
            if self._stream.eof and chunk:
                # A gzip body may consist of several members.
                self._stream = zlib.decompressobj(31)
        return b"".join(parts)

    def check_whole(self) -> None:
        if self._stream is not None and self._any and not self._stream.eof:
            raise _cut(self._url, "the compressed page ends early")

    def _counted(self, data: bytes) -> bytes:
        self._size += len(data)
        if self._size > self._limits.unpacked:
            said = f"more than {self._limits.unpacked:,} bytes unpacked"
            raise _endless(self._url, said, f"the limit is {self._limits.unpacked:,}")
        return data


def _endless(url: str, *evidence: str) -> TransferError:
    what = f"the page `{redact(url)}` does not end"
    return TransferError("mirror-http-error", what, transient=False, stubborn=True, evidence=evidence)


def _cut(url: str, evidence: str) -> TransferError:
    return TransferError("net-reset", f"the page `{redact(url)}` arrived damaged", evidence=(evidence,))
