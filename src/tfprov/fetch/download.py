"""One address to one file: in pieces over as many connections as pay, resumed, watched, checked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tfprov.errors import TfprovError
from tfprov.fetch.answers import explained, name_in
from tfprov.fetch.exchange import ChangedError, Target, exchange
from tfprov.fetch.lanes import Lane, Manner, Pace, Slots, watch
from tfprov.fetch.partial import Partial
from tfprov.fetch.pieces import Pieces
from tfprov.fetch.routes import Route
from tfprov.fetch.sources import Network
from tfprov.ladder.classify import classify_exception
from tfprov.ladder.climb import TransferError, is_transient
from tfprov.ladder.rungs import distance

_TICK_SECONDS = 0.1
# Between two looks at a download that moves fast, so that little is left to do when its last byte has come.
_QUICK_SECONDS = 0.02
_QUICK_BYTES = 1024 * 1024
_WORTH_RECONNECTING = 1024 * 1024
_HALT_SECONDS = 1.0


@dataclass(slots=True)
class _State:
    """What the lanes of one round share, under the lock of the round."""

    lanes: list[Lane] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)
    failures: list[TfprovError] = field(default_factory=list)
    changed: ChangedError | None = None
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
        """
        self._partial = partial
        self._slots = slots
        self._check = check
        self._lock = threading.Lock()
        self._state = _State()
        self._target = Target(
            url=url,
            partial=partial,
            size=size,
            network=network,
            route=route,
            manner=manner,
            arrived=arrived,
            stopped=self._stopped,
        )
        if partial.total is None and size is not None:
            partial.total = size

    def run(self, meanwhile: Callable[[], bool]) -> None:
        """Carry it out.

        Args:
            meanwhile: called several times a second while bytes arrive, for work that can overlap (hashing); tells
                whether it should be called again at once.

        Raises:
            TransferError: the network's or the server's failure; what arrived is kept.
            TfprovError: `disk-full` and the like, or what `check` raised.
        """
        state, target, partial = self._state, self._target, self._partial
        target.pieces = Pieces(partial.missing() if partial.total is not None else ())
        if partial.total is not None and not target.pieces:
            return
        state.cap = min(target.manner.connections, target.network.health.cap(target.host))
        self._slots.take(self._check)
        self._add(extra=False)
        pace, seen = Pace(), partial.arrived
        try:
            while self._alive():
                self._check()
                before, seen = seen, partial.arrived
                behind = meanwhile()
                partial.checkpoint()
                watch(self._busy(), target.manner, where=target.where, now=time.monotonic())
                self._grow(pace)
                if not behind:
                    self._wait(_QUICK_SECONDS if seen - before > _QUICK_BYTES else _TICK_SECONDS)
        finally:
            self._halt()
        self._conclude()

    @property
    def summary(self) -> str:
        """How it went, for the journal."""
        state = self._state
        moved = sum(lane.moved for lane in state.lanes)
        return f"{moved:,} bytes over {len(state.lanes)} connections, {state.reconnects} reconnected"

    def _stopped(self) -> bool:
        return self._state.stop

    def _alive(self) -> bool:
        return any(thread.is_alive() for thread in self._state.threads)

    def _busy(self) -> list[Lane]:
        with self._lock:
            return [lane for lane in self._state.lanes if lane.busy and lane.kicked is None]

    def _wait(self, seconds: float) -> None:
        for thread in self._state.threads:
            if thread.is_alive():
                thread.join(seconds)
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
                    lane.kick(TransferError("net-reset", "stopped"))
            for thread in self._state.threads:
                thread.join(_TICK_SECONDS)

    def _conclude(self) -> None:
        state, partial = self._state, self._partial
        if state.changed is not None:
            self._settle(state.changed)
        if partial.total is not None and not partial.missing():
            return
        failures = state.failures or [TransferError("net-reset", "no connection got on")]
        machine = [error for error in failures if not isinstance(error, TransferError)]
        error = machine[0] if machine else max(failures, key=lambda failure: distance(failure.code.name))
        total = "unknown" if partial.total is None else f"{partial.total:,}"
        reconnects = f" after {state.reconnects} reconnections" if state.reconnects else ""
        error.evidence = (*error.evidence, f"{partial.arrived:,} of {total} bytes are here{reconnects}")
        raise error

    def _settle(self, changed: ChangedError) -> None:
        """The server says that the file is another one: look before believing it.

        Servers behind one name often disagree about the validator of the same file. Bytes that are here already tell:
        when the server still has the same at their end, the file is the same.
        """
        partial, target = self._partial, self._target
        same = changed.total in (None, partial.total) and target.overlaps()
        if same:
            target.network.health.distrust_validators(target.host)
            raise TransferError("net-reset", f"`{name_in(target.url)}` has a new validator and the same content")
        had, known = partial.arrived, partial.total
        partial.reset(total=known if changed.total is None else changed.total)
        raise TransferError(
            "net-reset",
            f"`{name_in(target.url)}` changed on the server; it begins anew",
            evidence=(f"{had:,} bytes dropped", f"size was {known}, is {changed.total}"),
        )

    # -- lanes ---------------------------------------------------------------------------------------------------------

    def _add(self, *, extra: bool) -> None:
        lane = Lane(extra=extra)
        thread = threading.Thread(target=self._work, args=(lane,), name="lane", daemon=True)
        with self._lock:
            self._state.lanes.append(lane)
            self._state.threads.append(thread)
        thread.start()

    def _grow(self, pace: Pace) -> None:
        """Add connections while that pays."""
        state, target = self._state, self._target
        with self._lock:
            active = [lane for lane in state.lanes if lane.busy]
            ready = bool(active) and target.ranges is True and all(lane.answered for lane in active)
            moved = sum(lane.moved for lane in state.lanes)
        speed = pace.measure(moved)
        # Where next to nothing comes, more connections would only have to be given up one by one.
        useful = speed is not None and speed > 4 * target.manner.minimum_speed * len(active)
        if speed is None or not ready or not useful or not pace.pays(speed, len(active)):
            return
        # Each further connection must have a piece of its own to fetch.
        wanted = min(len(active), state.cap - len(active), target.pieces.bytes // Pieces.SMALLEST)
        for _ in range(wanted):
            if not self._slots.take_spare():
                return
            self._add(extra=True)

    def _work(self, lane: Lane) -> None:
        """The life of one connection: piece after piece."""
        try:
            with self._target.client() as client:
                for piece in self._claims(lane):
                    lane.ask(piece)
                    if not self._fetch(lane, lambda: exchange(client, lane, self._target)):
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

    def _claims(self, lane: Lane) -> Iterator[tuple[int, int | None]]:
        """The pieces for one lane."""
        if self._partial.total is None and not lane.extra and not self._stopped():
            yield (0, None)
        while not self._stopped():
            piece = self._target.pieces.claim(lane.speed, whole=not self._target.ranges_wanted)
            if piece is None:
                return
            yield piece

    def _fetch(self, lane: Lane, attempt: Callable[[], None]) -> bool:
        """Fetch one piece. False when this connection should not go on."""
        import httpx

        moved = lane.moved
        try:
            attempt()
            lane.speed = (lane.moved - moved) / max(time.monotonic() - lane.asked_at, 1e-6)
        except ChangedError as changed:
            with self._lock:
                self._state.changed, self._state.stop = changed, True
            return False
        except (TfprovError, httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as cause:
            return self._goes_on(lane, cause)
        finally:
            lane.busy = False
            self._return(lane)
        return True

    def _return(self, lane: Lane) -> None:
        """Put what a lane has not fetched back."""
        start, end = lane.piece
        end = end if end is not None else self._partial.total
        if end is None or lane.position >= end:
            return
        # Only what is really missing: without ranges a lane reads over parts that were here already.
        for gap in self._partial.missing():
            left = (max(gap[0], start), min(gap[1], end))
            if left[0] < left[1]:
                self._target.pieces.add(left)

    def _goes_on(self, lane: Lane, cause: Exception) -> bool:
        """Whether the lane should connect again after this failure."""
        progressed, lane.credited = lane.moved - lane.credited, lane.moved
        target, state = self._target, self._state
        error = lane.kicked or explained(cause, target.address, target.route, only_way=len(target.network.routes) == 1)
        with self._lock:
            if self._stopped():
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
                    target.network.health.limit(target.host, state.cap)
            elif machine or not is_transient(error):
                state.stop = True
        return False
