"""Numbers and commands as people read them."""

from __future__ import annotations

import os
import re
import shlex

_TOLD_APART = re.compile(r"[^\w\\/.:=@%+-]")
"""What cmd or PowerShell take for the end of a word, or for something of their own."""


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


def quoted(text: str, *, windows: bool = os.name == "nt") -> str:
    """A word of a command as the user's shell takes it: in single quotes, on Windows in double ones.

    cmd knows no others, and PowerShell knows these, too.
    """
    if not windows:
        return shlex.quote(text)
    return f'"{text}"' if _TOLD_APART.search(text) or not text else text


def move_aside(name: str, *, windows: bool = os.name == "nt") -> str:
    """The command that gives a file or folder another name, in the user's shell."""
    old, new = (quoted(each, windows=windows) for each in (name, f"{name}.old"))
    return f"{'move' if windows else 'mv'} {old} {new}"
