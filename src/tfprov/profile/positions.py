"""Finds the line numbers of keys in a TOML file, for messages; the standard parser does not report them."""

from __future__ import annotations

import re
from collections.abc import Callable

from tfprov.structured import toml_of

Key = tuple[str, ...]

_SPACE = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")  # between statements, and between the elements of an array
_PART = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING = re.compile(
    r'"{3}(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'  # the text may end with up to two quotes before the closing three
    r"|'{3}(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^,\]}#\n]*")  # numbers, dates, booleans


def lines_of_keys(text: str) -> dict[Key, int]:
    """Line numbers of the tables and keys in a TOML document, counted from 1.

    Valid TOML has each key once; of an array of tables, the first element is used. For an invalid document, the keys up
    to its first mistake.
    """
    reader = _Reader(text)
    reader.document()
    return reader.found


def line_of(positions: dict[Key, int], key: Key) -> int | None:
    """The line of a key, or of the innermost enclosing table that has one; None when none has."""
    for length in range(len(key), 0, -1):
        if key[:length] in positions:
            return positions[key[:length]]
    return None


class _Reader:
    """Walks through a document and records the line of each key; values are only skipped."""

    def __init__(self, text: str) -> None:
        self.found: dict[Key, int] = {}
        self._text = text
        self._at = 0
        self._line, self._counted = 1, 0

    def document(self) -> None:
        table: Key = ()
        while self._skip(_GAP) and self._at < len(self._text):
            start = self._at
            if self._take("["):
                self._take("[")
                table = self._key(())
                self._take("]")
                self._take("]")
            else:
                self._assignment(table)
            if self._at == start:
                return

    def _assignment(self, table: Key) -> None:
        key = self._key(table)
        self._take("=")
        self._value(key)

    def _key(self, table: Key) -> Key:
        """Read a dotted key, and record the line of it and of each table in it."""
        key = table
        while self._skip(_SPACE) and (part := _PART.match(self._text, self._at)):
            key = (*key, _unquoted(part.group()))
            self.found.setdefault(key, self._here())
            self._at = part.end()
            if not self._take("."):
                break
        return key

    def _value(self, key: Key) -> None:
        self._skip(_SPACE)
        if self._take("["):
            self._until("]", lambda: self._value(key))
        elif self._take("{"):
            self._until("}", lambda: self._assignment(key))
        elif not self._skip(_STRING):
            self._skip(_PLAIN)

    def _until(self, end: str, element: Callable[[], None]) -> None:
        while self._skip(_GAP) and self._at < len(self._text) and not self._take(end):
            start = self._at
            element()
            self._skip(_GAP)
            self._take(",")
            if self._at == start:
                return

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        match = pattern.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return match is not None

    def _take(self, mark: str) -> bool:
        self._skip(_SPACE)
        there = self._text.startswith(mark, self._at)
        self._at += there
        return there

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line


def _unquoted(part: str) -> str:
    return str(toml_of(f"key = {part}")["key"]) if part[0] in "\"'" else part
