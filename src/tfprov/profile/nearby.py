"""Finds dependency files that are used only if somebody names them."""

from __future__ import annotations

from pathlib import Path

_PATTERNS = ("*requirements*.txt", "requirements/*.txt", "*env*.y*ml", "conda*.y*ml", "*ockerfile*", "*.ipynb")
_MOST = 5


def lists_under_other_names(folder: Path) -> tuple[str, ...]:
    """Files that may list dependencies, but under a name that does not say for which purpose; the likeliest first.

    Args:
        folder: of the project; the paths are relative to it.

    Raises:
        OSError: the folder cannot be read.
    """
    found = (path for pattern in _PATTERNS for path in sorted(folder.glob(pattern)) if path.is_file())
    return tuple(dict.fromkeys(path.relative_to(folder).as_posix() for path in found))[:_MOST]
