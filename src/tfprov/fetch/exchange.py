"""One request for one piece of a file: ask, check the response against the request, write the bytes at their place."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tfprov.disk_space import Share, require
from tfprov.fetch.answers import (
    http_failures,
    length_of,
    name_in,
    raise_for_status,
    range_of,
    refuse_page,
    validator_of,
)
from tfprov.fetch.bounded import LARGEST, Limits, body_of, response_to, within_disk
from tfprov.fetch.connections import Connection, TransferOptions
from tfprov.fetch.partial import Partial
from tfprov.fetch.pieces import Pieces
from tfprov.fetch.record import Origin
from tfprov.fetch.routes import Route
from tfprov.fetch.sources import Network
from tfprov.ladder.climb import TransferError
from tfprov.redact import without_userinfo

if TYPE_CHECKING:
    import httpx

_OVERLAP = 64 * 1024


class ChangedError(Exception):
    """The server now has another file than the one that is partly here.

    Attributes:
        total: size of the server's file; None when the server does not say.
    """

    def __init__(self, total: int | None) -> None:
        super().__init__()
        self.total = total


@dataclass(slots=True, kw_only=True)
class RemoteFile:
    """One file on one server by one route, and what is known about both. Shared by all its connections.

    Attributes:
        url: http or https; credentials in it are used for its host only.
        partial: the part that is here already; receives the rest.
        size: size of the file if it is known beforehand.
        network: certificates, credentials, health.
        route: the route to the server.
        options: timeouts and the like.
        received: called with the number of bytes of each chunk that came over the wire, from any thread.
        stop: set to end all its connections at their next chunk.
        pieces: the pieces still to hand out; grows when the size becomes known.
        ranges: whether the server honours range requests; None before its first response.
    """

    url: str
    partial: Partial
    size: int | None
    network: Network
    route: Route
    options: TransferOptions
    received: Callable[[int], None]
    stop: threading.Event = field(default_factory=threading.Event)
    pieces: Pieces = field(default_factory=lambda: Pieces(()))
    ranges: bool | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def address(self) -> str:
        """The URL without credentials."""
        return without_userinfo(self.url)

    @property
    def name(self) -> str:
        """The file name, for messages."""
        return name_in(self.url)

    @property
    def host(self) -> str:
        """The key of the server in the health of the run."""
        return f"host {urlsplit(self.url).netloc.rpartition('@')[2]}"

    @property
    def where(self) -> str:
        """Server and proxy, for messages."""
        through = "" if self.route.proxy_for(self.url) is None else f" through {self.route.words(self.url)}"
        return f"`{urlsplit(self.address).hostname}`{through}"

    @property
    def may_use_ranges(self) -> bool:
        """Whether to ask for parts."""
        return self.ranges is not False and self.network.health.trusts(self.host, "ranges")

    def client(self) -> httpx.Client:
        """A new HTTP client for one thread. Close it."""
        return self.network.client(
            self.route, connect_timeout=self.options.connect_timeout, idle_timeout=self.options.idle_timeout
        )

    def recognise(self, origin: Origin, total: int | None) -> None:
        """Compare a response with the file that is partly here, and remember its origin.

        Raises:
            ChangedError: the server has another file.
            TransferError: `hash-mismatch` when its size is not the one in the lock; `mirror-http-error` when the lock
                has no size, and no wheel is that large.
            TfprovError: `disk-full` when the lock has no size, and the disk has no room for it.
        """
        partial = self.partial
        with self._lock:
            if total is not None and total not in (self.size, partial.total):
                self._require_room(total)
            if None not in (total, self.size) and total != self.size:
                # The part that is here may still be right, from another source: it stays.
                raise TransferError(
                    "hash-mismatch",
                    f"the server's `{self.name}` is not the one in the lock",
                    evidence=(f"expected {self.size:,} bytes, the server has {total:,}",),
                )
            known = partial.origin
            changed = total is not None and partial.total is not None and total != partial.total
            if known is not None and known.url == origin.url and None not in (known.validator, origin.validator):
                changed = changed or (
                    known.validator != origin.validator and self.network.health.trusts(self.host, "validators")
                )
            if changed and partial.arrived:
                raise ChangedError(total)
            partial.origin = origin
            partial.total = partial.total if total is None else total

    def _require_room(self, total: int) -> None:
        """Check a size that the server gives and nobody checked before the download."""
        if self.size is None and total > LARGEST:
            what = f"`{self.name}` is larger than any wheel"
            evidence = (f"the server says {total:,} bytes", f"the limit is {LARGEST:,}")
            raise TransferError("mirror-http-error", what, transient=False, stubborn=True, evidence=evidence)
        if self.size is None:
            require((Share(purpose=f"`{self.name}`", path=self.partial.path.parent, size=total),))

    def overlaps(self) -> bool:
        """Whether the server still has the last 64 KB that are here."""
        start, end = self.partial.last_bytes(_OVERLAP)
        if start == end:
            return False
        headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        try:
            with (
                self.client() as client,
                response_to(client, self.address, headers=headers, auth=self.network.auth(self.url)) as response,
            ):
                if response.status_code != 206 or range_of(response)[0] != start:
                    return False
                # A server may go on after the part that was asked for.
                theirs = body_of(response, self.address, Limits(wire=_OVERLAP, unpacked=_OVERLAP))
        except http_failures():
            return False
        except TransferError:
            return False
        self.received(len(theirs))
        return theirs == self.partial.read(start, end - start)


def exchange(client: httpx.Client, connection: Connection, file: RemoteFile) -> None:
    """Fetch the piece that the connection has noted.

    Raises:
        ChangedError: the server has another file now.
        TransferError: the response is not what was requested, or not all of it.
        TfprovError: the machine's reason why bytes cannot be kept.
        httpx.HTTPError, OSError: the connection failed.
    """
    request = client.build_request(
        "GET", file.address, headers=_headers(connection.piece, file), extensions={"trace": _tracer(connection)}
    )
    response = client.send(request, stream=True, auth=file.network.auth(file.url))
    try:
        connection.answer()
        _receive(response, connection, file)
    finally:
        response.close()


def _headers(piece: tuple[int, int | None], file: RemoteFile) -> dict[str, str]:
    start, end = piece
    headers: dict[str, str] = {}
    origin = file.partial.origin
    whole = start == 0 and end in (None, file.partial.total)
    if file.may_use_ranges:
        # Also for a file that is small or of unknown size: the response tells whether ranges work, and the size.
        last = (end if end is not None else start + Pieces.SMALLEST) - 1
        headers["Range"] = f"bytes={start}-{last}"
        trusted = file.network.health.trusts(file.host, "validators")
        if trusted and not whole and origin and origin.validator and origin.url == file.address:
            headers["If-Range"] = origin.validator
    if file.options.uncached:
        headers.update({"Cache-Control": "no-cache", "Pragma": "no-cache"})
    return headers


def _tracer(connection: Connection) -> Callable[[str, dict[str, object]], None]:
    """A trace function that gives the connection its socket, for the watchdog."""

    def trace(event: str, info: dict[str, object]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            stream = info.get("return_value")
            connection.socket = getattr(stream, "get_extra_info", lambda _: None)("socket")
            connection.carried = 0

    return trace


def _receive(response: httpx.Response, connection: Connection, file: RemoteFile) -> None:
    start, _ = connection.piece
    position, stop = _accept(response, connection.piece, file)
    connection.piece = (start, stop)
    length = length_of(response)
    # A connection whose response was read to its end can be used for the next request.
    ends_there = length is not None and position + length == stop
    chunks = response.iter_raw()
    for chunk in within_disk(chunks, file.address, file.partial.path.parent) if stop is None else chunks:
        if file.stop.is_set():
            raise TransferError("net-reset", "stopped")
        if position == 0:
            refuse_page(chunk[:4096], response, file.url)
        file.received(len(chunk))
        connection.receive(len(chunk))
        # A server that ignores ranges sends the file from its beginning: skip the bytes that are here already.
        skip = max(0, start - position)
        if skip < len(chunk):
            file.partial.write(position + skip, memoryview(chunk)[skip:])
        position += len(chunk)
        connection.position = max(connection.position, position)
        if stop is not None and position >= stop and not ends_there:
            break
    if connection.aborted is not None:
        raise connection.aborted
    if stop is None:
        # Neither the lock nor the server gave a size: the end of the stream is the end of the file; the hash decides.
        file.partial.total = position
        connection.piece = (start, position)
    elif position < stop:
        raise TransferError(
            "net-reset",
            f"the server sent only a part of `{file.name}`",
            evidence=(f"at byte {position:,}, requested up to {stop:,}",),
        )


def _accept(response: httpx.Response, piece: tuple[int, int | None], file: RemoteFile) -> tuple[int, int | None]:
    """The offsets at which the body begins and ends (None: not known), checked against the request."""
    partial = file.partial
    start, end = piece
    origin = Origin(file.address, validator_of(response))
    if response.status_code == 416:
        # The file is shorter than the requested range. `recognise` raises when its size is not the one in the lock.
        total = range_of(response)[1]
        file.recognise(origin, total)
        raise ChangedError(total)
    raise_for_status(response, file.url)
    sent = length_of(response)
    if response.headers.get("Content-Type", "").startswith("text/html") and sent != partial.total:
        refuse_page(next(response.iter_raw(), b""), response, file.url)
    _refuse_encoding(response, file)
    if response.status_code != 206:
        total = partial.total if sent is None else sent
        file.recognise(origin, total)
        # The server sends the whole file, so there is nothing left to hand out.
        file.ranges, partial.in_order = False, True
        file.pieces.clear()
        return 0, total
    first, total = range_of(response)
    if first is None or first > start:
        file.network.health.distrust(file.host, "ranges")
        raise TransferError(
            "mirror-http-error",
            f"the server sent another part of `{file.name}` than was requested",
            evidence=(f"requested bytes from {start}", f"got {response.headers.get('Content-Range')}"),
        )
    total = partial.total if total is None else total
    file.recognise(origin, total)
    file.ranges = True
    stop = end
    if end is None and total is not None:
        stop = min(start + Pieces.SMALLEST, total)
        file.pieces.add((stop, total))
    if sent is not None and stop is not None:
        # A server may send less than was asked for; the rest is requested again.
        stop = min(stop, first + sent)
    return first, stop


def _refuse_encoding(response: httpx.Response, file: RemoteFile) -> None:
    if response.headers.get("Content-Encoding", "identity").lower() not in ("identity", ""):
        raise TransferError(
            "mirror-http-error",
            f"the server compresses `{file.name}` although no compression was requested",
            transient=False,
            evidence=(f"Content-Encoding: {response.headers['Content-Encoding']}",),
        )
