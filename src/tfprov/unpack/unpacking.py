"""Unpacks wheels, each as soon as it is available.

One member of TensorFlow's wheel is two thirds of it, so it is written from the start, beside the 16,000 others.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from tfprov.errors import TfprovError
from tfprov.events import Emit, Note, Progress
from tfprov.unpack import archive
from tfprov.unpack.archive import RefusedError
from tfprov.unpack.following import Arriving, Following, LeftError
from tfprov.unpack.members import File, Written
from tfprov.unpack.records import ArchiveMember, Landed, Tree, Wheel, broken
from tfprov.unpack.store import TreeStore
from tfprov.unpack.workers import LostError, Workers

STAGE = "install"
"""The stage in events of unpacking: the one that waits for the trees."""
_MOST_WHEELS = 16
_ALONE = 4 * 1024 * 1024
"""Size from which on a member gets a task of its own; smaller members share one."""
_SIGN_SECONDS = 10.0
_PROGRESS_SECONDS = 0.2
_POLL_SECONDS = 0.1
_BUFFER = 1024 * 1024


class UnpackStoppedError(Exception):
    """The trees are not needed any more."""


class Unpacking:
    """Wheels that are being unpacked. A context manager, which ends all threads on exit.

    Attributes:
        store: receives the trees.
    """

    def __init__(
        self,
        store: TreeStore,
        emit: Emit,
        *,
        landed: Landed = lambda _root, _paths: None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Start without wheels.

        Args:
            store: receives the trees.
            emit: receives progress, and notes when another process is waited for.
            landed: called with the files that were written.
            environ: all environment variables of the processes that unpack; None for threads of this process.
        """
        self.store = store
        self._emit = emit
        self._landed = landed
        self._stopped = threading.Event()
        self._counting = threading.Lock()
        self._done = 0
        self._sizes: dict[str, int] = {}
        self._wheels: dict[str, Future[Tree]] = {}
        self._arrivals: dict[str, _Arrival] = {}
        # One thread per wheel. It mostly waits, for its members or for another process that unpacks the same wheel.
        self._leaders = ThreadPoolExecutor(max_workers=_MOST_WHEELS, thread_name_prefix="wheel")
        self._workers = Workers(environ)

    def __enter__(self) -> Unpacking:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def follow(self, name: str, sha256: str, arriving: Arriving) -> None:
        """Start to unpack a wheel while it is being downloaded; call `add` when it is complete.

        Args:
            name: its file name.
            sha256: hash in the lock.
            arriving: its file.
        """
        if sha256 not in self._wheels:
            try:
                arrival = self._arrivals[sha256] = _Arrival(arriving, File(arriving.path))
            except OSError:
                return  # `add` reports what is wrong
            unpack = partial(self._unpack_arriving, name, sha256, arrival)
            self._wheels[sha256] = self._leaders.submit(self._obtain, name, sha256, unpack)

    def add(self, wheel: Wheel) -> None:
        """Start to unpack a wheel, unless its tree exists or is being made."""
        with contextlib.suppress(OSError):
            self._sizes[wheel.sha256] = wheel.path.stat().st_size
        arrival = self._arrivals.get(wheel.sha256)
        if arrival is not None:
            arrival.wheel = wheel
            arrival.whole.set()
        elif wheel.sha256 not in self._wheels:
            unpack = partial(self._unpack, wheel)
            self._wheels[wheel.sha256] = self._leaders.submit(self._obtain, wheel.path.name, wheel.sha256, unpack)

    def wait(self) -> Mapping[str, Tree]:
        """Wait for every tree; reports progress in bytes of the wheels.

        Returns:
            The trees, by the hash of their wheel.

        Raises:
            TfprovError: `cache-corrupt`, `hash-mismatch`, or another code when the machine is the cause.
            OSError: the disk is full, or the folder cannot be written.
        """
        pending = set(self._wheels.values())
        while pending:
            # With a timeout, because Ctrl-C does not interrupt a wait without one on Windows.
            done, pending = wait(pending, timeout=_PROGRESS_SECONDS, return_when=FIRST_EXCEPTION)
            for one in done:
                one.result()
            if pending:
                total = sum(self._sizes.values())
                self._emit(Progress(stage=STAGE, what="unpacking", done=min(self._done, total), total=total))
        return {sha256: one.result() for sha256, one in self._wheels.items()}

    def close(self) -> None:
        """Stop unfinished work and wait for the threads. Complete trees are kept."""
        self._stopped.set()
        self._workers.end()
        self._leaders.shutdown(wait=True, cancel_futures=True)
        self._workers.close()
        for arrival in self._arrivals.values():
            arrival.source.close()
        self._arrivals.clear()

    def _going(self) -> None:
        if self._stopped.is_set():
            raise UnpackStoppedError

    def _count(self, count: int) -> None:
        with self._counting:
            self._done += count

    def _signing(self, sha256: str) -> Callable[[int], None]:
        """A `_going` that also counts bytes, and now and then shows other processes that this one works on a wheel."""
        signed = time.monotonic()

        def going(count: int) -> None:
            nonlocal signed
            self._going()
            if count:
                self._count(count)
            if time.monotonic() - signed > _SIGN_SECONDS:
                signed = time.monotonic()
                self.store.at_work(sha256)

        return going

    def _obtain(self, name: str, sha256: str, unpack: Callable[[], Tree]) -> Tree:
        tree = self._found_or_made(name, sha256, unpack)
        self._landed(tree.root, tree.files)
        return tree

    def _found_or_made(self, name: str, sha256: str, unpack: Callable[[], Tree]) -> Tree:
        def dropped() -> None:
            text = f"`{name}`: its unpacked files were modified; unpacking it again"
            self._emit(Note(text=text, level="detail"))

        if (found := self.store.find(sha256, dropped=dropped)) is not None:
            self._count(self._sizes.get(sha256, 0))
            return found
        note = Note(text=f"another tfprov is unpacking `{name}`; waiting for it", level="info")
        tell = cache(lambda: self._emit(note))

        def waiting() -> None:
            self._going()
            tell()

        with self.store.lock(sha256, waiting=waiting):
            # Also without the lock: then the other process is stuck, and this one unpacks the wheel itself.
            return self.store.find(sha256) or unpack()

    def _unpack_arriving(self, name: str, sha256: str, arrival: _Arrival) -> Tree:
        made = self.store.begin(sha256)
        going = self._signing(sha256)
        try:
            following = Following(
                arriving=arrival.arriving,
                source=arrival.source,
                root=made,
                going=going,
                workers=self._workers,
                whole=arrival.whole,
                landed=self._landed,
            )
            following.unpack()
            return self.store.keep(sha256, made, following.written)
        except (LeftError, RefusedError, OSError) as error:
            shutil.rmtree(made.parent, ignore_errors=True)
            self._emit(Note(text=f"`{name}` will be unpacked once it is complete: {error}", level="detail"))
        except BaseException:
            shutil.rmtree(made.parent, ignore_errors=True)
            raise
        while not arrival.whole.wait(_POLL_SECONDS):
            going(0)
        if arrival.wheel is None:
            raise TfprovError("internal", f"`{name}` is complete but cannot be found")
        return self._unpack(arrival.wheel)

    def _unpack(self, wheel: Wheel) -> Tree:
        while True:
            try:
                return self._unpack_once(wheel)
            except LostError as error:
                # Into another folder. This ends: the thread of a lost process goes on without one.
                self._going()
                self._emit(Note(text=f"unpacking `{wheel.path.name}` again: {error}", level="info"))

    def _unpack_once(self, wheel: Wheel) -> Tree:
        made = self.store.begin(wheel.sha256)
        try:
            with _opened(wheel, made.parent) as source:
                going = self._signing(wheel.sha256)
                job = _Job(wheel=wheel, source=source, root=made, workers=self._workers, going=going)
                hashed = self._workers.small.submit(job.check_hash)
                try:
                    job.read()
                except BaseException:
                    self._finish([hashed])
                    raise
                self._finish([hashed, *(self._workers.small.submit(job.write, share) for share in job.shares())])
            return self.store.keep(wheel.sha256, made, job.written)
        except BaseException as error:
            shutil.rmtree(made.parent, ignore_errors=True)
            if isinstance(error, RefusedError):
                raise broken(wheel.path.name, str(error)) from error
            raise

    def _finish(self, tasks: Sequence[Future[None]]) -> None:
        """Wait for all tasks of a wheel, even after a failure, since they write into its folder. The first counts."""
        wait(tasks)
        failures = [error for task in tasks if (error := task.exception()) is not None]
        for error in failures:
            # An `UnpackStoppedError` only follows from the failure of another task.
            if not isinstance(error, UnpackStoppedError):
                raise error
        if failures:
            raise failures[0]


@dataclass(slots=True)
class _Arrival:
    """A wheel that is being downloaded.

    Attributes:
        source: its file.
        wheel: set when it is complete.
        whole: set after that.
    """

    arriving: Arriving
    source: File
    wheel: Wheel | None = None
    whole: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True, kw_only=True)
class _Job:
    """The unpacking of one complete wheel.

    Attributes:
        root: receives the files.
        workers: write the members.
        going: raises to stop.
        written: size and time of the files so far.
    """

    wheel: Wheel
    source: File
    root: Path
    workers: Workers
    going: Callable[[int], None]
    members: tuple[ArchiveMember, ...] = ()
    written: dict[str, Written] = field(default_factory=dict)
    _failed: bool = False

    def read(self) -> None:
        """Read the list of members, and make their folders."""
        with self.source.stream() as stream:
            self.members = archive.directory(stream).members
        base = str(self.root)
        for folder in sorted({member.name.rpartition("/")[0] for member in self.members}):
            os.makedirs(f"{base}/{folder}", exist_ok=True)  # noqa: PTH103 - as many as there are folders

    def shares(self) -> Iterator[Sequence[ArchiveMember]]:
        """The members in parts of about the same amount of work, the biggest first."""
        by_size = sorted(self.members, key=lambda member: -member.size)
        alone = [member for member in by_size if member.size >= _ALONE]
        yield from ([member] for member in alone)
        share: list[ArchiveMember] = []
        size = 0
        for member in self.members:
            if member.size < _ALONE:
                share.append(member)
                # A small file costs as much as some ten kilobytes.
                size += member.size + 16 * 1024
                if size >= _ALONE:
                    yield share
                    share, size = [], 0
        if share:
            yield share

    def write(self, share: Sequence[ArchiveMember]) -> None:
        """Write members to files."""
        try:
            self._check()
            self.written.update(self.workers.write(share, self.source, str(self.root), going=self._check))
        except FileExistsError as error:
            self._failed = True
            name = str(error.filename).removeprefix(f"{self.root}/")
            # The file system does not distinguish upper and lower case, or two Unicode forms of a letter.
            raise RefusedError(f"`{name}` occurs twice on this file system") from error
        except BaseException:
            self._failed = True
            raise

    def check_hash(self) -> None:
        """Make sure that the file has the hash in the lock: it may have changed on disk since that was last checked.

        To the end, even if the archive is refused meanwhile: a file that changed is not a broken wheel.

        Raises:
            TfprovError: `hash-mismatch`.
        """
        digest, position = hashlib.sha256(), 0
        while piece := self.source.read(position, _BUFFER):
            self.going(0)
            digest.update(piece)
            position += len(piece)
        if digest.hexdigest() != self.wheel.sha256:
            self._failed = True
            raise TfprovError(
                "hash-mismatch",
                f"`{self.wheel.path.name}` no longer matches its hash in the lock",
                evidence=(f"expected sha256 {self.wheel.sha256}", f"found sha256 {digest.hexdigest()}"),
            )

    def _check(self, count: int = 0) -> None:
        self.going(count)
        if self._failed:
            raise UnpackStoppedError


@contextlib.contextmanager
def _opened(wheel: Wheel, folder: Path) -> Iterator[File]:
    """The wheel, or a copy of it if another user could change it between hashing and unpacking."""
    with File(wheel.path) as source:
        if not source.writable_by_others:
            yield source
            return
        copy = folder / "wheel"
        with copy.open("xb") as stream:
            position = 0
            while piece := source.read(position, _BUFFER):
                stream.write(piece)
                position += len(piece)
    with File(copy) as own:
        copy.unlink()
        yield own
