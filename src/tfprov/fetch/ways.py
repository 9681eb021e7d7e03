"""Reads small responses (index pages, metadata) over all routes and mirrors, with patience."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from tfprov.errors import TfprovError
from tfprov.events import Emit, Note
from tfprov.fetch.addresses import origin_of, server_of
from tfprov.fetch.answers import explained, http_failures
from tfprov.fetch.patience import PAGES, Patience
from tfprov.fetch.routes import Route
from tfprov.fetch.sources import Network
from tfprov.ladder.climb import InapplicableError, Policy, Step, TransferError, climb
from tfprov.ladder.rungs import Rung
from tfprov.redact import redact

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

STAGE = "index"

_ONCE = Policy(tries=1)
# Failures that waiting may cure; for any other, four tries are enough.
_WORTH_WAITING = frozenset({"net-refused", "mirror-http-error"})
_PATIENT_TRIES = 4
_PATIENT_FACTOR = 2.0
_MOMENT = 0.1


class Clients:
    """HTTP clients that keep connections open between requests; each serves one thread at a time.

    A server gets no more connections than the profile allows. A resolver makes twenty requests at once, and with as
    many simultaneous look-ups of one name, a busy name server drops some, which costs five seconds.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._idle: dict[tuple[str, str], list[httpx.Client]] = {}
        self._free: dict[tuple[str, str], threading.Semaphore] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def lend(self, route: Route, origin: str) -> Iterator[httpx.Client]:
        """A client for a server on a route. It is not reused after a failed request."""
        key = (route.name, origin)
        with self._lock:
            free = self._free.setdefault(key, threading.Semaphore(self._network.connections))
        with free:
            with self._lock:
                idle = self._idle.get(key)
                found = idle.pop() if idle else None
            client = found or self._network.client(route)
            try:
                yield client
            except BaseException:
                client.close()
                raise
            with self._lock:
                self._idle.setdefault(key, []).append(client)

    def close(self) -> None:
        """Close the idle clients."""
        with self._lock:
            every = [client for clients in self._idle.values() for client in clients]
            self._idle.clear()
        for client in every:
            client.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How small responses are read in a run.

    Attributes:
        network: routes, credentials, and what the run has learnt about servers.
        emit: receives an `Attempt` for every try, and a note when a server is waited for.
        clients: reused connections; None to open one for each request.
        deadline: time on the monotonic clock after which no try begins; None for no limit.
        skip: rungs that the profile disables.
        patience: how long to try.
        told: messages that were emitted already.
    """

    network: Network
    emit: Emit
    clients: Clients | None = None
    deadline: float | None = None
    skip: tuple[str, ...] = ()
    patience: Patience = PAGES
    told: set[str] = field(default_factory=set, compare=False)

    def read(
        self,
        url: str,
        act: Callable[[httpx.Client, str], T],
        *,
        elsewhere: Sequence[str] = (),
        progress: Callable[[], int] | None = None,
    ) -> T:
        """The result of `act` from the first route or mirror that works.

        A server that refused connections or did not answer is tried only once for the rest of the run, so that it costs
        one wait instead of one per page. One that the run can do without is not waited for at all.

        Args:
            url: what to read, with credentials if it has any.
            act: makes one try with a client; gets the URL to read.
            elsewhere: URLs of the same on mirrors.
            progress: a count that grows while received bytes are kept; None where nothing is kept before the end.

        Raises:
            TfprovError: `net-…` or `mirror-http-error`, with what was tried.
        """
        routes = self.network.ordered_routes()
        sources = sorted((url, *elsewhere), key=lambda each: self.network.health.problem(_place(each)) is not None)
        first, others = sources[0], sources[1:]
        tired = self.network.health.problem(_place(first)) is not None
        normal = self.patience.normal
        policy = _ONCE if tired else normal
        reading = _Reading(self, act, progress)
        steps = [reading.step(Rung.NORMAL, first, routes[0], policy)]
        steps += [reading.step(Rung.OTHER_ROUTE, first, route, policy) for route in routes[1:]]
        steps += [reading.step(Rung.OTHER_SOURCE, source, routes[0], normal) for source in others]
        if not tired and server_of(first) not in self.network.optional:
            steps.append(reading.patient_step(first, routes[0]))
        try:
            found = climb(STAGE, steps, emit=self.emit, skip=self.skip, policy=replace(normal, deadline=self.deadline))
        except TfprovError as error:
            reading.note_failures(error)
            raise
        reading.note_failures(None)
        return found

    def note_once(self, text: str) -> None:
        """Emit a warning once, however many pages it is about."""
        if text not in self.told:
            self.told.add(text)
            self.emit(Note(text=text, level="warning"))

    def is_absent(self, status: int, url: str) -> bool:
        """Whether a response says that an index does not have a page.

        pip goes on if one of several indexes refuses a page, because some of them do so for whatever they do not have.
        That is followed where the newest version on any index is taken, with a warning once in a run.
        """
        if status in (404, 410):
            return True
        index = self.network.optional_index(url) if status == 403 else None
        if index is not None and index not in self.network.refusing:
            self.network.refusing.add(index)
            words = "it is taken not to have what it refuses, as in pip"
            self.emit(Note(text=f"`{redact(index)}` answered 403 Forbidden: {words}", level="warning"))
        return index is not None

    def waiting(self, url: str, known: TfprovError) -> None:
        """Emit once per server that it is waited for."""
        place = _place(url)
        if place not in self.told:
            self.told.add(place)
            refused = known.code.name == "net-refused"
            what = f"`{server_of(url)}` refuses connections" if refused else known.what
            self.note_once(f"{what}: waiting for it for up to {self.patience.patient.seconds:.0f} s")

    @contextlib.contextmanager
    def client(self, url: str, route: Route, factor: float) -> Iterator[httpx.Client]:
        """A client for a server on a route; a new one where `factor` extends its timeout.

        Where the deadline is near, the timeout is the time that is left.
        """
        network, left = self.network, self._seconds_left()
        if left is not None and left < network.idle_timeout * factor:
            connect = min(network.connect_timeout, left)
            with network.client(route, connect_timeout=connect, idle_timeout=left) as client:
                yield client
            return
        if self.clients is not None and factor == 1.0:
            with self.clients.lend(route, origin_of(url)) as client:
                yield client
            return
        with network.client(route, idle_timeout=network.idle_timeout * factor) as client:
            yield client

    def _seconds_left(self) -> float | None:
        """Time until the deadline, but at least a moment; None without a deadline."""
        return None if self.deadline is None else max(_MOMENT, self.deadline - time.monotonic())


class _Reading(Generic[T]):
    """The reading of one response, and its last failure."""

    def __init__(self, ways: Ways, act: Callable[[httpx.Client, str], T], progress: Callable[[], int] | None) -> None:
        self._ways = ways
        self._act = act
        self._progress = progress
        self._last: TfprovError | None = None
        self._failures: dict[str, TfprovError] = {}

    def note_failures(self, error: TfprovError | None) -> None:
        """Record which servers failed in the end. A deliberate refusal of one page says nothing about others."""
        for place, failure in self._failures.items():
            if not isinstance(failure, TransferError) or not failure.stubborn:
                self._ways.network.health.failed(place, error or failure)

    def step(self, rung: Rung, url: str, route: Route, policy: Policy) -> Step[T]:
        policy = replace(policy, deadline=self._ways.deadline)
        return Step(rung, lambda: self._try(url, route), policy, self._progress)

    def patient_step(self, url: str, route: Route) -> Step[T]:
        tries = 0

        def act() -> T:
            nonlocal tries
            tries += 1
            last = self._last
            if isinstance(last, TransferError) and last.stubborn:
                raise InapplicableError("patience cannot help against that")
            if last is not None and last.code.name in _WORTH_WAITING:
                self._ways.waiting(url, last)
            try:
                return self._try(url, route, factor=_PATIENT_FACTOR)
            except TransferError as error:
                if error.code.name not in _WORTH_WAITING and tries >= _PATIENT_TRIES:
                    error.transient = False
                raise

        policy = replace(self._ways.patience.patient, deadline=self._ways.deadline)
        return Step(Rung.PATIENT, act, policy, self._progress)

    def _try(self, url: str, route: Route, *, factor: float = 1.0) -> T:
        import httpx

        network, health = self._ways.network, self._ways.network.health
        try:
            with self._ways.client(url, route, factor) as client:
                result = self._act(client, url)
        except TransferError as error:
            self._last = self._failures[_place(url)] = error
            raise
        except http_failures() as error:
            found = explained(error, url, route, only_way=len(network.routes) == 1)
            if isinstance(error, httpx.TimeoutException) and isinstance(found, TransferError):
                # A time-out costs half a minute per try; only another route or more patience can help.
                found.transient = False
            self._last = self._failures[_place(url)] = found
            health.failed(route.name, found)
            raise found from error
        health.worked(route.name)
        self._failures.pop(_place(url), None)
        health.worked(_place(url))
        return result


def _place(url: str) -> str:
    """The key of a server of pages in the health of the run."""
    return f"pages of {server_of(url)}"
