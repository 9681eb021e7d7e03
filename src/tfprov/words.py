"""Formats numbers and commands for people."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Sequence
from datetime import date, time

_TOLD_APART = re.compile(r"[^\w\\/.:=@%+-]")
"""Characters that cmd or PowerShell treat as the end of a word, or as syntax."""


def size(count: float) -> str:
    """A number of bytes with a decimal unit: `812 kB`, `574 MB`, `3.44 GB`."""
    for limit, unit, digits in ((1e9, "GB", 2), (1e6, "MB", 0), (1e3, "kB", 0)):
        # A value that would round up to 1000 of the smaller unit is given in this one.
        if count >= limit * 0.9995:
            return f"{count / limit:.{digits}f} {unit}"
    return f"{count:.0f} B"


def duration(seconds: float) -> str:
    """A time span: `0.4 s`, `38 s`, `4 min 10 s`, `1 h 5 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def count(number: int, noun: str) -> str:
    """A number with its noun: `1 file`, `3 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shown(value: object) -> str:
    """A value as it stands in a document, in backquotes, cut to 60 characters: `"16 GB"`, `false`."""
    if value is None or isinstance(value, bool):
        text = json.dumps(value)
    elif isinstance(value, date | time):
        text = value.isoformat()
    else:
        text = repr(value).replace("'", '"')
    return f"`{text if len(text) <= 60 else text[:57] + '…'}`"


def first_of(texts: Sequence[str], most: int) -> tuple[str, ...]:
    """The texts; of more than `most` the first ones, and how many more there are: `a`, `b`, `and 3 more`."""
    return (*texts[:most], f"and {len(texts) - most} more") if len(texts) > most else tuple(texts)


def listed(names: Sequence[str], most: int) -> str:
    """The names on one line, and how many there are beyond the first `most`: `a, b and 3 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def quoted(text: str, *, windows: bool = os.name == "nt") -> str:
    """A word of a command, quoted for the user's shell: with single quotes, on Windows with double quotes.

    cmd knows only double quotes, and PowerShell accepts them, too.
    """
    if not windows:
        return shlex.quote(text)
    if text and not _TOLD_APART.search(text):
        return text
    # For the program that is started, a backslash before the closing quote would make that a part of the word.
    ending = len(text) - len(text.rstrip("\\"))
    return f'"{text}{text[len(text) - ending :]}"'


def powershell_quoted(text: str) -> str:
    """A word for PowerShell that stands for exactly this text. It accepts typographic quotes as quotes, too."""
    return "'" + re.sub("(['\u2018\u2019\u201a\u201b])", r"\1\1", text) + "'"


def move_aside(name: str, *, windows: bool = os.name == "nt") -> str:
    """The command that renames a file or folder, for the user's shell."""
    old, new = (quoted(each, windows=windows) for each in (name, f"{name}.old"))
    return f"{'move' if windows else 'mv'} {old} {new}"
