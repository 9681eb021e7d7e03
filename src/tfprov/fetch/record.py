"""What is written down about a file that is not on the disk for certain: what came of it, from where, in which boot."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tfprov.fetch.spans import Span, merge


@dataclass(frozen=True, slots=True)
class Origin:
    """What the server said about the file when these bytes came.

    Attributes:
        url: without credentials.
        validator: strong ETag or Last-Modified for If-Range; None when it gave neither.
    """

    url: str
    validator: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """What one of the records says.

    Attributes:
        boot: the run of the operating system that it was written in; see `boot_id`.
        total: size of the file; None when it was not known.
        origin: what the server said about it; None before it said anything.
        spans: what of it is here.
    """

    boot: str
    total: int | None
    origin: Origin | None
    spans: tuple[Span, ...]


def parse(path: Path) -> Record | None:
    """The record in this file, or None when there is none or it is damaged."""
    try:
        raw = json.loads(path.read_bytes())
        spans: list[Span] = []
        for start, end in raw["spans"]:
            spans = merge(spans, (int(start), int(end)))
        origin = None if raw["origin"] is None else Origin(str(raw["origin"][0]), raw["origin"][1])
        total = None if raw["total"] is None else int(raw["total"])
        return Record(str(raw["boot"]), total, origin, tuple(spans))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def boot_id() -> str:
    """Identifies this run of the operating system: another value means that what was not flushed may be lost."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        import psutil

        # Derived from clock and uptime elsewhere, so that it wobbles by a second.
        return str(round(psutil.boot_time() / 10))
