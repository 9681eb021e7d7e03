"""Reuses an environment that is no longer needed: package folders are moved into a new one, the rest is linked."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tfprov import trees

_WORTH_MOVING = 32
"""Smallest number of files for which moving a package pays, instead of linking it."""
_SAMPLE = 8
"""Number of files of a package that are compared to see whether the environment is linked to the image."""


def take_over(paths: Iterable[str], *, tree: Path, spare: Path, environment: Path) -> frozenset[str]:
    """Move the packages of a spare environment into a new one, and delete from them what does not belong there.

    The files that remain are links to the image's own files (the same inodes): nothing that happened to the spare
    environment comes along. On a file system that clones files there are no such links, and nothing is moved.

    Args:
        paths: files that the new environment must have, relative to it, with forward slashes.
        tree: folder of these files in the image.
        spare: a virtual environment; unusable afterwards.
        environment: a virtual environment without packages.

    Returns:
        Those of `paths` that the new environment has now.

    Raises:
        OSError: a package was moved, and can neither be cleaned up nor moved back.
    """
    packages: dict[str, list[str]] = {}
    for path in paths:
        library, _, inner = path.partition("/site-packages/")
        name, _, rest = inner.partition("/")
        if rest:
            packages.setdefault(f"{library}/site-packages/{name}", []).append(path)
    kept: set[str] = set()
    for package, files in packages.items():
        if len(files) < _WORTH_MOVING or not _linked(files, tree, spare):
            continue
        source, target = spare / package, environment / package
        if not _move(source, target):
            continue
        try:
            kept.update(_keep(files, package, tree=tree, environment=environment))
        except OSError:
            # A folder that may not be written to, for instance: these files are linked instead.
            target.rename(source)
    return frozenset(kept)


def _linked(files: Sequence[str], tree: Path, spare: Path) -> bool:
    """Whether the spare environment's files are links to those of the image, judged by a sample."""
    for path in files[:: max(1, len(files) // _SAMPLE)]:
        with contextlib.suppress(OSError):
            if os.path.samestat(os.lstat(spare / path), os.lstat(tree / path)):
                return True
    return False


def _move(source: Path, target: Path) -> bool:
    """Move a folder, but nothing else: a link or a junction would lead to somebody else's files."""
    with contextlib.suppress(OSError):
        status = os.lstat(source)
        if not stat.S_ISDIR(status.st_mode) or trees.is_junction(status):
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
        return True
    return False


def _keep(files: Iterable[str], package: str, *, tree: Path, environment: Path) -> list[str]:
    """Delete everything in a moved package except these files of the image; returns those that are present."""
    kept = []
    wanted: dict[str, set[str]] = {package: set()}
    for path in files:
        folder, _, name = path.rpartition("/")
        if folder not in wanted:
            wanted.update((parent, set()) for parent in _parents(folder, package) if parent not in wanted)
        wanted[folder].add(name)
    mode = stat.S_IMODE(os.lstat(tree / package).st_mode)
    folders = [package]
    while folders:
        folder = folders.pop()
        ours, names = f"{environment}/{folder}", wanted[folder]
        if stat.S_IMODE(os.lstat(ours).st_mode) != mode:
            Path(ours).chmod(mode)
        # A directory lists the inodes of its entries, so no file needs a stat of its own.
        with os.scandir(f"{tree}/{folder}") as entries:
            inodes = {entry.name: entry.inode() for entry in entries}
        with os.scandir(ours) as entries:
            found = list(entries)
        for entry in found:
            name = entry.name
            if trees.is_folder(entry):
                path = f"{folder}/{name}"
                if path in wanted:
                    folders.append(path)
                else:
                    shutil.rmtree(entry.path)
            elif name in names and inodes.get(name) == entry.inode():
                kept.append(f"{folder}/{name}")
            else:
                Path(entry.path).unlink()
    return kept


def _parents(folder: str, package: str) -> Iterator[str]:
    """A folder and its parents, up to the package."""
    while True:
        yield folder
        if folder == package:
            return
        folder = folder.rpartition("/")[0]
