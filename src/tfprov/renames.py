"""Renames, deletions and reads that wait for programs which hold a file for a moment.

On Windows a file or folder that is open in any program can neither be renamed nor replaced. Virus scanners and indexers
open new files for some tenths of a second, and a file that is just being replaced cannot be opened. A file that is held
for longer is open in another kind of program, and the error names the file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_Result = TypeVar("_Result")
_HELD = frozenset({5, 32, 33})
"""Windows error codes for that: access denied, sharing violation, lock violation."""
_TRIES = 8
_MOST_SECONDS = 3.0


def replace(source: Path, target: Path) -> None:
    """Rename a file, replacing an existing one, or a folder to a free name, in one step.

    Raises:
        OSError: the rename failed; where another program holds the file, after some seconds of trying.
    """
    try:
        source.replace(target)
    except PermissionError as error:
        if not is_held(error) or target.is_dir():  # waiting does not remove an existing folder
            raise
    else:
        return
    _again(lambda: source.replace(target))


def read(path: Path) -> bytes:
    """The content of a file that another process may replace at that moment.

    Raises:
        OSError: it cannot be read; where another program holds it, after some seconds of trying.
    """

    def whole() -> bytes:
        with os.fdopen(open_shared(path), "rb") as stream:
            return stream.read()

    return _patiently(whole)


def remove(path: Path) -> None:
    """Delete a file, which may be gone.

    Raises:
        OSError: it cannot be deleted; where another program holds it, after some seconds of trying.
    """
    _patiently(lambda: path.unlink(missing_ok=True))


def _patiently(action: Callable[[], _Result]) -> _Result:
    try:
        return action()
    except PermissionError as error:
        if not is_held(error):
            raise
    return _again(action)


def _again(action: Callable[[], _Result]) -> _Result:
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_random_exponential

    return Retrying(
        retry=retry_if_exception(is_held),
        stop=stop_after_attempt(_TRIES) | stop_after_delay(_MOST_SECONDS),
        wait=wait_random_exponential(multiplier=0.05, max=1),
        reraise=True,
    )(action)


def open_shared(path: str | Path) -> int:
    """Open a file for reading so that, on Windows too, it may be renamed and deleted meanwhile; returns its descriptor.

    Raises:
        OSError: it cannot be opened.
    """
    if sys.platform != "win32":
        return os.open(path, os.O_RDONLY)
    import _winapi
    import msvcrt

    # GENERIC_READ; all sharing modes, including FILE_SHARE_DELETE, which open() omits; OPEN_EXISTING.
    handle = _winapi.CreateFile(os.fspath(path), 0x80000000, 7, _winapi.NULL, 3, 0x80, _winapi.NULL)
    return msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_BINARY)


def is_held(error: BaseException) -> bool:
    """Whether an error may mean that another program has the file open. Always False outside Windows."""
    return isinstance(error, PermissionError) and getattr(error, "winerror", None) in _HELD


def plain(path: Path) -> Path:
    r"""A path as users write it, without the `\\?\` prefix that Windows adds to the target of a link."""
    text = os.fspath(path)
    for prefix, instead in (("\\\\?\\UNC\\", "\\\\"), ("\\\\?\\", ""), ("\\??\\", "")):
        if text.startswith(prefix):
            return Path(instead + text[len(prefix) :])
    return path
