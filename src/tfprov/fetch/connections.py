"""The connections of a download: their state, when one is aborted, and when to add another."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tfprov.ladder.climb import TransferError

_MB = 1024 * 1024
_TICK_SECONDS = 0.1
_ADD_SECONDS = 0.5
_STUCK_SECONDS = 5.0
# A single connection that carries this much leaves nothing for a second one to gain.
_FAST_ENOUGH = 150e6
# From this share of one processor on, it is this process that sets the pace.
_BUSY = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOptions:
    """How a file is transferred; the rungs differ in it.

    Attributes:
        connections: most connections for this file.
        connect_timeout: seconds to reach the server.
        idle_timeout: seconds without a byte.
        minimum_speed: bytes a second below which a connection is aborted; measured over half of `idle_timeout`, or over
            2.5 seconds when the connection was good before.
        answer_timeout: seconds until the response begins; None for the sum of connect and idle timeout.
        has_alternative: whether another route or source is left to try, so that no answer here is worth a second try.
        gives_up: whether a server that has only ever trickled is final, because it was tried before.
        uncached: whether caches on the way are asked for a fresh response.
    """

    connections: int = 8
    connect_timeout: float = 15.0
    idle_timeout: float = 30.0
    minimum_speed: float = 512.0
    answer_timeout: float | None = None
    has_alternative: bool = False
    gives_up: bool = False
    uncached: bool = False


class Slots:
    """The limit of connections that all downloads of a run share."""

    def __init__(self, count: int) -> None:
        """Allow `count` connections at a time."""
        self._semaphore = threading.BoundedSemaphore(count)

    def take(self, check: Callable[[], None]) -> None:
        """Take one, waiting for it; `check` is called meanwhile and may raise."""
        while not self._semaphore.acquire(timeout=_TICK_SECONDS):
            check()

    def take_spare(self) -> bool:
        """Take one if one is free."""
        return self._semaphore.acquire(blocking=False)

    def give_back(self) -> None:
        """Give one back."""
        self._semaphore.release()


@dataclass(slots=True)
class Connection:
    """One connection at work. The watchdog reads its numbers from another thread.

    Attributes:
        piece: the last piece requested: first byte and one past the last (None: not known yet).
        position: offset in the file up to which the piece has arrived.
        socket: its socket while it has one.
        busy: whether it is fetching a piece.
        answered: whether the response to the last request has begun.
        asked_at, moved_at: when the request was sent and when the last byte arrived, on the monotonic clock.
        window_at, window_bytes: start of the interval in which its speed is measured, and bytes received since.
        carried: bytes over the current socket, all pieces together.
        moved: bytes over all its sockets.
        credited: how many of those were counted as progress.
        speed: bytes a second on the last piece.
        aborted: why the watchdog ended it; None while it may go on.
        extra: whether it was added to others.
    """

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
    aborted: TransferError | None = None
    extra: bool = False

    def request(self, piece: tuple[int, int | None]) -> None:
        """Note that this piece is being requested."""
        now = time.monotonic()
        self.piece, self.position, self.answered, self.aborted = piece, piece[0], False, None
        self.asked_at = self.moved_at = self.window_at = now
        self.window_bytes = 0
        self.busy = True

    def answer(self) -> None:
        """Note that the response has begun."""
        self.answered = True
        self.moved_at = self.window_at = time.monotonic()

    def receive(self, count: int) -> None:
        """Note that `count` bytes arrived."""
        self.moved += count
        self.carried += count
        self.window_bytes += count
        self.moved_at = time.monotonic()

    def abort(self, error: TransferError) -> None:
        """End it from another thread.

        Closing a socket does not wake the thread that is reading from it; shutting it down does. The base class's
        method is called on purpose: that of a TLS socket would also pull the TLS state away under the reader.
        """
        self.aborted = error
        if self.socket is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


def watch(connections: Sequence[Connection], options: TransferOptions, *, where: str, now: float) -> None:
    """Abort connections that are silent or too slow. A read timeout alone lets one byte a second pass for ever.

    Args:
        connections: those that are fetching a piece.
        options: the timeouts.
        where: server and proxy, for messages.
        now: time on the monotonic clock.
    """
    others_move = any(each.answered and now - each.moved_at < 1.0 for each in connections)
    for each in connections:
        silent = now - each.moved_at
        window = now - each.window_at
        was_good = each.carried >= _MB
        # A new connection costs little and tells more than waiting for one that stopped while others move, or that
        # moved before.
        patience = min(_STUCK_SECONDS, options.idle_timeout) if others_move or was_good else options.idle_timeout
        if not each.answered:
            if now - each.asked_at > (options.answer_timeout or options.connect_timeout + options.idle_timeout):
                seen, transient = f"requested {now - each.asked_at:.0f} s ago", not options.has_alternative
                each.abort(_timeout(f"{where}: no answer", seen, transient=transient))
        elif silent > patience:
            each.abort(_timeout(f"{where}: the connection went silent", f"no byte for {silent:.0f} s"))
        elif window > min(_STUCK_SECONDS if was_good else options.idle_timeout, options.idle_timeout) / 2:
            if each.window_bytes < window * options.minimum_speed:
                seen, final = f"{each.window_bytes} bytes in {window:.0f} s", options.gives_up and not was_good
                each.abort(_timeout(f"{where}: the connection is too slow to be of use", seen, transient=not final))
            each.window_at, each.window_bytes = now, 0


def _timeout(what: str, seen: str, *, transient: bool = True) -> TransferError:
    return TransferError("net-timeout", what, transient=transient, evidence=(seen,))


class SpeedMeter:
    """Measures the speed of a whole download, and whether the connections added last increased it."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._used = time.process_time()
        self._busy = False
        self._moved = 0
        self._best = 0.0
        self._connections = 0
        self._done = False

    def measure(self, moved: int) -> float | None:
        """Bytes a second since the last measurement; None when that was less than half a second ago."""
        seconds = time.monotonic() - self._at
        if seconds < _ADD_SECONDS:
            return None
        speed = (moved - self._moved) / seconds
        used = time.process_time()
        self._busy = used - self._used > _BUSY * seconds
        self._at, self._used, self._moved = time.monotonic(), used, moved
        return speed

    def more_pay(self, speed: float, connections: int) -> bool:
        """Whether adding connections is worth a try.

        Where this process uses a whole processor already, for unpacking what has arrived, their threads would only wait
        for each other.
        """
        if self._done or self._busy or speed > _FAST_ENOUGH or speed <= 0:
            return False
        if connections > self._connections > 0 and speed < self._best * 1.15:
            self._done = True
            return False
        self._best, self._connections = max(self._best, speed), connections
        return True
