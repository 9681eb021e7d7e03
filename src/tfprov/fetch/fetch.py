"""The fetch stage: from locked files to verified files in the store."""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from tfprov.errors import TfprovError
from tfprov.events import Emit, Note, Progress
from tfprov.fetch import index
from tfprov.fetch.download import Manner, download
from tfprov.fetch.partial import Partial
from tfprov.fetch.sources import Network, Route
from tfprov.fetch.store import Store
from tfprov.ladder.climb import Policy, Step, climb
from tfprov.ladder.rungs import Rung
from tfprov.lock.records import LockedFile

STAGE = "fetch"

_BUFFER = 1024 * 1024
_PROGRESS_SECONDS = 0.1
_POLICY = Policy(tries=5, seconds=180.0, first_wait=0.25, longest_wait=20.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What the fetch stage brought.

    Attributes:
        paths: files in the store by SHA-256.
        bytes_fetched: what came over the wire or was copied, in this run.
        bytes_reused: what was here already, whole files and parts.
    """

    paths: Mapping[str, Path]
    bytes_fetched: int
    bytes_reused: int


class _Meter:
    """Counts bytes over all files and threads, and reports them."""

    def __init__(self, emit: Emit, total: int | None) -> None:
        self._emit = emit
        self._total = total
        self._lock = threading.Lock()
        self._done: dict[str, int] = {}
        self._reported = 0.0
        self.fetched = 0
        self.reused = 0

    def arrived(self, count: int) -> None:
        with self._lock:
            self.fetched += count

    def found(self, count: int) -> None:
        with self._lock:
            self.reused += count

    def at(self, file: LockedFile, done: int, *, last: bool = False) -> None:
        with self._lock:
            self._done[file.sha256] = done
            now = time.monotonic()
            if not last and now - self._reported < _PROGRESS_SECONDS:
                return
            self._reported = now
            done = sum(self._done.values())
            self._emit(Progress(stage=STAGE, what=file.filename, done=done, total=self._total))


def fetch(
    files: Sequence[LockedFile],
    *,
    store: Store,
    network: Network,
    emit: Emit,
    deadline: float | None = None,
    skip: Sequence[str] = (),
) -> Fetched:
    """All files, verified, in the store.

    Several at a time, the biggest first. What arrived stays on any failure, and the next run goes on from there.

    Args:
        files: from the lock.
        store: where to.
        network: where from.
        emit: receives `Progress` and, for every try, `Attempt`.
        deadline: moment on `time.monotonic` after which everything stops; None for no limit.
        skip: rungs that the profile does not want.

    Raises:
        TfprovError: the first failure that no rung could cure.
    """
    unique = {file.sha256: file for file in files}
    absent = [file for file in unique.values() if not store.has(file)]
    sizes_known = all(file.size is not None for file in unique.values())
    meter = _Meter(emit, sum(file.size or 0 for file in unique.values()) if sizes_known else None)
    for file in unique.values():
        if file not in absent:
            size = store.use(file).stat().st_size
            meter.found(size)
            meter.at(file, size)
    _require_space(store, absent)
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise TfprovError("interrupted", "the download was stopped")
        if deadline is not None and time.monotonic() > deadline:
            raise TfprovError(
                "net-timeout",
                "the deadline of the profile passed during the download",
                hint="run again to go on from here, or raise `network.deadline`",
            )

    job = _Job(store=store, network=network, emit=emit, meter=meter, check=check, deadline=deadline, skip=tuple(skip))
    order = sorted(absent, key=lambda file: file.size or 0, reverse=True)
    pool = ThreadPoolExecutor(max_workers=max(1, min(network.connections, len(order))), thread_name_prefix="fetch")
    try:
        futures = [pool.submit(job.bring, file) for file in order]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
    finally:
        # On a failure, and on Ctrl-C, the other threads keep what they have and end at their next piece.
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
    paths = {file.sha256: store.path(file.sha256, file.filename) for file in unique.values()}
    return Fetched(paths=paths, bytes_fetched=meter.fetched, bytes_reused=meter.reused)


def sizes(files: Sequence[LockedFile], *, network: Network, store: Store) -> tuple[LockedFile, ...]:
    """The files with their sizes filled in where they can be had: from the store, the disk, or the server.

    Best effort: a size that cannot be had stays None.
    """

    def ask(file: LockedFile) -> LockedFile:
        if file.size is not None:
            return file
        path = store.path(file.sha256, file.filename)
        local = local_path(file.url)
        for candidate in (path, local):
            if candidate is not None and candidate.is_file():
                return replace(file, size=candidate.stat().st_size)
        if local is not None:
            return file
        return replace(file, size=index.remote_size(file.url, network))

    missing = [file for file in files if file.size is None]
    if not missing:
        return tuple(files)
    with ThreadPoolExecutor(max_workers=min(network.connections, len(missing)), thread_name_prefix="sizes") as pool:
        return tuple(pool.map(ask, files))


def local_path(url: str) -> Path | None:
    """The path that a file:// address names, or None for another address."""
    parts = urlsplit(url)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def _require_space(store: Store, files: Sequence[LockedFile]) -> None:
    """Refuse to begin what cannot end: the disk must hold what is still missing."""
    needed = sum(file.size or 0 for file in files)
    for file in files:
        arrived = store.root / "partial" / f"{file.sha256}.part"
        if arrived.exists():
            status = arrived.stat()
            needed -= min(getattr(status, "st_blocks", 0) * 512, file.size or 0)
    folder = store.root
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise TfprovError(
            "disk-full",
            f"the download needs {needed / 1e6:.0f} MB, and `{folder}` has {free / 1e6:.0f} MB free",
            evidence=(f"{len(files)} files are missing",),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What every file of one fetch shares."""

    store: Store
    network: Network
    emit: Emit
    meter: _Meter
    check: Callable[[], None]
    deadline: float | None
    skip: tuple[str, ...]

    def bring(self, file: LockedFile) -> Path:
        """One file, from wherever it can be had."""
        told = False

        def waiting() -> None:
            nonlocal told
            self.check()
            if not told:
                told = True
                self.emit(Note(text=f"another tfprov fetches `{file.filename}`; waiting for it", level="info"))

        with self.store.lock(file.sha256, waiting=waiting):
            if self.store.has(file):
                path = self.store.use(file)
                self.meter.found(path.stat().st_size)
                self.meter.at(file, path.stat().st_size, last=True)
                return path
            source = local_path(file.url)
            if source is not None:
                path = self.store.adopt(file, source)
                self.meter.arrived(path.stat().st_size)
            else:
                path = self._download(file)
            self.meter.at(file, path.stat().st_size, last=True)
            return path

    def _download(self, file: LockedFile) -> Path:
        with self.store.partial(file.sha256) as partial:
            self.meter.found(partial.arrived)
            policy = replace(_POLICY, deadline=self.deadline)
            normal = Manner(connect_timeout=self.network.connect_timeout, idle_timeout=self.network.idle_timeout)
            patient = Manner(
                connect_timeout=normal.connect_timeout * 4, idle_timeout=normal.idle_timeout * 3, minimum_speed=64.0
            )
            routes = self.network.ordered_routes()

            def step(rung: Rung, url: Callable[[], str], route: Route, manner: Manner) -> Step[Path]:
                def act() -> Path:
                    return self._round(file, url(), partial, route, manner)

                return Step(rung, act, policy, lambda: self.meter_of(partial))

            def here() -> str:
                return file.url

            steps = [
                step(Rung.NORMAL, here, routes[0], normal),
                *(step(Rung.OTHER_ROUTE, here, route, normal) for route in routes[1:]),
                step(Rung.PATIENT, here, routes[0], patient),
                *(
                    step(Rung.OTHER_SOURCE, self._mirrored(file, mirror), routes[0], normal)
                    for mirror in self.network.mirrors
                ),
                step(Rung.FRESH, here, routes[0], replace(patient, uncached=True)),
            ]
            climb(STAGE, steps, emit=self.emit, skip=self.skip, policy=policy)
            return self.store.commit(file, partial)

    @staticmethod
    def meter_of(partial: Partial) -> int:
        return partial.arrived

    def _mirrored(self, file: LockedFile, mirror: str) -> Callable[[], str]:
        def find() -> str:
            found = index.find_file(file, mirror, self.network)
            if found is None:
                raise TfprovError("mirror-http-error", f"the mirror does not have `{file.filename}`")
            return found

        return find

    def _round(self, file: LockedFile, url: str, partial: Partial, route: Route, manner: Manner) -> Path:
        self.check()

        def arrived(count: int) -> None:
            self.meter.arrived(count)
            self.meter.at(file, partial.arrived)

        try:
            download(
                url,
                partial,
                size=file.size,
                network=self.network,
                route=route,
                manner=manner,
                arrived=arrived,
                check=self.check,
            )
        except TfprovError as error:
            if error.code.name in ("net-proxy", "net-refused", "net-dns", "net-timeout") and not partial.arrived:
                self.network.health.failed(route.name, error)
            raise
        self.network.health.worked(route.name)
        actual = _sha256(partial)
        if actual != file.sha256:
            partial.reset(total=file.size)
            raise TfprovError(
                "hash-mismatch",
                f"`{file.filename}` arrived whole and is not the file that the lock names",
                evidence=(f"expected sha256 {file.sha256}", f"received sha256 {actual}"),
            )
        return partial.path


def _sha256(partial: Partial) -> str:
    digest = hashlib.sha256()
    position, total = 0, partial.total or 0
    while position < total:
        chunk = partial.read(position, min(_BUFFER, total - position))
        if not chunk:
            break
        digest.update(chunk)
        position += len(chunk)
    return digest.hexdigest()
