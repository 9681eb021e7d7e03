"""Makes foreign text safe to print: it cannot move the cursor, hide a word, or be a command to a CI system."""

from __future__ import annotations

import re
from collections.abc import Iterable

# All control characters except line ends and tabs, separators that some programs treat as line ends, marks that change
# the text direction, surrogates, and what is not seen at all: some comparisons, as those of .NET, pass over it.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)
# What CI systems read as a command: `::error::` at the start of a line (GitHub), and `##[group]` or `##vso[…]` anywhere
# in a line (GitHub, Azure, TeamCity).
_COMMAND = re.compile(r"^([^\S\n]*:)(?=:[A-Za-z])|(#)(?=#[A-Za-z]*\[)", re.MULTILINE)


def harmless(text: str) -> str:
    """The text with invisible characters written as escapes, and a blank inserted into what a CI system would obey."""
    if not text.isascii() or not text.isprintable():
        text = _HIDDEN.sub(_written, text.replace("\r\n", "\n"))
    return _COMMAND.sub(lambda found: f"{found[1] or found[2]} ", text) if "::" in text or "##" in text else text


def lined(rows: Iterable[str]) -> str:
    """Rows one below the other, each on one line, so that no part of a name or path passes for a row of its own."""
    return "\n".join(row.replace("\n", "\\x0a") for row in rows)


def _written(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
