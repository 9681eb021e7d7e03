"""Lines that are wider than a terminal, wrapped under their own beginning."""

from __future__ import annotations

import re

# `  chosen    tensorflow-cpu 2.21.0`: what stands behind a label goes on below itself.
_LABEL = re.compile(r" *\S+(?: \S+)? {2,}(?=\S)")
_INDENT = re.compile(r" *(?:- )?")
# What must stay in one piece: something in backticks is typed or copied, a run of blanks separates columns.
_PIECE = re.compile(r"(?:`[^`]*`|[^\s`])+")
# Rows that hold a path or a line for the shell, which a terminal copies whole only when it breaks it itself.
_TYPED = re.compile(r"(?:  (?:use|place) {5,}| +(?:source|eval) |  tfprov )")


def wrapped(words: str, columns: int) -> str:
    """The words with no line wider than the terminal, where there is a blank to break it at.

    Args:
        words: lines, some with a label before them.
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
        # Too narrow for two columns: only so far that a continued line is not taken for a row.
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
