"""Deletion by renaming first, because other processes may use or make again what is deleted."""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path

from tfprov.paths import beside, shortened
from tfprov.renames import replace

_TRASH = ".trash"


def to_trash(folder: Path) -> Path:
    """Rename a folder, within its parent, to a unique name that nothing looks up, and return that path for deletion.

    Deletion takes time, and a process can be stopped at any point of it and resume an hour later. By then the folder
    may have been made again under its old name, and files taken from it may be in use elsewhere.

    Raises:
        OSError: the folder does not exist, or (Windows) a process has something in it open; it is unchanged.
    """
    trash = trash_name(folder)
    replace(folder, trash)
    return trash


def trash_name(folder: Path) -> Path:
    """A unique name beside a folder, under which this run or a later one deletes it."""
    return beside(folder, _TRASH)


def trash_in(parent: Path, *, of: str = "") -> list[Path]:
    """The folders that `to_trash` has renamed within a folder and that are not deleted yet.

    Several processes may delete the same one at once.

    Args:
        parent: the folder.
        of: the original name; empty for any. Pass it for a folder of the user's, where nothing else is tfprov's.
    """
    pattern = re.compile(rf"\.{re.escape(shortened(of))}\.\d+-[0-9a-f]{{8}}{re.escape(_TRASH)}") if of else None
    return sorted(path for path in parent.glob(f".*{_TRASH}") if pattern is None or pattern.fullmatch(path.name))


def discard(folder: Path) -> None:
    """Delete a folder that other processes may use or make again; does nothing where it does not exist."""
    with contextlib.suppress(OSError):
        shutil.rmtree(to_trash(folder), ignore_errors=True)
