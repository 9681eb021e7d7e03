"""Wraps lines that are wider than the terminal, with a hanging indent."""

from __future__ import annotations

import re

# `  chosen    tensorflow-cpu 2.21.0`: the continuation of a line is aligned with the text after the label.
_LABEL = re.compile(r" *\S+(?: \S+)? {2,}(?=\S)")
_INDENT = re.compile(r" *(?:- )?")
# Pieces that stay whole: text in backticks is typed or copied, and a run of blanks separates columns.
_PIECE = re.compile(r"(?:`[^`]*`|[^\s`])+")
# Rows with a path or a shell command: a terminal copies them as one line only when it wraps them itself.
_TYPED = re.compile(r"(?:  (?:use|place) {5,}| +(?:source|eval) |  tfprov )")


def wrapped(words: str, columns: int) -> str:
    """The text with no line wider than the terminal, as far as there are blanks to break at.

    Args:
        words: lines, some of which start with a label.
        columns: width of the terminal in characters.
    """
    return "\n".join(
        _line(line, columns) if len(line) > columns and not _TYPED.match(line) else line for line in words.split("\n")
    )


def _line(line: str, columns: int) -> str:
    label = _LABEL.match(line)
    indent = _INDENT.match(line)
    hang = len(label[0]) if label else len(indent[0]) if indent else 0
    if hang > columns // 2:
        # Too narrow for two columns: indent only enough to tell a continued line from a new row.
        hang = min(4, columns // 4)
    lines: list[str] = []
    start = end = 0
    for piece in _PIECE.finditer(line):
        room = columns - (hang if lines else 0)
        if end > start and piece.end() - start > room and line[start:end].strip():
            lines.append(line[start:end])
            start = piece.start()
        end = piece.end()
    lines.append(line[start:])
    return ("\n" + " " * hang).join(lines)
