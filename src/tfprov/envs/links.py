"""Links to environments: which one is meant, where it leads, and leading it elsewhere in one step."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from tfprov.envs import launchers
from tfprov.paths import sync_folder


def holds(folder: Path, file: str) -> bool:
    """Whether a file lies below a folder, wherever links lead."""
    return Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder))


def by_real_folder(link: str | Path) -> str:
    """The path of a link with its folder resolved; the link itself is not."""
    folder, name = os.path.split(link)
    return os.path.join(os.path.realpath(folder), name)  # noqa: PTH118 - the link itself must not be resolved


def drop(links: Iterable[str | None], target: Path) -> None:
    """Delete those links that lead to `target`; what became something else stays."""
    for link in (Path(name) for name in links if name):
        if link.is_symlink() and link.readlink() == target:
            link.unlink()
        elif launchers.target(link) == target:
            launchers.remove(link)


def switch(link: Path, target: Path) -> None:
    """Make `link` point at `target`, replacing an older link, in one step."""
    temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target, target_is_directory=True)
    try:
        temporary.replace(link)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    # Before anything that the old link leads to is deleted. No failure any more: the rename is done.
    with contextlib.suppress(OSError):
        sync_folder(link.parent)
