"""One request for one piece of a file: ask, check the answer against what was asked, put the bytes at their place."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tfprov.fetch.answers import length_of, name_in, raise_for_status, range_of, refuse_page, validator_of
from tfprov.fetch.lanes import Lane, Manner
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
    """The server has another file than the one that is partly here, or says so.

    Attributes:
        total: its size there; None when the server does not say.
        origin: what the server says about it now.
    """

    def __init__(self, total: int | None, origin: Origin) -> None:
        super().__init__(origin.url)
        self.total = total
        self.origin = origin


@dataclass(slots=True, kw_only=True)
class Target:
    """One file on one server by one route, and what the server has shown about it. Shared by all its connections.

    Attributes:
        url: http or https; credentials in it are used for its host only.
        partial: what is here already; receives the rest.
        size: size of the file if it is known beforehand.
        network: certificates, credentials, health.
        route: the way.
        manner: time-outs and the like.
        arrived: called with the number of bytes of each piece that came over the wire, from any thread.
        stopped: whether to end at the next piece of data.
        pieces: what is left to hand out; grows when the size becomes known.
        ranges: whether the server gives parts; None as long as it has not been seen.
    """

    url: str
    partial: Partial
    size: int | None
    network: Network
    route: Route
    manner: Manner
    arrived: Callable[[int], None]
    stopped: Callable[[], bool]
    pieces: Pieces = field(default_factory=lambda: Pieces(()))
    ranges: bool | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def address(self) -> str:
        """The URL without credentials."""
        return without_userinfo(self.url)

    @property
    def host(self) -> str:
        """Names the server in what a run remembers."""
        return f"host {urlsplit(self.url).netloc.rpartition('@')[2]}"

    @property
    def where(self) -> str:
        """Server and proxy, for people."""
        through = "" if self.route.proxy_for(self.url) is None else f" through {self.route.words(self.url)}"
        return f"`{urlsplit(self.address).hostname}`{through}"

    @property
    def ranges_wanted(self) -> bool:
        """Whether to ask for parts."""
        return self.manner.ranges and self.ranges is not False and self.network.health.trusts_ranges(self.host)

    def client(self) -> httpx.Client:
        """A new HTTP client for one thread. Close it."""
        return self.network.client(
            self.route, connect_timeout=self.manner.connect_timeout, idle_timeout=self.manner.idle_timeout
        )

    def recognise(self, origin: Origin, total: int | None) -> None:
        """Notice a server that has another file than the one that is partly here.

        Raises:
            ChangedError: that is so.
            TransferError: `hash-mismatch` when its size is not that of the lock.
        """
        partial = self.partial
        with self._lock:
            if None not in (total, self.size) and total != self.size:
                # What is here may still be right, from another source: it stays.
                raise TransferError(
                    "hash-mismatch",
                    f"the server has another `{name_in(self.url)}` than the one in the lock",
                    evidence=(f"expected {self.size:,} bytes, the server has {total:,}",),
                )
            known = partial.origin
            changed = total is not None and partial.total is not None and total != partial.total
            if known is not None and known.url == origin.url and None not in (known.validator, origin.validator):
                changed = changed or (
                    known.validator != origin.validator and self.network.health.trusts_validators(self.host)
                )
            if changed and partial.arrived:
                raise ChangedError(total, origin)
            partial.origin = origin
            partial.total = partial.total if total is None else total

    def overlaps(self) -> bool:
        """Whether the server still has the bytes that are here, by the last of them."""
        import httpx

        start, end = self.partial.last_bytes(_OVERLAP)
        if start == end:
            return False
        headers = {"Range": f"bytes={start}-{end - 1}"}
        try:
            with (
                self.client() as client,
                client.stream("GET", self.address, headers=headers, auth=self.network.auth(self.url)) as response,
            ):
                if response.status_code != 206 or range_of(response)[0] != start:
                    return False
                theirs = b"".join(response.iter_raw())
        except (httpx.HTTPError, httpx.StreamError, OSError):
            return False
        self.arrived(len(theirs))
        return theirs == self.partial.read(start, end - start)


def exchange(client: httpx.Client, lane: Lane, target: Target) -> None:
    """Fetch the piece that the lane is asking for.

    Raises:
        ChangedError: the server has another file now.
        TransferError: what came is not what was asked for, or not all of it.
        TfprovError: the machine's reason why bytes cannot be kept.
        httpx.HTTPError, OSError: the connection failed.
    """
    request = client.build_request(
        "GET", target.address, headers=_headers(lane.piece, target), extensions={"trace": _tracer(lane)}
    )
    response = client.send(request, stream=True, auth=target.network.auth(target.url))
    try:
        lane.answer()
        _receive(response, lane, target)
    finally:
        response.close()


def _headers(piece: tuple[int, int | None], target: Target) -> dict[str, str]:
    start, end = piece
    headers: dict[str, str] = {}
    origin = target.partial.origin
    whole = start == 0 and end in (None, target.partial.total)
    if target.ranges_wanted:
        # Also for a file that is small or of unknown size: the answer tells whether parts can be had, and the size.
        last = (end if end is not None else start + Pieces.SMALLEST) - 1
        headers["Range"] = f"bytes={start}-{last}"
        trusted = target.network.health.trusts_validators(target.host)
        if trusted and not whole and origin and origin.validator and origin.url == target.address:
            headers["If-Range"] = origin.validator
    if target.manner.uncached:
        headers.update({"Cache-Control": "no-cache", "Pragma": "no-cache"})
    return headers


def _tracer(lane: Lane) -> Callable[[str, dict[str, object]], None]:
    """Tells the lane its socket, for the watchdog."""

    def trace(event: str, info: dict[str, object]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            stream = info.get("return_value")
            lane.socket = getattr(stream, "get_extra_info", lambda _: None)("socket")
            lane.carried = 0

    return trace


def _receive(response: httpx.Response, lane: Lane, target: Target) -> None:
    partial = target.partial
    start, _ = lane.piece
    position, stop = _accept(response, lane.piece, target)
    lane.piece = (start, stop)
    length = length_of(response)
    # Read to its end, a response leaves its connection fit for the next request.
    ends_there = length is not None and position + length == stop
    for data in response.iter_raw():
        if target.stopped():
            raise TransferError("net-reset", "stopped")
        count = len(data)
        if position == 0:
            refuse_page(data[:4096], response, target.url)
        target.arrived(count)
        lane.bring(count)
        # A server that ignores ranges sends from the beginning again: what is here already is read past.
        skip = max(0, start - position)
        if skip < count:
            partial.write(position + skip, memoryview(data)[skip:])
        position += count
        lane.position = max(lane.position, position)
        if stop is not None and position >= stop and not ends_there:
            break
    if lane.kicked is not None:
        raise lane.kicked
    if stop is None:
        # Neither a length nor a size beforehand: the end of the stream is the end of the file; the hash decides.
        partial.total = position
        lane.piece = (start, position)
    elif position < stop:
        raise TransferError(
            "net-reset",
            f"the server ended `{name_in(target.url)}` early",
            evidence=(f"at byte {position:,}, asked for up to {stop:,}",),
        )


def _accept(response: httpx.Response, piece: tuple[int, int | None], target: Target) -> tuple[int, int | None]:
    """Check an answer against what was asked: the offsets that its body begins and ends at (None: not known)."""
    partial = target.partial
    start, end = piece
    origin = Origin(target.address, validator_of(response))
    if response.status_code == 416:
        # Shorter than what was asked for. `recognise` raises when that is not the size in the lock.
        total = range_of(response)[1]
        target.recognise(origin, total)
        raise ChangedError(total, origin)
    raise_for_status(response, target.url)
    sent = length_of(response)
    if response.headers.get("Content-Type", "").startswith("text/html") and sent != partial.total:
        refuse_page(next(response.iter_raw(), b""), response, target.url)
    _refuse_encoding(response, target)
    if response.status_code != 206:
        total = partial.total if sent is None else sent
        target.recognise(origin, total)
        # The whole file comes. Whatever else is missing is on its way here already.
        target.ranges = False
        target.pieces.clear()
        return 0, total
    first, total = range_of(response)
    if first is None or first > start:
        target.network.health.distrust_ranges(target.host)
        raise TransferError(
            "mirror-http-error",
            f"the server sent another part of `{name_in(target.url)}` than was asked for",
            evidence=(f"asked for bytes from {start}", f"got {response.headers.get('Content-Range')}"),
        )
    total = partial.total if total is None else total
    target.recognise(origin, total)
    target.ranges = True
    stop = end
    if end is None and total is not None:
        stop = min(start + Pieces.SMALLEST, total)
        target.pieces.add((stop, total))
    if sent is not None and stop is not None:
        # A server may give less than was asked for; the rest is asked for again.
        stop = min(stop, first + sent)
    return first, stop


def _refuse_encoding(response: httpx.Response, target: Target) -> None:
    if response.headers.get("Content-Encoding", "identity").lower() not in ("identity", ""):
        raise TransferError(
            "mirror-http-error",
            f"the server compresses `{name_in(target.url)}` although it was asked not to",
            transient=False,
            evidence=(f"Content-Encoding: {response.headers['Content-Encoding']}",),
        )
