"""One address to one file: in pieces over as many connections as pay, resumed, watched, checked."""

from __future__ import annotations

import email.utils
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tfprov.errors import TfprovError
from tfprov.fetch.partial import Origin, Partial, Span, merge
from tfprov.fetch.sources import Network, Route
from tfprov.ladder.classify import classify_exception
from tfprov.ladder.climb import TransferError, is_transient
from tfprov.ladder.rungs import distance
from tfprov.redact import redact, without_userinfo

if TYPE_CHECKING:
    import httpx

_MB = 1024 * 1024
_BUFFER = _MB
_SMALLEST_PIECE = 4 * _MB
_LARGEST_PIECE = 64 * _MB
_PIECE_SECONDS = 2.0
# From this length on, a piece is read straight from the socket. That is two to three times as fast (1.7 GB/s instead of
# 0.6 over loopback), and the price is that the connection cannot be used again.
_STRAIGHT_PIECE = 16 * _MB
_TICK_SECONDS = 0.1
_ADD_SECONDS = 0.5
# A connection that carries this much alone leaves nothing for a second one to win.
_FAST_ENOUGH = 150e6
_WORTH_RECONNECTING = _MB
_STUCK_SECONDS = 5.0
_HALT_SECONDS = 1.0
_OVERLAP = 64 * 1024

_CONTENT_RANGE = re.compile(r"bytes\s+(?:(\d+)-(\d+)|\*)/(\d+|\*)", re.IGNORECASE)
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524})
_FIRST_BYTES_OF_A_PAGE = re.compile(rb"^\s*(<!doctype html|<html|<head|<script)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a download is carried out; rungs differ in it.

    Attributes:
        connections: most connections for this file.
        connect_timeout: seconds to reach the server.
        idle_timeout: seconds without a byte.
        minimum_speed: bytes a second, below which a connection is given up; measured over half of `idle_timeout`, or a
            few seconds when it had been good.
        answer_timeout: seconds until the answer begins; None for connect and idle time-out together.
        has_alternative: whether another route or source is left to try, so that silence is answered by going there.
        uncached: ask caches on the way for a fresh answer.
        ranges: whether parts may be asked for; when not, the file is read from its beginning.
    """

    connections: int = 8
    connect_timeout: float = 15.0
    idle_timeout: float = 30.0
    minimum_speed: float = 512.0
    answer_timeout: float | None = None
    has_alternative: bool = False
    uncached: bool = False
    ranges: bool = True


class Slots:
    """The connections that all downloads of a run share."""

    def __init__(self, count: int) -> None:
        """Have so many."""
        self._semaphore = threading.BoundedSemaphore(count)

    def take(self, check: Callable[[], None]) -> None:
        """Take one, waiting for it; `check` may raise meanwhile."""
        while not self._semaphore.acquire(timeout=_TICK_SECONDS):
            check()

    def take_spare(self) -> bool:
        """Take one if there is one to spare."""
        return self._semaphore.acquire(blocking=False)

    def give_back(self) -> None:
        """Give one back."""
        self._semaphore.release()


class _ChangedError(Exception):
    """The server has another file, or says so."""

    def __init__(self, total: int | None, origin: Origin) -> None:
        super().__init__(origin.url)
        self.total = total
        self.origin = origin


@dataclass(slots=True)
class _Lane:
    """One connection at work. Its numbers are read by the watchdog."""

    piece: tuple[int, int | None] = (0, None)
    position: int = 0
    socket: socket.socket | None = None
    busy: bool = False
    answered: bool = False
    asked_at: float = 0.0
    moved_at: float = 0.0
    window_at: float = 0.0
    window_bytes: int = 0
    carried: int = 0
    moved: int = 0
    credited: int = 0
    speed: float = 0.0
    kicked: TransferError | None = None
    extra: bool = False

    def ask(self, piece: tuple[int, int | None]) -> None:
        now = time.monotonic()
        self.piece, self.position, self.answered, self.kicked = piece, piece[0], False, None
        self.asked_at = self.moved_at = self.window_at = now
        self.window_bytes = 0
        self.busy = True

    def kick(self, error: TransferError) -> None:
        """End its connection from another thread.

        Closing a socket does not wake a thread that waits for it; shutting it down does. The base class's method is
        called on purpose: that of a TLS socket would also pull the TLS state away under the reader.
        """
        self.kicked = error
        if self.socket is not None:
            try:
                socket.socket.shutdown(self.socket, socket.SHUT_RDWR)
            except OSError:
                return


@dataclass(slots=True)
class _State:
    """What the lanes of one round share, under `lock`."""

    pending: list[Span] = field(default_factory=list)
    lanes: list[_Lane] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)
    failures: list[TfprovError] = field(default_factory=list)
    changed: _ChangedError | None = None
    ranges: bool | None = None
    cap: int = 1
    stop: bool = False
    reconnects: int = 0


class Download:
    """One round for one file: fetch what is missing until everything is here, or no connection gets on.

    It begins with one connection and adds others as long as each doubling makes the whole faster. Pieces are handed out
    from the front, sized to about two seconds, so that a slow connection never holds the end up for long.
    """

    def __init__(
        self,
        url: str,
        partial: Partial,
        *,
        size: int | None,
        network: Network,
        route: Route,
        manner: Manner,
        slots: Slots,
        arrived: Callable[[int], None],
        check: Callable[[], None],
        enough: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepare it.

        Args:
            url: http or https; credentials in it are used for its host only.
            partial: what is here already; receives the rest.
            size: size of the file if it is known beforehand.
            network: certificates, credentials, health.
            route: the way.
            manner: time-outs and the like.
            slots: shared limit of connections.
            arrived: called with the number of bytes of each piece that came over the wire, from any thread.
            check: called several times a second; raises to stop (deadline, interruption).
            enough: whether the round may end although something is still missing.
        """
        self._enough = enough
        self._url = url
        self._address = without_userinfo(url)
        self._size = size
        self._partial = partial
        self._network = network
        self._route = route
        self._manner = manner
        self._slots = slots
        self._arrived = arrived
        self._check = check
        self._lock = threading.Lock()
        self._state = _State()
        self._host = f"host {urlsplit(url).netloc.rpartition('@')[2]}"
        if partial.total is None and size is not None:
            partial.total = size

    def run(self, meanwhile: Callable[[], None]) -> None:
        """Carry it out.

        Args:
            meanwhile: called several times a second while bytes arrive, for work that can overlap (hashing).

        Raises:
            TransferError: the network's or the server's failure; what arrived is kept.
            TfprovError: `disk-full` and the like, or what `check` raised.
        """
        state = self._state
        state.pending = self._partial.missing() if self._partial.total is not None else []
        if self._partial.total is not None and not state.pending:
            return
        state.cap = min(self._manner.connections, self._network.health.cap(self._host))
        self._slots.take(self._check)
        self._add(extra=False)
        pace = _Pace()
        try:
            while self._alive() and not self._enough():
                self._check()
                meanwhile()
                self._partial.checkpoint()
                self._watch()
                self._grow(pace)
                self._wait()
        finally:
            self._halt()
        self._conclude()

    @property
    def summary(self) -> str:
        """How it went, for the journal."""
        state = self._state
        moved = sum(lane.moved for lane in state.lanes)
        return f"{moved:,} bytes over {len(state.lanes)} connections, {state.reconnects} reconnected"

    def _alive(self) -> bool:
        return any(thread.is_alive() for thread in self._state.threads)

    def _wait(self) -> None:
        for thread in self._state.threads:
            if thread.is_alive():
                thread.join(_TICK_SECONDS)
                return

    def _halt(self) -> None:
        """End every lane and wait for it."""
        with self._lock:
            self._state.stop = True
            lanes = list(self._state.lanes)
        begun = time.monotonic()
        while self._alive():
            waited = time.monotonic() - begun
            if waited > _HALT_SECONDS and all(lane.socket is None for lane in lanes if lane.busy):
                # Whoever is still connecting cannot be woken. It will see `stop` before it writes anything.
                return
            for lane in lanes:
                if lane.busy:
                    lane.kick(TransferError("net-reset", "stopped", transient=True))
            for thread in self._state.threads:
                thread.join(_TICK_SECONDS)

    def _conclude(self) -> None:
        state, partial = self._state, self._partial
        if state.changed is not None:
            self._settle(state.changed)
        if self._enough() or (partial.total is not None and not partial.missing()):
            return
        failures = state.failures or [TransferError("net-reset", "no connection got on", transient=True)]
        machine = [error for error in failures if not isinstance(error, TransferError)]
        error = machine[0] if machine else max(failures, key=lambda failure: distance(failure.code.name))
        total = "unknown" if partial.total is None else f"{partial.total:,}"
        reconnects = f" after {state.reconnects} reconnections" if state.reconnects else ""
        error.evidence = (*error.evidence, f"{partial.arrived:,} of {total} bytes are here{reconnects}")
        raise error

    def _settle(self, changed: _ChangedError) -> None:
        """The server says that the file is another one: look before believing it.

        Servers behind one name often disagree about the validator of the same file. Bytes that are here already tell:
        when the server still has the same at their end, the file is the same.
        """
        partial = self._partial
        same = changed.total in (None, partial.total) and self._overlaps()
        if same:
            self._network.health.distrust_validators(self._host)
            raise TransferError(
                "net-reset", f"`{_name(self._url)}` has a new validator and the same content", transient=True
            )
        had, known = partial.arrived, partial.total
        partial.reset(total=known if changed.total is None else changed.total)
        raise TransferError(
            "net-reset",
            f"`{_name(self._url)}` changed on the server; it begins anew",
            transient=True,
            evidence=(f"{had:,} bytes dropped", f"size was {known}, is {changed.total}"),
        )

    def _overlaps(self) -> bool:
        import httpx

        start, end = self._partial.last_bytes(_OVERLAP)
        if start == end:
            return False
        headers = {"Range": f"bytes={start}-{end - 1}"}
        try:
            with (
                self._client() as client,
                client.stream("GET", self._address, headers=headers, auth=self._network.auth(self._url)) as response,
            ):
                if response.status_code != 206 or _content_range(response)[0] != start:
                    return False
                theirs = b"".join(response.iter_raw())
        except (httpx.HTTPError, httpx.StreamError, OSError):
            return False
        self._arrived(len(theirs))
        return theirs == self._partial.read(start, end - start)

    # -- lanes ---------------------------------------------------------------------------------------------------------

    def _client(self) -> httpx.Client:
        return self._network.client(
            self._route, connect_timeout=self._manner.connect_timeout, idle_timeout=self._manner.idle_timeout
        )

    def _add(self, *, extra: bool) -> None:
        lane = _Lane(extra=extra)
        thread = threading.Thread(target=self._work, args=(lane,), name="lane", daemon=True)
        with self._lock:
            self._state.lanes.append(lane)
            self._state.threads.append(thread)
        thread.start()

    def _grow(self, pace: _Pace) -> None:
        """Add connections while that pays."""
        state = self._state
        with self._lock:
            active = [lane for lane in state.lanes if lane.busy]
            pending = sum(end - start for start, end in state.pending)
            ready = bool(active) and state.ranges is True and all(lane.answered for lane in active)
            moved = sum(lane.moved for lane in state.lanes)
        speed = pace.measure(moved)
        # Where next to nothing comes, more connections would only have to be given up one by one.
        useful = speed is not None and speed > 4 * self._manner.minimum_speed * len(active)
        if speed is None or not ready or not useful or not pace.pays(speed, len(active)):
            return
        # Each further connection must have a piece of its own to fetch.
        wanted = min(len(active), state.cap - len(active), pending // _SMALLEST_PIECE)
        for _ in range(wanted):
            if not self._slots.take_spare():
                return
            self._add(extra=True)

    def _watch(self) -> None:
        """Kick connections that do not get on. Read time-outs alone would let one byte a second pass for ever."""
        manner, now = self._manner, time.monotonic()
        with self._lock:
            busy = [lane for lane in self._state.lanes if lane.busy and lane.kicked is None]
        lively = any(lane.answered and now - lane.moved_at < 1.0 for lane in busy)
        for lane in busy:
            silent = now - lane.moved_at
            window = now - lane.window_at
            if not lane.answered:
                if now - lane.asked_at > (manner.answer_timeout or manner.connect_timeout + manner.idle_timeout):
                    lane.kick(
                        TransferError(
                            "net-timeout",
                            f"{self._where()}: no answer",
                            transient=not manner.has_alternative,
                            evidence=(f"asked {now - lane.asked_at:.0f} s ago",),
                        )
                    )
            elif silent > manner.idle_timeout:
                lane.kick(_too_slow("the connection went silent", f"no byte for {silent:.0f} s"))
            elif (lively or lane.carried >= _MB) and silent > min(_STUCK_SECONDS, manner.idle_timeout):
                # Others move, or it did itself: a new connection costs little and tells more than waiting for this one.
                lane.kick(_too_slow("the connection went silent", f"no byte for {silent:.0f} s"))
            elif window > min(_STUCK_SECONDS if lane.carried >= _MB else manner.idle_timeout, manner.idle_timeout) / 2:
                if lane.window_bytes < window * manner.minimum_speed:
                    seen = f"{lane.window_bytes} bytes in {window:.0f} s"
                    lane.kick(_too_slow("the connection is too slow to be of use", seen))
                lane.window_at, lane.window_bytes = now, 0

    def _work(self, lane: _Lane) -> None:
        """The life of one connection: piece after piece."""
        try:
            with self._client() as client:
                for piece in self._pieces(lane):
                    if not self._piece(client, lane, piece):
                        break
        except TfprovError as error:
            with self._lock:
                self._state.failures.append(error)
        except Exception as error:  # a thread has nobody to raise to; the round raises it
            with self._lock:
                self._state.failures.append(classify_exception(error))
        finally:
            lane.busy = False
            self._slots.give_back()

    def _pieces(self, lane: _Lane) -> Iterator[tuple[int, int | None]]:
        """Claims, from the front."""
        first = True
        while True:
            with self._lock:
                state = self._state
                if state.stop or self._enough():
                    return
                if self._partial.total is None and first and not lane.extra:
                    piece: tuple[int, int | None] = (0, None)
                elif state.pending:
                    start, end = state.pending[0]
                    length = int(min(max(lane.speed * _PIECE_SECONDS, _SMALLEST_PIECE), _LARGEST_PIECE))
                    if not self._ranges_wanted() or end - start < length + _SMALLEST_PIECE // 4:
                        length = end - start
                    piece = (start, start + length)
                    state.pending = [span for span in ((start + length, end), *state.pending[1:]) if span[0] < span[1]]
                else:
                    return
                lane.ask(piece)
            first = False
            yield piece

    def _piece(self, client: httpx.Client, lane: _Lane, piece: tuple[int, int | None]) -> bool:
        """Fetch one piece. False when this connection should not go on."""
        import httpx

        moved = lane.moved
        try:
            self._exchange(client, lane, piece)
            lane.speed = (lane.moved - moved) / max(time.monotonic() - lane.asked_at, 1e-6)
        except _ChangedError as changed:
            with self._lock:
                self._state.changed, self._state.stop = changed, True
            return False
        except (TfprovError, httpx.HTTPError, httpx.StreamError, OSError) as cause:
            return self._failed(lane, cause)
        finally:
            lane.busy = False
            self._return(lane)
        return True

    def _return(self, lane: _Lane) -> None:
        """Put what a lane has not fetched back."""
        start, end = lane.piece
        end = end if end is not None else self._partial.total
        if end is None or lane.position >= end:
            return
        with self._lock:
            # Only what is really missing: without ranges a lane reads over parts that were here already.
            for gap in self._partial.missing():
                left = (max(gap[0], start), min(gap[1], end))
                if left[0] < left[1]:
                    self._state.pending = merge(self._state.pending, left)

    def _failed(self, lane: _Lane, cause: Exception) -> bool:
        """Whether the lane should connect again after this failure."""
        progressed, lane.credited = lane.moved - lane.credited, lane.moved
        error = lane.kicked or self._explained(cause)
        state = self._state
        with self._lock:
            if state.stop or self._enough():
                return False
            others = any(other.busy and other.answered for other in state.lanes if other is not lane)
            machine = not isinstance(error, TransferError)
            if not machine and is_transient(error) and progressed >= _WORTH_RECONNECTING:
                # It moved a good piece before it was cut: what it brings is worth another connection, at once.
                state.reconnects += 1
                return True
            state.failures.append(error)
            if lane.extra and others and not machine:
                # The server minds so many connections: those that work go on, and no more are added.
                state.cap = max(1, sum(other.busy for other in state.lanes) - 1)
                if error.code.name in ("mirror-http-error", "net-refused"):
                    # It said so; a cut connection alone may be the link's fault and is forgotten with this file.
                    self._network.health.limit(self._host, state.cap)
            elif machine or not is_transient(error):
                state.stop = True
        return False

    def _where(self) -> str:
        through = "" if self._route.is_direct else f" through the proxy `{redact(self._route.name)}`"
        return f"`{urlsplit(self._address).hostname}`{through}"

    def _explained(self, cause: Exception) -> TfprovError:
        if isinstance(cause, TfprovError):
            return cause
        return explained(cause, self._address, self._route, self._network)

    def _ranges_wanted(self) -> bool:
        return (
            self._manner.ranges and self._state.ranges is not False and self._network.health.trusts_ranges(self._host)
        )

    # -- one request ---------------------------------------------------------------------------------------------------

    def _exchange(self, client: httpx.Client, lane: _Lane, piece: tuple[int, int | None]) -> None:
        partial = self._partial
        start, end = piece
        headers = {}
        whole = start == 0 and end in (None, partial.total)
        if self._ranges_wanted():
            # Also for a file that is small or of unknown size: the answer tells whether parts can be had, and the size.
            last = (end if end is not None else start + _SMALLEST_PIECE) - 1
            headers["Range"] = f"bytes={start}-{last}"
            origin = partial.origin
            trusted = self._network.health.trusts_validators(self._host)
            if trusted and not whole and origin and origin.validator and origin.url == self._address:
                headers["If-Range"] = origin.validator
        if self._manner.uncached:
            headers.update({"Cache-Control": "no-cache", "Pragma": "no-cache"})

        def trace(event: str, info: dict[str, object]) -> None:
            if event.endswith(("connect_tcp.complete", "start_tls.complete")):
                stream = info.get("return_value")
                lane.socket = getattr(stream, "get_extra_info", lambda _: None)("socket")
                lane.carried = 0

        request = client.build_request("GET", self._address, headers=headers, extensions={"trace": trace})
        response = client.send(request, stream=True, auth=self._network.auth(self._url))
        try:
            lane.answered = True
            lane.moved_at = lane.window_at = time.monotonic()
            self._receive(response, lane, piece)
        finally:
            response.close()

    def _receive(self, response: httpx.Response, lane: _Lane, piece: tuple[int, int | None]) -> None:
        partial = self._partial
        start, end = piece
        position, stop = self._accept(response, start, end)
        lane.piece = (start, stop)
        length = _length(response)
        # Read to its end, a response leaves its connection fit for the next request.
        ends_there = length is not None and position + length == stop
        for data in self._body(response, position, stop):
            if self._state.stop or self._enough():
                raise TransferError("net-reset", "stopped", transient=True)
            if position == 0:
                refuse_page(bytes(data[:4096]), response, self._url)
            count = len(data)
            self._arrived(count)
            lane.moved += count
            lane.carried += count
            lane.window_bytes += count
            lane.moved_at = time.monotonic()
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
                f"the server ended `{_name(self._url)}` early",
                transient=True,
                evidence=(f"at byte {position:,}, asked for up to {stop:,}",),
            )

    def _accept(self, response: httpx.Response, start: int, end: int | None) -> tuple[int, int | None]:
        """Check an answer against what was asked: the offsets that its body begins and ends at (None: not known)."""
        partial = self._partial
        if response.status_code == 416:
            # Shorter than what was asked for. `_recognise` raises when that is not the size in the lock.
            origin, total = Origin(self._address, _validator(response)), _content_range(response)[1]
            with self._lock:
                self._recognise(origin, total)
            raise _ChangedError(total, origin)
        raise_for_status(response, self._url)
        if response.headers.get("Content-Type", "").startswith("text/html") and _length(response) != partial.total:
            refuse_page(next(response.iter_raw(), b""), response, self._url)
        if response.headers.get("Content-Encoding", "identity").lower() not in ("identity", ""):
            raise TransferError(
                "mirror-http-error",
                f"the server compresses `{_name(self._url)}` although it was asked not to",
                transient=False,
                evidence=(f"Content-Encoding: {response.headers['Content-Encoding']}",),
            )
        if response.status_code == 206:
            first, total = _content_range(response)
            if first is None or first > start:
                self._network.health.distrust_ranges(self._host)
                raise TransferError(
                    "mirror-http-error",
                    f"the server sent another part of `{_name(self._url)}` than was asked for",
                    transient=True,
                    evidence=(f"asked for bytes from {start}", f"got {response.headers.get('Content-Range')}"),
                )
        else:
            first, total = 0, _length(response)
        if total is None:
            total = partial.total
        with self._lock:
            self._recognise(Origin(self._address, _validator(response)), total)
            if response.status_code == 206:
                self._state.ranges = True
                stop = end if end is not None else min(start + _SMALLEST_PIECE, total) if total is not None else None
                if end is None and total is not None and stop is not None and stop < total:
                    self._state.pending = merge(self._state.pending, (stop, total))
                sent = _length(response)
                if sent is not None and stop is not None:
                    # A server may give less than was asked for; the rest is asked for again.
                    stop = min(stop, first + sent)
            else:
                # The whole file comes. Whatever else is missing is on its way here already.
                self._state.ranges = False
                self._state.pending = []
                stop = total
        return first, stop

    def _recognise(self, origin: Origin, total: int | None) -> None:
        """Notice a server that has another file than the one that is partly here."""
        partial = self._partial
        if None not in (total, self._size) and total != self._size:
            # What is here may still be right, from another source: it stays.
            raise TransferError(
                "hash-mismatch",
                f"the server has another `{_name(self._url)}` than the one in the lock",
                transient=False,
                evidence=(f"expected {self._size:,} bytes, the server has {total:,}",),
            )
        known = partial.origin
        changed = total is not None and partial.total is not None and total != partial.total
        if known is not None and known.url == origin.url and None not in (known.validator, origin.validator):
            changed = changed or (
                known.validator != origin.validator and self._network.health.trusts_validators(self._host)
            )
        if changed and partial.arrived:
            raise _ChangedError(total, origin)
        partial.origin = origin
        partial.total = partial.total if total is None else total

    def _body(self, response: httpx.Response, position: int, stop: int | None) -> Iterator[bytes | memoryview]:
        """The body in pieces of up to a megabyte."""
        pieces = response.iter_raw()
        straight = self._straight_socket(response) if stop is not None and stop - position >= _STRAIGHT_PIECE else None
        if straight is None or stop is None:
            yield from pieces
            return
        # The first piece is what the HTTP library has read together with the headers; after it, its buffer is empty.
        first = next(pieces, b"")
        yield first
        position += len(first)
        buffer = memoryview(bytearray(_BUFFER))
        straight.settimeout(self._manner.idle_timeout)
        while position < stop:
            count = straight.recv_into(buffer[: min(_BUFFER, stop - position)])
            if count == 0:
                return
            yield buffer[:count]
            position += count

    def _straight_socket(self, response: httpx.Response) -> socket.socket | None:
        """The socket that the body comes through as it is; None when something else is in between."""
        if response.http_version != "HTTP/1.1" or response.headers.get("Transfer-Encoding"):
            return None
        if _length(response) is None:
            return None
        proxy = self._route.proxy_for(str(response.url))
        if proxy is not None and proxy.startswith("https://"):
            return None  # TLS within TLS is decrypted above the socket
        stream = response.extensions.get("network_stream")
        found: object = stream.get_extra_info("socket") if stream is not None else None
        wanted = ssl.SSLSocket if response.url.scheme == "https" else socket.socket
        return found if isinstance(found, wanted) else None


class _Pace:
    """How fast the whole download is, and whether the last connections that were added made it faster."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._moved = 0
        self._best = 0.0
        self._lanes = 0
        self._done = False

    def measure(self, moved: int) -> float | None:
        """Bytes a second since the last measurement; None when that is too short ago."""
        seconds = time.monotonic() - self._at
        if seconds < _ADD_SECONDS:
            return None
        speed = (moved - self._moved) / seconds
        self._at, self._moved = time.monotonic(), moved
        return speed

    def pays(self, speed: float, lanes: int) -> bool:
        """Whether more connections are worth trying."""
        if self._done or speed > _FAST_ENOUGH or speed <= 0:
            return False
        if lanes > self._lanes > 0 and speed < self._best * 1.15:
            self._done = True
            return False
        self._best, self._lanes = max(self._best, speed), lanes
        return True


def explained(cause: Exception, url: str, route: Route, network: Network) -> TfprovError:
    """What an exception of the HTTP library means on this route.

    That a proxy cannot be reached says nothing about the server: it is `net-proxy`, and worth another try only when
    there is no other way.
    """
    import httpx

    error = classify_exception(cause)
    host = urlsplit(url).hostname
    if route.proxy_for(url) is None:
        error.what = f"`{host}`: {error.what}"
    elif isinstance(cause, (httpx.ConnectError, httpx.ConnectTimeout)) and error.code.name != "net-tls-cert":
        return TransferError(
            "net-proxy",
            f"the proxy `{redact(route.name)}` cannot be reached: {error.what}",
            transient=len(network.routes) == 1,
            evidence=error.evidence,
        )
    else:
        error.what = f"`{host}` through the proxy `{redact(route.name)}`: {error.what}"
    return error


def _too_slow(what: str, seen: str) -> TransferError:
    return TransferError("net-timeout", what, transient=True, evidence=(seen,))


def raise_for_status(response: httpx.Response, url: str) -> None:
    """Nothing for 200 and 206.

    Raises:
        TransferError: with the code, and whether another try may help.
    """
    status = response.status_code
    if status in (200, 206):
        return
    host = urlsplit(str(response.url)).hostname
    line = f"{status} {response.reason_phrase}".strip()
    asked = (f"Retry-After: {response.headers['Retry-After']}",) if "Retry-After" in response.headers else ()
    evidence = (f"{line} from `{host}`", redact(f"GET {response.url}"), *asked)
    if status == 407:
        raise TransferError("net-proxy", "the proxy wants a login", transient=False, evidence=evidence)
    if status == 511:
        raise TransferError("net-portal", "the network wants a login", transient=False, evidence=evidence)
    hints = {
        401: "give credentials: `${NAME}` variables in the address, or netrc",
        403: "check the credentials, or name a mirror with `index.mirrors`",
        404: "the file is gone there: name a mirror with `index.mirrors`, or renew the lock",
    }
    raise TransferError(
        "mirror-http-error",
        f"`{host}` answers `{_name(url)}` with {line}",
        transient=status in _TRANSIENT_STATUS,
        retry_after=retry_after_seconds(response.headers.get("Retry-After"), now=time.time()),
        evidence=evidence,
        hint=hints.get(status),
    )


def refuse_page(first: bytes, response: httpx.Response, url: str) -> None:
    """Nothing for a wheel.

    Raises:
        TransferError: `net-portal` when the body is a web page.
    """
    kind = response.headers.get("Content-Type", "")
    if _FIRST_BYTES_OF_A_PAGE.match(first) or (kind.startswith("text/html") and not first.startswith(b"PK")):
        raise TransferError(
            "net-portal",
            f"a web page came instead of `{_name(url)}`",
            transient=False,
            evidence=(redact(f"from {response.url}"), f"Content-Type: {kind}", redact(page_title(first))),
        )


def page_title(page: bytes) -> str:
    """What a web page calls itself, for evidence."""
    found = re.search(rb"<title[^>]*>\s*(.{1,200}?)\s*</title>", page, re.IGNORECASE | re.DOTALL)
    return f"title: {found[1].decode('utf-8', 'replace')}" if found else "no title"


def retry_after_seconds(value: str | None, *, now: float) -> float | None:
    """Seconds that a Retry-After header asks for, given as a number or as a date; None when it says nothing.

    Args:
        value: the header.
        now: seconds since the epoch.
    """
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value.strip())
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return max(0.0, moment.timestamp() - now)


def _validator(response: httpx.Response) -> str | None:
    etag: str | None = response.headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    # A date is a strong validator only when it is older than the answer (RFC 9110, 8.8.2.2); servers that give no date
    # of the answer are believed, because the hash has the last word.
    modified: str | None = response.headers.get("Last-Modified")
    return modified if modified and modified != response.headers.get("Date") else None


def _length(response: httpx.Response) -> int | None:
    value = response.headers.get("Content-Length", "")
    return int(value) if value.isdigit() else None


def _content_range(response: httpx.Response) -> tuple[int | None, int | None]:
    found = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    if found is None:
        return None, None
    return None if found[1] is None else int(found[1]), None if found[3] == "*" else int(found[3])


def _name(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]
