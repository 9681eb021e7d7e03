"""Numbers in words."""

from __future__ import annotations


def size(count: float) -> str:
    """Bytes for people, in powers of ten: `812 kB`, `574 MB`, `3.44 GB`."""
    for limit, unit, digits in ((1e9, "GB", 2), (1e6, "MB", 0), (1e3, "kB", 0)):
        # What would be rounded up to 1000 of the smaller unit is one of this unit.
        if count >= limit * 0.9995:
            return f"{count / limit:.{digits}f} {unit}"
    return f"{count:.0f} B"


def duration(seconds: float) -> str:
    """Time for people: `0.4 s`, `38 s`, `4 min 10 s`, `1 h 5 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def count(number: int, noun: str) -> str:
    """`1 file`, `3 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
