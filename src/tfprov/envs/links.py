"""Links to environments: reading their target, and switching them in one step.

Everywhere but on Windows they are symbolic links; on Windows they are fronts, and "link" means a front here.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from tfprov import trees
from tfprov.envs import fronts, launchers
from tfprov.envs.holders import running_from
from tfprov.errors import TfprovError
from tfprov.paths import beside
from tfprov.renames import plain
from tfprov.trash import to_trash
from tfprov.writing import UNFINISHED, sweep_left, sync_folder


def holds(folder: Path, file: str) -> bool:
    """Whether a file lies below a folder, with links resolved on both sides."""
    return Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder))


def by_real_folder(link: str | Path) -> str:
    """The path of a link with its folder resolved, but not the link itself."""
    folder, name = os.path.split(link)
    return os.path.join(os.path.realpath(folder), name)  # noqa: PTH118 - the link itself must not be resolved


def led(link: Path) -> Path | None:
    """The target of a link, as written in it; None if it is not a link."""
    try:
        return plain(link.readlink())
    except (OSError, ValueError):
        return fronts.target(link)


def leads(link: Path, target: Path, generation: Path) -> bool:
    """Whether a link leads to `target` and needs no change for the generation at the end of the chain."""
    if led(link) != target:
        return False
    return fronts.target(link) is None or link.is_symlink() or fronts.is_current(link, target, generation)


def drop(links: Iterable[str | None], target: Path) -> None:
    """Delete those links that lead to `target`; anything else at those paths stays."""
    for link in (Path(name) for name in links if name):
        if led(link) == target:
            link.unlink() if link.is_symlink() else fronts.remove(link)
        elif launchers.target(link) == target:
            launchers.remove(link)


def switch(link: Path, target: Path, generation: Path) -> None:
    """Make `link` lead to `target` in one step, replacing an older link.

    Args:
        link: path of a link, or of nothing.
        target: its new target; relative to its folder, or absolute.
        generation: the verified generation at the end of the chain.
    """
    if os.name == "nt":
        fronts.write(link, target, generation)
        return
    sweep_left(link)
    temporary = beside(link, UNFINISHED)
    temporary.symlink_to(target, target_is_directory=True)
    try:
        temporary.replace(link)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    # Before anything behind the old link is deleted. Not an error if it fails: the rename is done.
    with contextlib.suppress(OSError):
        sync_folder(link.parent)


def delete_copy(current: Path) -> None:
    """Delete a copy of a generation in place of the link to it, as backups and clouds make of links.

    Raises:
        TfprovError: `environment-in-use` when a process runs from it.
    """
    if users := running_from(current.resolve()):
        raise TfprovError(
            "environment-in-use",
            f"`{current}` is a folder, not a link to the generation in use, and cannot be replaced now",
            evidence=tuple(map(str, users)),
            hint="try again when these processes have ended",
        )
    trees.delete(to_trash(current))
