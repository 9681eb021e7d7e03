"""A partial file: which parts have arrived, remembered across cuts, kills and power losses."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from tfprov import writing
from tfprov.errors import TfprovError
from tfprov.fetch.record import Origin, boot_id, parse
from tfprov.fetch.spans import Span, gaps, merge
from tfprov.ladder.classify import classify_exception

_SYNC_SECONDS = 2.0
_NOTE_BYTES = 512 * 1024
_RECORD_BYTES = 4096
_RECORDS = frozenset({".synced", ".written"})
_LOCKED = frozenset({".part", ".copy"})
_UNLOCKED_SECONDS = 86400.0
_LEFT_SECONDS = 30 * 86400.0


class Partial:
    """The parts of one file that have arrived. Open it under the file's lock; safe for several threads.

    Beside the data lie two small records of what has arrived:

    - `.synced` counts bytes that were flushed to the disk first, and is flushed itself: it holds after a power loss.
    - `.written` counts bytes that were handed to the operating system, and is not flushed: it holds after `kill -9`, as
      long as the system has not been restarted since, which it tells by the boot id. It is overwritten in place by one
      system call, which costs a few microseconds, so it can be exact to half a megabyte where flushing that often would
      slow a fast link down.
    """

    def __init__(self, path: Path, *, boot: str | None = None) -> None:
        """Open or create it.

        Args:
            path: the data file; its folder exists.
            boot: id of this boot; read from the system when None.

        Raises:
            TfprovError: `disk-full`, `permission-denied`, `read-only-fs`.
        """
        self.path = path
        self._boot = boot_id() if boot is None else boot
        self._synced_path, self._written_path = self.records(path)
        self._lock = threading.Lock()
        self._spans: list[Span] = []
        self.total: int | None = None
        self.origin: Origin | None = None
        self._unsynced = 0
        self._unnoted = 0
        self._synced_at = time.monotonic()
        self._syncing: threading.Thread | None = None
        self._unsyncable: TfprovError | None = None
        self.edition = 0
        """Incremented when the bytes are dropped, so that a hash over them has to start again."""
        self.first: Sequence[Span] = ()
        """Parts that a reader of the growing file wants before the others, in this order."""
        self.choosing = False
        """Whether that reader is still finding out which parts those are."""
        self.in_order = False
        """Whether it is fetched from front to back regardless of `first`, because the server does not honour ranges."""
        try:
            self._file = _open(path)
            self._load()
            self._notes = _open(self._written_path)
        except OSError as error:
            raise classify_exception(error) from error

    @staticmethod
    def records(path: Path) -> tuple[Path, Path]:
        """Paths of the two records of a partial file: `.synced`, then `.written`."""
        return (path.with_suffix(".synced"), path.with_suffix(".written"))

    def __enter__(self) -> Partial:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Flush and close the file. Nothing is removed."""
        if self._file.closed:
            return
        # Close the files even when the flush fails; a record that cannot be written claims nothing.
        with contextlib.suppress(OSError, TfprovError):
            self.checkpoint(now=True)
        self._file.close()
        self._notes.close()

    @property
    def arrived(self) -> int:
        """Number of bytes that are here."""
        with self._lock:
            return sum(end - start for start, end in self._spans)

    @property
    def prefix(self) -> int:
        """Number of bytes before the first gap."""
        with self._lock:
            return self._spans[0][1] if self._spans and self._spans[0][0] == 0 else 0

    def reaches(self, offset: int) -> int:
        """The start of the first gap at or after an offset."""
        with self._lock:
            return next((end for start, end in self._spans if start <= offset < end), offset)

    def last_bytes(self, count: int) -> Span:
        """The last bytes of the first contiguous part, at most `count`; an empty span when nothing is here."""
        with self._lock:
            if not self._spans:
                return (0, 0)
            start, end = self._spans[0]
            return (max(start, end - count), end)

    def missing(self) -> list[Span]:
        """The gaps. `total` must be known."""
        with self._lock:
            return gaps(self._spans, self.total or 0)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write bytes at their offset.

        Raises:
            TfprovError: `disk-full` and the like.
        """
        count = len(data)
        try:
            with writing.naming(self.path):
                self._pwrite(data, offset)
        except OSError as error:
            raise classify_exception(error) from error
        with self._lock:
            self._spans = merge(self._spans, (offset, offset + count))
            self._unsynced += count
            self._unnoted += count
            if self._unnoted >= _NOTE_BYTES:
                self._note()

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer with bytes that are here; returns how many."""
        if hasattr(os, "preadv"):
            return os.preadv(self._file.fileno(), [buffer], offset)
        data = self.read(offset, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, offset: int, count: int) -> bytes:
        """Bytes that are here."""
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), count, offset)
        with self._lock:
            self._file.seek(offset)
            return self._file.read(count)

    def reset(self, *, total: int | None = None) -> None:
        """Drop all bytes: they are wrong, or of another file."""
        self._settle()  # a record that is being written must not outlive the bytes that it counts
        with self._lock:
            self._spans = []
            self.total = total
            self.origin = None
            self.edition += 1
            self._file.truncate(0)
        self.checkpoint(now=True)

    def checkpoint(self, *, now: bool = False) -> None:
        """Flush data and record when that is due. Call it several times a second, from one thread.

        The flush runs in the background, because a disk may take seconds for it; with `now` everything has been flushed
        when this returns.

        Raises:
            TfprovError: `disk-full` and the like, also from an earlier flush.
        """
        with self._lock:
            waited = time.monotonic() - self._synced_at
            due = self._unsynced > 0 and waited >= _SYNC_SECONDS
        if now:
            self._settle()
            self._sync()
        elif due and (self._syncing is None or not self._syncing.is_alive()):
            self._settle()
            self._syncing = threading.Thread(target=self._sync_or_note, name="sync", daemon=True)
            self._syncing.start()

    def finish(self) -> tuple[Path, ...]:
        """Close a complete file whose hash was checked. Its data need not be on the disk yet.

        Returns:
            The records, which stay until the file has been flushed and are then removed in this order. While the last
            one exists, the file is known to be whole in this boot only.

        Raises:
            TfprovError: the failure of a flush in the background.
        """
        self._settle()
        with self._lock:
            self._note()
        self._file.close()
        self._notes.close()
        return self.records(self.path)

    def _settle(self) -> None:
        """Wait for the flush in the background, and raise its failure."""
        if self._syncing is not None:
            self._syncing.join()
            self._syncing = None
        if self._unsyncable is not None:
            error, self._unsyncable = self._unsyncable, None
            raise error

    def _sync_or_note(self) -> None:
        try:
            self._sync()
        except TfprovError as error:
            self._unsyncable = error

    def _sync(self) -> None:
        with self._lock:
            record = self._record()
            unsynced = self._unsynced
            self._note()
        try:
            # The data first: the record must never claim more than the disk holds.
            with writing.naming(self.path):
                writing.write_back(self._file.fileno(), content_only=True)
            writing.write_atomic(self._synced_path, record)
        except OSError as error:
            raise classify_exception(error) from error
        with self._lock:
            self._unsynced -= unsynced
            self._synced_at = time.monotonic()

    def _pwrite(self, data: bytes | memoryview, offset: int) -> None:
        view = memoryview(data)
        while view:
            if hasattr(os, "pwrite"):
                count = os.pwrite(self._file.fileno(), view, offset)
            else:
                with self._lock:
                    self._file.seek(offset)
                    count = self._file.write(view) or 0
            view = view[count:]
            offset += count

    def _note(self) -> None:
        # One write of a fixed size: a kill falls before or after it. JSON readers ignore the blanks at the end.
        record = self._record().ljust(_RECORD_BYTES)
        with contextlib.suppress(OSError):
            self._notes.seek(0)
            self._notes.write(record)
            self._notes.truncate()
        self._unnoted = 0

    def _record(self) -> bytes:
        origin = None if self.origin is None else [self.origin.url, self.origin.validator]
        record = {"boot": self._boot, "total": self.total, "origin": origin, "spans": self._spans}
        return json.dumps(record).encode()

    def _load(self) -> None:
        length = os.fstat(self._file.fileno()).st_size
        written, synced = parse(self._written_path), parse(self._synced_path)
        chosen = written if written is not None and written.boot == self._boot else synced
        if chosen is None:
            return
        self.total = chosen.total
        self.origin = chosen.origin
        # Spans beyond the end of the file mean that the record belongs to another file.
        self._spans = [span for span in chosen.spans if 0 <= span[0] < span[1] <= length]


def left_over(folder: Path, *, at_once: bool) -> Iterator[tuple[str, Path]]:
    """Partial files, copies, and what else killed runs left in a folder of them, with the hash of the file of each.

    Args:
        folder: of partial files.
        at_once: whether to find those that are worked on under a lock whatever their age, and others after a day;
            otherwise all are found when they have not been changed for a month.
    """
    for path in sorted(folder.glob("*")):
        if path.suffix in _RECORDS:
            continue  # they go with their file
        try:
            age = time.time() - path.stat().st_mtime
        except OSError:
            continue
        if age >= (_LEFT_SECONDS if not at_once else 0.0 if path.suffix in _LOCKED else _UNLOCKED_SECONDS):
            # The names go on with a suffix, or with that of the process whose own they are.
            yield path.name.removeprefix(".").partition(".")[0], path


def _open(path: Path) -> IO[bytes]:
    """Open a file for reading and writing, unbuffered; created if missing, never truncated. No link is followed."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    # Mode 0644 whatever the umask: no other user may change bytes that are hashed.
    return os.fdopen(os.open(path, flags, 0o644), "r+b", 0)
