"""Obtains one file: from the store, a local folder, or the network through the ladder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from tfprov.digests import sha256_of
from tfprov.errors import TfprovError
from tfprov.events import Emit, Note
from tfprov.fetch import index
from tfprov.fetch.answers import mirrors_key
from tfprov.fetch.connections import Slots, TransferOptions
from tfprov.fetch.download import Download
from tfprov.fetch.exchange import RemoteFile
from tfprov.fetch.flushing import Flusher
from tfprov.fetch.hashing import Hasher
from tfprov.fetch.meter import STAGE, Meter
from tfprov.fetch.partial import Partial
from tfprov.fetch.patience import Patience
from tfprov.fetch.routes import Route
from tfprov.fetch.sources import Network
from tfprov.fetch.store import Store
from tfprov.index_address import local_path
from tfprov.ladder.climb import InapplicableError, Policy, Step, TransferError, climb
from tfprov.ladder.rungs import Rung
from tfprov.lock.records import LockedFile

_HASH_SECONDS = 0.1
_PROGRESS_BYTES = 64 * 1024  # a byte a second is no progress


class FetchStoppedError(Exception):
    """Raised in the other downloads when one file failed for good or the user stopped the run."""


class Listener(Protocol):
    """Is told of files, in any thread, while others are being fetched."""

    def begins(self, file: LockedFile, partial: Partial) -> None:
        """A download starts or resumes. Bytes before the first gap may be read; they are not verified yet."""

    def whole(self, file: LockedFile, path: Path) -> None:
        """A file is in the store and matches the hash in the lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchJob:
    """Everything that the files of one fetch share.

    Attributes:
        check: raises to stop: `FetchStoppedError`, or `net-timeout` when the deadline has passed.
        deadline: time on the monotonic clock after which no try begins; None for no limit.
        skip: rungs that the profile disables.
        sleep: waits for that many seconds, less when everything stops.
        flusher: flushes whole files in the background.
        listener: is told of files; None for nobody.
    """

    store: Store
    network: Network
    emit: Emit
    meter: Meter
    check: Callable[[], None]
    deadline: float | None
    skip: tuple[str, ...]
    slots: Slots
    patience: Patience
    sleep: Callable[[float], None]
    flusher: Flusher
    listener: Listener | None = None

    def obtain(self, file: LockedFile) -> Path:
        """One file in the store: found there, copied from a folder, or downloaded."""
        path = self._obtain(file)
        if self.listener is not None:
            self.listener.whole(file, path)
        return path

    def _obtain(self, file: LockedFile) -> Path:
        waited = False

        def waiting() -> None:
            nonlocal waited
            self.check()
            if not waited:
                waited = True
                self.emit(Note(text=f"another tfprov is downloading `{file.filename}`; waiting for it", level="info"))

        with self.store.lock(file.sha256, waiting=waiting) as alone:
            if waited and not alone:
                text = f"the other tfprov makes no progress: downloading `{file.filename}` here as well"
                self.emit(Note(text=text, level="warning"))
            if self.store.has(file):
                path = self.store.use(file)
                self.meter.found(path.stat().st_size)
                self.meter.at(file, path.stat().st_size, last=True)
                return path
            common = self.store.take_common(file, alone=alone)
            source = local_path(file.url) or self._local_copy(file)
            if common is not None:
                path = common
                self.meter.found(path.stat().st_size)
            elif source is not None:
                path = self._adopt(file, source, alone)
                self.meter.arrived(path.stat().st_size)
            else:
                path = self._download(file, alone)
            self.meter.at(file, path.stat().st_size, last=True)
            return path

    def _adopt(self, file: LockedFile, source: Path, alone: bool) -> Path:
        if not source.is_file():
            raise TfprovError(
                "lock-unfit",
                f"the lock names `{source}`, which does not exist",
                hint="restore the file, or renew the lock with `tfprov lock --upgrade`",
            )
        return self.store.adopt(file, source, alone=alone)

    def _local_copy(self, file: LockedFile) -> Path | None:
        """The same file, by its hash, in a folder of find-links or of a mirror; None when there is none."""
        folders = [local_path(place) if "://" in place else Path(place) for place in self.network.find_links]
        candidates = [folder / file.filename for folder in folders if folder is not None]
        for candidate in (*candidates, *map(local_path, file.elsewhere)):
            # One that cannot be read, in the home of another user for example, is no reason to stop.
            with contextlib.suppress(OSError):
                if candidate is not None and candidate.is_file() and sha256_of(candidate) == file.sha256:
                    return candidate
        return None

    def _download(self, file: LockedFile, alone: bool) -> Path:
        with self.store.partial(file.sha256, alone=alone) as partial:
            self.meter.found(partial.arrived)
            if self.listener is not None:
                self.listener.begins(file, partial)
            work = _FileDownload(job=self, file=file, partial=partial)
            climb(
                STAGE,
                work.steps(),
                emit=self.emit,
                skip=self.skip,
                policy=self.patience.normal,
                subject=f"`{file.filename}`",
                sleep=self.sleep,
            )
            return self.store.commit(file, partial, self.flusher)


@dataclass(slots=True, kw_only=True)
class _FileDownload:
    """The download of one file.

    Attributes:
        wrong: SHA-256 of whole downloads that did not match the lock.
    """

    job: FetchJob
    file: LockedFile
    partial: Partial
    hasher: Hasher = field(init=False)
    wrong: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.hasher = Hasher(self.partial)

    def steps(self) -> list[Step[Path]]:
        """The ladder for this file; routes and sources that worked in this run come first."""
        network = self.job.network
        normal = TransferOptions(
            connections=network.connections, connect_timeout=network.connect_timeout, idle_timeout=network.idle_timeout
        )
        patient = replace(
            normal,
            connections=1,
            connect_timeout=normal.connect_timeout * 3,
            idle_timeout=normal.idle_timeout * 2,
            minimum_speed=64.0,
            gives_up=True,
        )
        routes = network.ordered_routes()
        if (
            len(routes) > 1
            or network.mirrors
            or self.file.elsewhere
            or (network.index_url and _host(network.index_url) != _host(self.file.url))
        ):
            # With an alternative, a server that does not answer is abandoned rather than waited for.
            normal = replace(normal, answer_timeout=network.connect_timeout, has_alternative=True)
        own: list[tuple[str, Callable[[], str]]] = [(_host(self.file.url), lambda: self.file.url)]
        own += [(_host(url), partial(str, url)) for url in self.file.elsewhere if local_path(url) is None]
        indexes = (*network.mirrors, *((network.index_url,) if network.index_url else ()))
        elsewhere = dict.fromkeys(() if self.file.is_of_conda else indexes)
        own += [(_host(place), self._listed(place)) for place in elsewhere if _host(place) != own[0][0]]
        sources = sorted(own, key=lambda source: network.health.problem(source[0]) is not None)
        first, others = sources[0], sources[1:]
        patience = self.job.patience
        return [
            self._step(Rung.NORMAL, first, routes[0], normal, patience.normal),
            *(self._step(Rung.OTHER_ROUTE, first, route, normal, patience.normal) for route in routes[1:]),
            *(self._step(Rung.OTHER_SOURCE, source, routes[0], normal, patience.normal) for source in others),
            self._step(Rung.PATIENT, first, routes[0], patient, patience.patient),
            self._step(Rung.FRESH, first, routes[0], replace(normal, uncached=True), patience.normal),
        ]

    def _step(
        self, rung: Rung, source: tuple[str, Callable[[], str]], route: Route, options: TransferOptions, policy: Policy
    ) -> Step[Path]:
        host, find = source
        policy = replace(policy, deadline=self.job.deadline)
        return Step(
            rung,
            lambda: self._round(host, find(), route, options, again=rung in (Rung.FRESH, Rung.OTHER_SOURCE)),
            policy,
            lambda: self.partial.arrived // _PROGRESS_BYTES,
        )

    def _listed(self, place: str) -> Callable[[], str]:
        """A function that looks up the URL of this file on another index."""

        def find() -> str:
            found = index.find_file(self.file, place, self.job.network, emit=self.job.emit)
            if found is None:
                raise InapplicableError(f"`{urlsplit(place).hostname}` does not have the file")
            if found == self.file.url:
                raise InapplicableError(f"`{urlsplit(place).hostname}` names the same address")
            return found

        return find

    def _round(self, source: str, url: str, route: Route, options: TransferOptions, *, again: bool) -> Path:
        """One try: fetch what is missing, and compare the hash."""
        self.job.check()
        self._transfer(source, url, route, options)
        self.hasher.advance(None)
        received = self.hasher.hexdigest()
        if received == self.file.sha256:
            return self.partial.path
        # Nothing tells which bytes are wrong.
        self.partial.reset(total=self.file.size)
        evidence = (f"expected sha256 {self.file.sha256}", f"received sha256 {received}")
        what = f"`{self.file.filename}` does not match its hash in the lock"
        if received in self.wrong:
            raise TransferError(
                "hash-mismatch",
                f"{what}: the same bytes were received twice",
                evidence=evidence,
                hint=f"name a mirror with `{mirrors_key(self.file.filename)}`; "
                "if every source has this file, renew the lock",
            )
        self.wrong.add(received)
        raise TransferError("hash-mismatch", what, transient=again, evidence=evidence)

    def _transfer(self, source: str, url: str, route: Route, options: TransferOptions) -> None:
        job, partial, network = self.job, self.partial, self.job.network
        before = partial.arrived

        def meanwhile() -> bool:
            behind = self.hasher.advance(_HASH_SECONDS)
            job.meter.at(self.file, partial.arrived)
            return behind

        remote = RemoteFile(
            url=url,
            partial=partial,
            size=self.file.size,
            network=network,
            route=route,
            options=options,
            received=job.meter.arrived,
        )
        download = Download(remote, slots=job.slots, check=job.check)
        try:
            download.run(meanwhile)
        except TransferError as error:
            if partial.arrived <= before:
                # A proxy that cannot be reached says nothing about the server behind it.
                network.health.failed(route.name if error.code.name == "net-proxy" else source, error)
            raise
        finally:
            job.emit(Note(text=f"`{self.file.filename}`: {download.summary}", level="detail"))
        network.health.worked(route.name)
        network.health.worked(source)


def _host(url: str) -> str:
    return f"source {urlsplit(url).netloc.rpartition('@')[2]}"
