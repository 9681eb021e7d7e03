"""Commands that wheels declare, as files: scripts with a first line, and launchers of Windows that hold one."""

from __future__ import annotations

import os
from pathlib import Path

_END_OF_ZIP = b"PK\x05\x06"
_END_BYTES = 22
"""Of the last record of a zip file, without its comment."""


def moved(content: bytes, *, was: str, now: str) -> bytes:
    """A command of one environment as it is in another; any other file as it is.

    Args:
        content: of a script with a first line (`#!`), or of a launcher, which is a program of Windows with such a line
            and a zip file behind it.
        was: path of the environment that it was made in, as the command names it.
        now: path of the other one.
    """
    old, new = os.fsencode(was), os.fsencode(now)
    if content.startswith(b"#!"):
        return content.replace(old, new)
    found = _first_line(content)
    if found is None:
        return content
    begin, end = found
    return content[:begin] + content[begin:end].replace(old, new) + content[end:]


def interpreter_of(content: bytes) -> bytes | None:
    """The first line of a script or of a launcher, without its `#!`; None for a program of another kind."""
    if content.startswith(b"#!"):
        return content[2:].partition(b"\n")[0].rstrip()
    found = _first_line(content)
    return None if found is None else content[found[0] + 2 : found[1]].rstrip()


def in_reach(path: Path) -> bytes:
    """The content of a command that can be read; nothing for a folder, or one that is gone meanwhile."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _first_line(content: bytes) -> tuple[int, int] | None:
    """Where the first line of a launcher's script begins and ends; None where the file is no launcher."""
    if not content.startswith(b"MZ"):
        return None
    last = content.rfind(_END_OF_ZIP)
    if last < 0 or len(content) < last + _END_BYTES:
        return None
    # The offsets of the zip file count from its own beginning: what is before that does not belong to it.
    directory = int.from_bytes(content[last + 12 : last + 16], "little")
    offset = int.from_bytes(content[last + 16 : last + 20], "little")
    archive = last - directory - offset
    if archive <= 0:
        return None
    begin = content.rfind(b"#!", 0, archive)
    # Between the program and the zip file there is nothing else than this line.
    return (begin, archive) if begin > 0 and content[begin:archive].count(b"\n") == 1 else None
