"""Progress of the download, over all files of a run."""

from __future__ import annotations

import threading
import time

from tfprov.events import Emit, Progress
from tfprov.lock.records import LockedFile

STAGE = "fetch"

_PROGRESS_SECONDS = 0.1


class Meter:
    """Counts bytes over all files and threads, and reports them."""

    def __init__(self, emit: Emit, total: int | None) -> None:
        """Report to `emit`; `total` is the size of all files in bytes, or None when not known."""
        self._emit = emit
        self._total = total
        self._lock = threading.Lock()
        self._done: dict[str, int] = {}
        self._reported = 0.0
        self.fetched = 0
        self.reused = 0

    def arrived(self, count: int) -> None:
        """Count bytes that were received or copied."""
        with self._lock:
            self.fetched += count

    def found(self, count: int) -> None:
        """Count bytes that were here already."""
        with self._lock:
            self.reused += count

    def at(self, file: LockedFile, done: int, *, last: bool = False) -> None:
        """Set the bytes of one file; reported at most ten times a second, and always when `last`."""
        with self._lock:
            self._done[file.sha256] = done
            now = time.monotonic()
            if not last and now - self._reported < _PROGRESS_SECONDS:
                return
            self._reported = now
            done = sum(self._done.values())
            self._emit(Progress(stage=STAGE, what=file.filename, done=done, total=self._total))
