"""Commands (console scripts) on disk: scripts with a shebang line, and Windows launchers that contain one."""

from __future__ import annotations

import os
from pathlib import Path

from tfprov.contents import regular

_END_OF_ZIP = b"PK\x05\x06"
_END_BYTES = 22
"""Size of a zip file's last record, without its comment."""


def moved(content: bytes, *, was: str, now: str) -> bytes:
    """The content of a command after its environment moved to another path; other files are returned unchanged.

    Args:
        content: a script with a shebang line (`#!`), or a launcher: a Windows program with such a line and a zip file
            appended to it.
        was: path of the environment that it was made in, as the command names it.
        now: path of the environment that it is for.
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
    """The shebang line of a script or launcher, without `#!`; None for a program of another kind."""
    if content.startswith(b"#!"):
        return content[2:].partition(b"\n")[0].rstrip()
    found = _first_line(content)
    return None if found is None else content[found[0] + 2 : found[1]].rstrip()


def in_reach(path: Path) -> bytes:
    """The content of a command; empty if it is a folder, cannot be read, or was deleted meanwhile."""
    try:
        with regular(path) as stream:
            return stream.read()
    except OSError:
        return b""


def _first_line(content: bytes) -> tuple[int, int] | None:
    """Start and end offsets of the shebang line in a launcher; None if the file is not a launcher."""
    if not content.startswith(b"MZ"):
        return None
    last = content.rfind(_END_OF_ZIP)
    if last < 0 or len(content) < last + _END_BYTES:
        return None
    # Offsets in the zip file count from its own start; what precedes it is not part of it.
    directory = int.from_bytes(content[last + 12 : last + 16], "little")
    offset = int.from_bytes(content[last + 16 : last + 20], "little")
    archive = last - directory - offset
    if archive <= 0:
        return None
    begin = content.rfind(b"#!", 0, archive)
    # The shebang line is all that lies between the program and the zip file.
    return (begin, archive) if begin > 0 and content[begin:archive].count(b"\n") == 1 else None
