"""Flushing whole files in the background, so that neither the network nor the installer waits for the disk."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tfprov import writing
from tfprov.errors import TfprovError
from tfprov.ladder.classify import classify_exception
from tfprov.renames import remove


@dataclass(frozen=True, slots=True)
class _Task:
    path: Path
    records: Sequence[Path]


class Flusher:
    """Flushes files one after the other in the background, then removes the records that mark them as not flushed.

    A file that cannot be flushed is removed, because its content on the disk is unknown. If the process ends early, the
    records stay, and the store checks the content again after the next boot.
    """

    def __init__(self) -> None:
        """Start no thread before the first file."""
        self._tasks: deque[_Task] = deque()
        self._changed = threading.Condition()
        self._at_work = False
        self._failure: TfprovError | None = None

    def add(self, path: Path, records: Sequence[Path]) -> None:
        """Flush a file at its final place, then remove its records, in this order."""
        with self._changed:
            self._tasks.append(_Task(path, records))
            if not self._at_work:
                threading.Thread(target=self._work, name="flush", daemon=True).start()
                self._at_work = True

    def wait(self) -> None:
        """Wait until all files so far are on the disk. The flusher may be used again afterwards.

        Raises:
            TfprovError: `disk-full` and the like; a file that could not be flushed was removed.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._at_work)
            failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _work(self) -> None:
        while (task := self._next()) is not None:
            try:
                with writing.naming(task.path):
                    _flush(task.path)
            except OSError as error:
                with self._changed:
                    self._failure = self._failure or classify_exception(error)
                with contextlib.suppress(OSError):
                    task.path.unlink()
            for record in task.records:
                with contextlib.suppress(OSError):
                    remove(record)

    def _next(self) -> _Task | None:
        """The next file; None, and the end of the thread, when there is none."""
        with self._changed:
            if self._tasks:
                return self._tasks.popleft()
            self._at_work = False
            self._changed.notify_all()
            return None


def _flush(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return  # evicted meanwhile, or found to be damaged
    try:
        writing.write_back(handle, content_only=True)
    finally:
        os.close(handle)
    writing.sync_folder(path.parent)
