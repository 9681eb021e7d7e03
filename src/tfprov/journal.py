"""The journal: each event of a run as a line of JSON, without secrets."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO

from tfprov.contents import regular
from tfprov.events import Event, Progress
from tfprov.redact import redact, redact_all
from tfprov.structured import json_of

_NAMED = "%Y%m%dT%H%M%S.%fZ"
KEPT = 50
"""Number of journals kept per environment."""


class Journal:
    """Writes events to a file. Events that arrive before the file is open are buffered.

    A journal that cannot be written never stops a run: the terminal shows the same.
    """

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._stream: IO[str] | None = None
        self._guard = threading.Lock()
        self.path: Path | None = None

    def open(self, folder: Path, *, now: datetime) -> None:
        """Create the file, named after time and process, and write buffered events. Keeps the newest 50 files."""
        with self._guard, contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            for old in journals(folder)[KEPT - 1 :]:
                old.unlink(missing_ok=True)
            path = folder / f"{_after_all(folder, now):{_NAMED}}-{os.getpid()}.jsonl"
            self._stream = path.open("w", encoding="utf-8")
            self.path = path
            for line in self._waiting:
                self._stream.write(line)
            self._stream.flush()
            self._waiting.clear()

    def __call__(self, event: Event) -> None:
        """Write an event. Progress is omitted: it would be many lines of no use afterwards."""
        if isinstance(event, Progress):
            return
        self.write(type(event).__name__, dataclasses.asdict(event))

    def write(self, kind: str, document: dict[str, object]) -> None:
        """Write one line of any kind: the time, the kind, then the keys of the document."""
        moment = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        line = json.dumps(redact_all({"at": moment, "event": kind, **document}), default=_word) + "\n"
        with self._guard, contextlib.suppress(OSError, ValueError):
            if self._stream is None:
                self._waiting.append(line)
            else:
                self._stream.write(line)
                self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        with self._guard, contextlib.suppress(OSError):
            if self._stream is not None:
                self._stream.close()


def _after_all(folder: Path, now: datetime) -> datetime:
    """The time in the name of a new journal: after those of all others, even if the clock has been put back since."""
    newest = next(iter(journals(folder)), None)
    if newest is not None and newest.name >= f"{now:{_NAMED}}":
        with contextlib.suppress(ValueError, OverflowError):  # not a journal's name, or the end of the calendar
            last = datetime.strptime(newest.name.partition("-")[0], _NAMED).replace(tzinfo=timezone.utc)
            return last + timedelta(microseconds=1)
    return now


def _word(value: object) -> str:
    """The text of a value that JSON cannot represent, for example a path."""
    return redact(str(value))


def journals(folder: Path) -> list[Path]:
    """The journals in a folder, newest first."""
    return sorted(folder.glob("*.jsonl"), reverse=True)


def read(path: Path) -> Iterator[dict[str, object]]:
    """The records in a journal. Lines that are not JSON objects are skipped, such as one truncated by a crash."""
    with regular(path) as raw, io.TextIOWrapper(raw, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            with contextlib.suppress(ValueError):
                found = json_of(line)
                if isinstance(found, dict):
                    yield found
