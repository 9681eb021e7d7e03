"""Where each key of a TOML file stands: the standard parser does not say, and errors need lines."""

from __future__ import annotations

import re

Key = tuple[str, ...]

_BARE = r"[A-Za-z0-9_-]+"
_PART = rf"(?:{_BARE}|\"(?:[^\"\\]|\\.)*\"|'[^']*')"
_DOTTED = rf"{_PART}(?:\s*\.\s*{_PART})*"
_TABLE = re.compile(rf"^\s*\[\[?\s*({_DOTTED})\s*\]\]?\s*(?:#.*)?$")
_ASSIGN = re.compile(rf"^\s*({_DOTTED})\s*=")
_SPLIT = re.compile(_PART)
_INLINE_KEY = re.compile(rf"[{{,]\s*({_DOTTED})\s*=")


def lines_of_keys(text: str) -> dict[Key, int]:
    """Line numbers, counted from 1, of the tables and keys of a valid TOML document.

    Keys inside multi-line strings are not taken for keys. A key that is given twice cannot happen in valid TOML; of an
    array of tables the first one is meant.
    """
    found: dict[Key, int] = {}
    table: Key = ()
    closing: str | None = None  # the delimiter of the multi-line string that we are in
    depth = 0  # open brackets of a multi-line array
    for number, line in enumerate(text.splitlines(), start=1):
        if closing is not None:
            if closing in line:
                closing = None
            continue
        if depth == 0:
            header = _TABLE.match(line)
            if header:
                table = _key(header[1])
                found.setdefault(table, number)
                continue
            assign = _ASSIGN.match(line)
            if assign:
                key = table + _key(assign[1])
                for length in range(len(table) + 1, len(key) + 1):
                    found.setdefault(key[:length], number)
                rest = line[assign.end() :]
                for inner in _INLINE_KEY.finditer(rest):
                    found.setdefault(key + _key(inner[1]), number)
        code = _without_strings(line)
        for delimiter in ('"""', "'''"):
            if code.count(delimiter) % 2:
                closing = delimiter
                break
        if closing is None:
            depth = max(0, depth + code.count("[") - code.count("]"))
    return found


def line_of(positions: dict[Key, int], key: Key) -> int | None:
    """The line of a key, or of the nearest table around it; None when nothing around it is known."""
    for length in range(len(key), 0, -1):
        if key[:length] in positions:
            return positions[key[:length]]
    return None


def _key(dotted: str) -> Key:
    parts = (part.group() for part in _SPLIT.finditer(dotted))
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in parts)


def _without_strings(line: str) -> str:
    """The line without single-line strings and comments; delimiters of multi-line strings stay."""
    line = re.sub(r'"""(?:[^"\\]|\\.|"(?!""))*"""|\'\'\'(?:[^\']|\'(?!\'\'))*\'\'\'', "", line)
    kept = re.sub(r'(?<!")"(?!"")(?:[^"\\]|\\.)*"|(?<!\')\'(?!\'\')[^\']*\'', "", line)
    return kept.split("#", 1)[0]
