"""The fetch stage: locked files become verified files in the store."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from tfprov.disk_space import Share, require
from tfprov.errors import TfprovError
from tfprov.events import Emit
from tfprov.fetch import index
from tfprov.fetch.connections import Slots
from tfprov.fetch.flushing import Flusher
from tfprov.fetch.job import FetchJob, FetchStoppedError, Listener
from tfprov.fetch.leases import Lease
from tfprov.fetch.meter import Meter
from tfprov.fetch.patience import Patience
from tfprov.fetch.sources import Network
from tfprov.fetch.store import Store
from tfprov.index_address import local_path
from tfprov.lock.records import LockedFile
from tfprov.words import count

_PATIENCE = Patience()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The result of the fetch stage.

    Attributes:
        paths: files in the store by SHA-256.
        bytes_fetched: bytes that came over the wire or were copied in this run.
        bytes_reused: bytes that were here already, in whole and partial files.
        lease: keeps the files in the store for as long as this record lives.
        flusher: flushes the fetched files; wait for it before relying on them after a power loss.
    """

    paths: Mapping[str, Path]
    bytes_fetched: int
    bytes_reused: int
    lease: Lease | None = field(default=None, compare=False, repr=False)
    flusher: Flusher = field(default_factory=Flusher, compare=False, repr=False)


def fetch(
    files: Sequence[LockedFile],
    *,
    store: Store,
    network: Network,
    emit: Emit,
    deadline: float | None = None,
    skip: Sequence[str] = (),
    patience: Patience = _PATIENCE,
    listener: Listener | None = None,
) -> Fetched:
    """Bring all files into the store, verified.

    Several are fetched at a time, the biggest first. After any failure the received bytes are kept, and the next run
    continues from there. The files are flushed to the disk in the background, by the `flusher` of the result.

    Args:
        files: from the lock.
        store: receives the files.
        network: indexes, mirrors, routes and credentials.
        emit: receives `Progress` and, for every try, `Attempt`.
        deadline: time on `time.monotonic` after which everything stops; None for no limit.
        skip: rungs that the profile disables.
        patience: how long to go on without progress.
        listener: is told of each file while others are being fetched.

    Raises:
        TfprovError: the first failure that no rung could overcome.
    """
    unique = {file.sha256: file for file in files}
    # Taken before looking for files that are here, so that those are not evicted.
    lease = store.hold(unique)
    absent = [file for file in unique.values() if not store.has(file)]
    known = [file.size for file in unique.values() if file.size is not None]
    flusher = Flusher()
    meter = Meter(emit, sum(known) if len(known) == len(unique) else None)
    for file in unique.values():
        if file not in absent:
            size = store.use(file).stat().st_size
            store.flush(file, flusher)
            meter.found(size)
            meter.at(file, size)
            if listener is not None:
                listener.whole(file, store.path(file.sha256, file.filename))
    _require_space(store, absent)
    stop = threading.Event()

    def pause(seconds: float) -> None:
        # Waits end when another file fails for good, and on Ctrl-C.
        stop.wait(seconds)

    job = FetchJob(
        store=store,
        network=network,
        emit=emit,
        meter=meter,
        check=partial(_check, stop, deadline),
        deadline=deadline,
        skip=tuple(skip),
        slots=Slots(network.connections),
        patience=patience,
        sleep=pause,
        flusher=flusher,
        listener=listener,
    )
    _obtain(job, sorted(absent, key=lambda file: file.size or 0, reverse=True), stop)
    paths = {file.sha256: store.path(file.sha256, file.filename) for file in unique.values()}
    return Fetched(paths=paths, bytes_fetched=meter.fetched, bytes_reused=meter.reused, lease=lease, flusher=flusher)


def _check(stop: threading.Event, deadline: float | None) -> None:
    """Raise where nothing more is to be fetched: another file failed for good, or the time of the profile is over."""
    if stop.is_set():
        raise FetchStoppedError
    if deadline is not None and time.monotonic() > deadline:
        raise TfprovError(
            "net-timeout",
            "the deadline of the profile passed during the download",
            hint="run again to continue from here, or raise `network.deadline`",
        )


def _obtain(job: FetchJob, files: Sequence[LockedFile], stop: threading.Event) -> None:
    """Obtain files, several at a time. After a failure or Ctrl-C, `stop` ends the others, which keep their bytes."""
    threads = max(1, min(job.network.connections, len(files)))
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="fetch")
    try:
        pending = {pool.submit(job.obtain, file) for file in files}
        while pending:
            # With a timeout, because Ctrl-C does not interrupt a wait without one on Windows.
            done, pending = wait(pending, timeout=0.5, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def sizes(files: Sequence[LockedFile], *, network: Network, store: Store) -> tuple[LockedFile, ...]:
    """The files with their sizes filled in from the store, the disk, or the server.

    Best effort: a size that cannot be found stays None.
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


def _require_space(store: Store, files: Sequence[LockedFile]) -> None:
    """Check that the disk has room for the missing bytes."""
    needed = sum(map(store.lacking, files))
    require((Share(purpose=count(len(files), "file"), path=store.root, size=needed),))
