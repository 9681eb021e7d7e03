"""One file from one server: in pieces over as many connections as pay off, resumed and watched."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tfprov.errors import TfprovError
from tfprov.fetch.answers import explained, http_failures
from tfprov.fetch.connections import Connection, Slots, SpeedMeter, watch
from tfprov.fetch.exchange import ChangedError, RemoteFile, exchange
from tfprov.fetch.pieces import Pieces
from tfprov.ladder.classify import classify_exception
from tfprov.ladder.climb import TransferError, is_transient
from tfprov.ladder.rungs import distance

if TYPE_CHECKING:
    import httpx

_TICK_SECONDS = 0.1
# Interval between checks of a fast download, so that little is left to hash after its last byte.
_QUICK_SECONDS = 0.02
_QUICK_BYTES = 1024 * 1024
_WORTH_RECONNECTING = 1024 * 1024
_HALT_SECONDS = 1.0


class Download:
    """One round for one file: fetch what is missing until everything is here, or no connection makes progress.

    It begins with one connection and adds others as long as each doubling makes the whole faster. Pieces are handed out
    from the front, after those that are wanted first, sized to about two seconds, so that a slow connection never
    delays the end for long.
    """

    def __init__(self, file: RemoteFile, *, slots: Slots, check: Callable[[], None]) -> None:
        """Prepare it.

        Args:
            file: the file to fetch.
            slots: shared limit of connections.
            check: called several times a second; raises to stop (deadline, interruption).
        """
        self._file = file
        self._slots = slots
        self._check = check
        # The lock guards all that follows.
        self._lock = threading.Lock()
        self._connections: list[Connection] = []
        self._threads: list[threading.Thread] = []
        self._failures: list[TfprovError] = []
        self._changed: ChangedError | None = None
        self._most = 1
        self._reconnects = 0
        if file.partial.total is None and file.size is not None:
            file.partial.total = file.size

    def run(self, meanwhile: Callable[[], bool]) -> None:
        """Carry it out.

        Args:
            meanwhile: called several times a second while bytes arrive, for work that can overlap (hashing); returns
                whether it should be called again at once.

        Raises:
            TransferError: the network's or the server's failure; bytes that arrived are kept.
            TfprovError: `disk-full` and the like, or what `check` raised.
        """
        file, partial = self._file, self._file.partial
        file.pieces = Pieces(partial.missing() if partial.total is not None else ())
        if partial.total is not None and not file.pieces:
            return
        self._most = min(file.options.connections, file.network.health.cap(file.host))
        self._slots.take(self._check)
        self._add(extra=False)
        meter, seen = SpeedMeter(), partial.arrived
        try:
            while self._is_alive():
                self._check()
                before, seen = seen, partial.arrived
                behind = meanwhile()
                partial.checkpoint()
                with self._lock:
                    watched = [each for each in self._connections if each.busy and each.aborted is None]
                watch(watched, file.options, where=file.where, now=time.monotonic())
                self._grow(meter)
                if not behind:
                    self._wait(_QUICK_SECONDS if seen - before > _QUICK_BYTES else _TICK_SECONDS)
        finally:
            self._halt()
        self._conclude()

    @property
    def summary(self) -> str:
        """Bytes, connections and reconnections, for the journal."""
        moved = sum(each.moved for each in self._connections)
        return f"{moved:,} bytes over {len(self._connections)} connections, {self._reconnects} reconnected"

    def _is_alive(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _wait(self, seconds: float) -> None:
        for thread in self._threads:
            if thread.is_alive():
                thread.join(seconds)
                return

    def _halt(self) -> None:
        """End every connection and wait for it."""
        self._file.stop.set()
        with self._lock:
            connections = list(self._connections)
        begun = time.monotonic()
        while self._is_alive():
            busy = [each for each in connections if each.busy]
            if time.monotonic() - begun > _HALT_SECONDS and all(each.socket is None for each in busy):
                # A thread that is still connecting cannot be woken. It will see `stop` before it writes anything.
                return
            for each in busy:
                each.abort(TransferError("net-reset", "stopped"))
            for thread in self._threads:
                thread.join(_TICK_SECONDS)

    def _conclude(self) -> None:
        partial = self._file.partial
        if self._changed is not None:
            self._settle(self._changed)
        if partial.total is not None and not partial.missing():
            return
        failures = self._failures or [TransferError("net-reset", "no connection made progress")]
        machine = [error for error in failures if not isinstance(error, TransferError)]
        error = machine[0] if machine else max(failures, key=lambda failure: distance(failure.code.name))
        total = "unknown" if partial.total is None else f"{partial.total:,}"
        reconnects = f" after {self._reconnects} reconnections" if self._reconnects else ""
        arrived = partial.arrived
        if partial.total is None and not is_transient(error):
            partial.reset()  # nothing is resumed without a size, and it may fill the disk
        error.evidence = (*error.evidence, f"{arrived:,} of {total} bytes received{reconnects}")
        raise error

    def _settle(self, changed: ChangedError) -> None:
        """Find out whether the server really has another file, and raise accordingly.

        Servers behind one name often disagree about the validator of the same file. When the server still has the last
        bytes that are here, the file is the same.
        """
        file, partial = self._file, self._file.partial
        if changed.total in (None, partial.total) and file.overlaps():
            file.network.health.distrust(file.host, "validators")
            raise TransferError("net-reset", f"`{file.name}` has a new validator and the same content")
        had, known = partial.arrived, partial.total
        partial.reset(total=known if changed.total is None else changed.total)
        raise TransferError(
            "net-reset",
            f"`{file.name}` changed on the server; the download starts over",
            evidence=(f"{had:,} bytes dropped", f"size was {known}, is {changed.total}"),
        )

    # -- connections ---------------------------------------------------------------------------------------------------

    def _add(self, *, extra: bool) -> None:
        connection = Connection(extra=extra)
        thread = threading.Thread(target=self._work, args=(connection,), name="connection", daemon=True)
        with self._lock:
            self._connections.append(connection)
            self._threads.append(thread)
        thread.start()

    def _grow(self, meter: SpeedMeter) -> None:
        """Add connections while that pays off."""
        file = self._file
        with self._lock:
            active = [each for each in self._connections if each.busy]
            ready = bool(active) and file.ranges is True and all(each.answered for each in active)
            moved = sum(each.moved for each in self._connections)
        speed = meter.measure(moved)
        # Where next to nothing arrives, additional connections would only be given up one by one.
        useful = speed is not None and speed > 4 * file.options.minimum_speed * len(active)
        if speed is None or not ready or not useful or not meter.more_pay(speed, len(active)):
            return
        # Each further connection must have a piece of its own to fetch.
        wanted = min(len(active), self._most - len(active), file.pieces.bytes // Pieces.SMALLEST)
        for _ in range(wanted):
            if not self._slots.take_spare():
                return
            self._add(extra=True)

    def _work(self, connection: Connection) -> None:
        """Fetch piece after piece over one connection."""
        try:
            with self._file.client() as client:
                for piece in self._claims(connection):
                    connection.request(piece)
                    if not self._fetch(client, connection):
                        break
        except Exception as error:  # an exception in a thread is lost; the round raises this one
            with self._lock:
                self._failures.append(classify_exception(error))
        finally:
            connection.busy = False
            self._slots.give_back()

    def _claims(self, connection: Connection) -> Iterator[tuple[int, int | None]]:
        """The pieces for one connection."""
        file = self._file
        if file.partial.total is None and not connection.extra and not file.stop.is_set():
            yield (0, None)
        while not file.stop.is_set():
            file.partial.in_order = not file.may_use_ranges
            # A short one brings the connection back sooner, for what will be wanted first.
            speed = 0.0 if file.partial.choosing else connection.speed
            piece = file.pieces.claim(speed, whole=file.partial.in_order, first=file.partial.first)
            if piece is None:
                return
            yield piece

    def _fetch(self, client: httpx.Client, connection: Connection) -> bool:
        """Fetch one piece. False when this connection should not go on."""
        moved = connection.moved
        try:
            exchange(client, connection, self._file)
            connection.speed = (connection.moved - moved) / max(time.monotonic() - connection.asked_at, 1e-6)
        except ChangedError as changed:
            with self._lock:
                self._changed = changed
            self._file.stop.set()
            return False
        except TfprovError as cause:
            return self._goes_on(connection, cause)
        except http_failures() as cause:
            return self._goes_on(connection, cause)
        finally:
            connection.busy = False
            self._return(connection)
        return True

    def _return(self, connection: Connection) -> None:
        """Return the part of its piece that a connection has not fetched."""
        partial = self._file.partial
        start, end = connection.piece
        end = end if end is not None else partial.total
        if end is None or connection.position >= end:
            return
        # Only what is really missing: without ranges a connection also reads parts that were here already.
        for first, last in partial.missing():
            self._file.pieces.add((max(first, start), min(last, end)))

    def _goes_on(self, connection: Connection, cause: Exception) -> bool:
        """Whether to connect again after this failure."""
        file = self._file
        progressed, connection.credited = connection.moved - connection.credited, connection.moved
        only_way = len(file.network.routes) == 1
        error = connection.aborted or explained(cause, file.address, file.route, only_way=only_way)
        with self._lock:
            if file.stop.is_set():
                return False
            others = any(each.busy and each.answered for each in self._connections if each is not connection)
            machine = not isinstance(error, TransferError)
            if not machine and is_transient(error) and progressed >= _WORTH_RECONNECTING:
                # It moved a good deal before it was cut: that is worth another connection, at once.
                self._reconnects += 1
                return True
            self._failures.append(error)
            if connection.extra and others and not machine:
                # The server refuses so many connections: those that work continue, and no more are added.
                self._most = max(1, sum(each.busy for each in self._connections) - 1)
                if error.code.name in ("mirror-http-error", "net-refused"):
                    # An explicit refusal. A cut connection may be the link's fault and is forgotten after this file.
                    file.network.health.limit(file.host, self._most)
            elif machine or not is_transient(error):
                file.stop.set()
        return False
