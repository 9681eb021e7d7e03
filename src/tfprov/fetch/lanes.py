"""The connections of a download: what each is doing, when one is given up, and when one more pays."""

from __future__ import annotations

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
# A connection that carries this much alone leaves nothing for a second one to win.
_FAST_ENOUGH = 150e6


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
        gives_up: whether a server that never sent more than a trickle is left at once, because it was tried before.
        uncached: ask caches on the way for a fresh answer.
        ranges: whether parts may be asked for; when not, the file is read from its beginning.
    """

    connections: int = 8
    connect_timeout: float = 15.0
    idle_timeout: float = 30.0
    minimum_speed: float = 512.0
    answer_timeout: float | None = None
    has_alternative: bool = False
    gives_up: bool = False
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


@dataclass(slots=True)
class Lane:
    """One connection at work. Its numbers are read by the watchdog.

    Attributes:
        piece: what was asked for last: first byte and one past the last (None: not known yet).
        position: how far it has come in the piece.
        socket: its socket while it has one.
        busy: whether it is fetching a piece.
        answered: whether the answer to the last request has begun.
        asked_at, moved_at: when it asked, when the last byte came; on the monotonic clock.
        window_at, window_bytes: since when and how much is counted for its speed.
        carried: bytes on this connection, over all its pieces.
        moved: bytes on all its connections.
        credited: how many of those have been counted as progress.
        speed: bytes a second on the last piece.
        kicked: why the watchdog ended its connection.
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
    kicked: TransferError | None = None
    extra: bool = False

    def ask(self, piece: tuple[int, int | None]) -> None:
        """Note that this piece is being asked for."""
        now = time.monotonic()
        self.piece, self.position, self.answered, self.kicked = piece, piece[0], False, None
        self.asked_at = self.moved_at = self.window_at = now
        self.window_bytes = 0
        self.busy = True

    def answer(self) -> None:
        """Note that the answer has begun."""
        self.answered = True
        self.moved_at = self.window_at = time.monotonic()

    def bring(self, count: int) -> None:
        """Note that so many bytes came."""
        self.moved += count
        self.carried += count
        self.window_bytes += count
        self.moved_at = time.monotonic()

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


def watch(lanes: Sequence[Lane], manner: Manner, *, where: str, now: float) -> None:
    """Kick connections that do not get on. Read time-outs alone would let one byte a second pass for ever.

    Args:
        lanes: those that fetch a piece now.
        manner: the time-outs.
        where: server and proxy, for people.
        now: on the monotonic clock.
    """
    lively = any(lane.answered and now - lane.moved_at < 1.0 for lane in lanes)
    for lane in lanes:
        silent = now - lane.moved_at
        window = now - lane.window_at
        if not lane.answered:
            if now - lane.asked_at > (manner.answer_timeout or manner.connect_timeout + manner.idle_timeout):
                lane.kick(
                    TransferError(
                        "net-timeout",
                        f"{where}: no answer",
                        transient=not manner.has_alternative,
                        evidence=(f"asked {now - lane.asked_at:.0f} s ago",),
                    )
                )
        elif silent > manner.idle_timeout:
            lane.kick(_too_slow(f"{where}: the connection went silent", f"no byte for {silent:.0f} s"))
        elif (lively or lane.carried >= _MB) and silent > min(_STUCK_SECONDS, manner.idle_timeout):
            # Others move, or it did itself: a new connection costs little and tells more than waiting for this one.
            lane.kick(_too_slow(f"{where}: the connection went silent", f"no byte for {silent:.0f} s"))
        elif window > min(_STUCK_SECONDS if lane.carried >= _MB else manner.idle_timeout, manner.idle_timeout) / 2:
            if lane.window_bytes < window * manner.minimum_speed:
                seen = f"{lane.window_bytes} bytes in {window:.0f} s"
                useless = manner.gives_up and lane.carried < _MB
                lane.kick(_too_slow(f"{where}: the connection is too slow to be of use", seen, transient=not useless))
            lane.window_at, lane.window_bytes = now, 0


def _too_slow(what: str, seen: str, *, transient: bool = True) -> TransferError:
    return TransferError("net-timeout", what, transient=transient, evidence=(seen,))


class Pace:
    """How fast the whole download is, and whether the last connections that were added made it faster."""

    def __init__(self) -> None:
        """Begin to measure now."""
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
