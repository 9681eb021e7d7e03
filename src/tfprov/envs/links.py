"""Links to environments: which one is meant, where it leads, and leading it elsewhere in one step.

Everywhere but on Windows they are symbolic links; there they are fronts, and what is said of links is true of them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from tfprov.envs import fronts, launchers
from tfprov.paths import sync_folder
from tfprov.renames import plain


def holds(folder: Path, file: str) -> bool:
    """Whether a file lies below a folder, wherever links lead."""
    return Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder))


def by_real_folder(link: str | Path) -> str:
    """The path of a link with its folder resolved; the link itself is not."""
    folder, name = os.path.split(link)
    return os.path.join(os.path.realpath(folder), name)  # noqa: PTH118 - the link itself must not be resolved


def led(link: Path) -> Path | None:
    """What a link leads to, as it stands in it; None where there is none."""
    try:
        return plain(link.readlink())
    except (OSError, ValueError):
        return fronts.target(link)


def leads(link: Path, target: Path, generation: Path) -> bool:
    """Whether a link leads to `target` and needs no change for the generation that this leads to."""
    if led(link) != target:
        return False
    return fronts.target(link) is None or link.is_symlink() or fronts.is_current(link, target, generation)


def drop(links: Iterable[str | None], target: Path) -> None:
    """Delete those links that lead to `target`; what became something else stays."""
    for link in (Path(name) for name in links if name):
        if led(link) == target:
            link.unlink() if link.is_symlink() else fronts.remove(link)
        elif launchers.target(link) == target:
            launchers.remove(link)


def switch(link: Path, target: Path, generation: Path) -> None:
    """Make `link` lead to `target`, replacing an older link, in one step.

    Args:
        link: nothing, or a link.
        target: what it is to lead to; relative to its folder, or absolute.
        generation: the verified one that it leads to in the end.
    """
    if os.name == "nt":
        fronts.write(link, target, generation)
        return
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
