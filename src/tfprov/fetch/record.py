"""Records of files that may not be on the disk yet: received parts, their origin, and the boot."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from tfprov.fetch.spans import Span, merge
from tfprov.structured import json_of


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of received bytes.

    Attributes:
        url: without credentials.
        validator: strong ETag or Last-Modified for If-Range; None when the server gave neither.
    """

    url: str
    validator: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """The content of one record.

    Attributes:
        boot: the boot in which it was written; see `boot_id`.
        total: size of the file; None when not known.
        origin: where the bytes came from; None before the first response.
        spans: the parts that are here.
    """

    boot: str
    total: int | None
    origin: Origin | None
    spans: tuple[Span, ...]


def parse(path: Path) -> Record | None:
    """The record in this file; None when the file is missing or damaged."""
    try:
        raw = json_of(path.read_bytes())
        spans: list[Span] = []
        for start, end in raw["spans"]:
            spans = merge(spans, (int(start), int(end)))
        origin = None if raw["origin"] is None else Origin(str(raw["origin"][0]), raw["origin"][1])
        total = None if raw["total"] is None else int(raw["total"])
        return Record(str(raw["boot"]), total, origin, tuple(spans))
    except (OSError, ValueError, KeyError, TypeError, IndexError, OverflowError):
        return None


def boot_id() -> str:
    """An id of this boot: when it differs, bytes that were not flushed may be lost."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        pass
    # Elsewhere it is computed from clock and uptime, so it may vary by a second. psutil reads the latter in /proc, too.
    if hasattr(time, "CLOCK_BOOTTIME"):
        began = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    else:
        import psutil

        began = psutil.boot_time()
    return str(round(began / 10))
