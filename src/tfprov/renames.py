"""Renames that wait for those who hold a file for a moment.

On Windows a file or folder that somebody has open cannot be renamed, nor can another one take its place. Scanners for
viruses and indexers open what was just written for some tenths of a second; what is still held after that is held by
a program, and the error says which file it is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_HELD = frozenset({5, 32, 33})
"""What Windows says then: access denied, sharing violation, lock violation."""
_TRIES = 8
_MOST_SECONDS = 3.0


def replace(source: Path, target: Path) -> None:
    """Rename a file, over another one where there is one; a folder, to a free name. In one step.

    Raises:
        OSError: it cannot be done; where somebody holds the file, for some seconds by now.
    """
    try:
        source.replace(target)
    except PermissionError as error:
        if not is_held(error) or target.is_dir():  # a folder that is there does not go away by waiting
            raise
    else:
        return
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_random_exponential

    again = Retrying(
        retry=retry_if_exception(is_held),
        stop=stop_after_attempt(_TRIES) | stop_after_delay(_MOST_SECONDS),
        wait=wait_random_exponential(multiplier=0.05, max=1),
        reraise=True,
    )
    again(source.replace, target)


def open_shared(path: str | Path) -> int:
    """The descriptor of a file opened for reading, which on Windows, too, may be renamed and deleted meanwhile.

    Raises:
        OSError: it cannot be opened.
    """
    if sys.platform != "win32":
        return os.open(path, os.O_RDONLY)
    import _winapi
    import msvcrt

    # GENERIC_READ; everything shared, FILE_SHARE_DELETE among it, which open() leaves out; OPEN_EXISTING.
    handle = _winapi.CreateFile(os.fspath(path), 0x80000000, 7, _winapi.NULL, 3, 0x80, _winapi.NULL)
    return msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_BINARY)


def is_held(error: BaseException) -> bool:
    """Whether an error may be that somebody has the file open; never so on other systems than Windows."""
    return isinstance(error, PermissionError) and getattr(error, "winerror", None) in _HELD


def plain(path: Path) -> Path:
    r"""A path as users write it: Windows says where a link leads with `\\?\` before it."""
    text = os.fspath(path)
    for prefix, instead in (("\\\\?\\UNC\\", "\\\\"), ("\\\\?\\", ""), ("\\??\\", "")):
        if text.startswith(prefix):
            return Path(instead + text[len(prefix) :])
    return path
