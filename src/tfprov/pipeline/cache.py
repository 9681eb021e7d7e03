"""Commands on the cache: what it contains, verifying it, and shrinking it."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

import tfprov
from tfprov import trees
from tfprov.bundle.starter import RECORD
from tfprov.disk_space import on_disk
from tfprov.envs.generations import environments
from tfprov.envs.holders import running_from
from tfprov.envs.locks import all_locked
from tfprov.errors import TfprovError
from tfprov.fetch.store import Store, Stored, Swept
from tfprov.paths import Home
from tfprov.pipeline.images import sweep_images
from tfprov.pipeline.unpacked import store_of
from tfprov.trash import to_trash

_MONTH_S = 30 * 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Disk usage of one folder that tfprov keeps.

    Attributes:
        what: what it contains, for people.
        path: the folder.
        bytes: disk usage, as `du` counts it. A file that several folders share by hard links counts in the first.
        files: number of files that are not in an earlier folder.
    """

    what: str
    path: Path
    bytes: int
    files: int


def info(home: Home) -> tuple[Kept, ...]:
    """Disk usage by folder: environments first, then the folders that share files with them by hard links."""
    seen: set[tuple[int, int]] = set()
    places = {
        "environments": home.environments,
        "images": home.images,
        "pythons": home.data / "pythons",
        "tools": home.data / "tools",
        "unpacked": store_of(home).root,
        "uv": home.cache / "uv",
        "conda": home.cache / "conda",
        "wheels": home.store,
        "virtualenv": home.cache / "virtualenv",
    }
    return tuple(_kept(what, folder, seen) for what, folder in places.items())


def verify(home: Home) -> tuple[Stored, ...]:
    """Remove the wheels whose content no longer matches their hash; the next run fetches them again.

    Returns:
        The removed wheels.
    """
    return Store.of(home).verify()


def prune(home: Home, *, cap_bytes: int) -> Swept:
    """Evict the least recently used wheels, and delete images, trees, generations and tools that nothing uses any more.

    Args:
        home: tfprov's folders.
        cap_bytes: most bytes of wheels to keep.

    Returns:
        Number and size of the files that are gone from the disk.
    """
    before = info(home)
    _sweep(home)
    _drop_tools(home, unused_s=_MONTH_S)
    return _freed(before, Store.of(home).prune(cap_bytes=cap_bytes), info(home))


def clear(home: Home) -> Swept:
    """Remove all wheels, unpacked trees and caches of tools. Environments are not touched; the next run fetches again.

    Returns:
        Number and size of the files that are gone from the disk.

    Raises:
        TfprovError: `lock-timeout` beside a run, which may be installing from an unpacked tree.
    """
    before = info(home)
    with all_locked(home.environments):
        for folder in (store_of(home).root, *(home.cache / name for name in ("uv", "conda", "virtualenv"))):
            with contextlib.suppress(OSError):
                to_trash(folder)
    _sweep(home)
    _drop_tools(home, unused_s=0)
    return _freed(before, Store.of(home).clear(), info(home))


def _sweep(home: Home) -> None:
    """Delete what no environment needs any more, and what earlier runs left to be deleted."""
    for environment in environments(home.environments):
        # An environment that a run holds is skipped: the run deletes what was put aside itself.
        with contextlib.suppress(TfprovError), environment.locked(timeout=0):
            environment.prune()
            environment.give_up_aside()
        environment.empty_trash()
    sweep_images(home)
    conda = home.cache / "conda"
    for folder in (
        home.data,
        home.environments,
        home.images,
        store_of(home).root,
        home.cache,
        conda,
        conda / "packages",
    ):
        trees.empty_trash(folder)


def _drop_tools(home: Home, *, unused_s: float) -> None:
    """Delete each tfprov that was unpacked from a bundle, unless it is running or was started in the last `unused_s`.

    The bundle's `bootstrap` unpacks it again when it is needed.
    """
    root, own = home.data / "tools", Path(tfprov.__file__).resolve()
    for record in root.glob(f"*/{RECORD}"):
        folder = record.parent
        with contextlib.suppress(OSError):
            is_used = time.time() - record.stat().st_mtime < unused_s or own.is_relative_to(folder.resolve())
            if not is_used and not running_from(folder.resolve()):
                trees.delete(to_trash(folder))
    trees.empty_trash(root)


def _freed(before: tuple[Kept, ...], wheels: Swept, after: tuple[Kept, ...]) -> Swept:
    """Number and size of the files that are gone from the disk; at least 0, even if a concurrent run has added files.

    In the store only wheels count as files, not the store's records about them.
    """
    others = [(old.files, new.files) for old, new in zip(before, after, strict=True) if old.what != "wheels"]
    gone = sum(old for old, _ in others) - sum(new for _, new in others)
    freed = sum(one.bytes for one in before) - sum(one.bytes for one in after)
    return Swept(files=wheels.files + max(0, gone), bytes=max(0, freed))


def _kept(what: str, folder: Path, seen: set[tuple[int, int]]) -> Kept:
    """Disk usage of a folder, without files that were counted before.

    Args:
        what: what it contains, for people.
        folder: need not exist.
        seen: device and inode of each file that was counted; those of this folder are added.
    """
    total = files = 0
    stack = [folder] if folder.is_dir() else []
    while stack:
        path = stack.pop()
        with contextlib.suppress(OSError):
            total += on_disk(path.lstat())
            for entry in os.scandir(path):
                with contextlib.suppress(OSError):
                    if trees.is_folder(entry):
                        stack.append(Path(entry.path))
                        continue
                    found = os.lstat(entry.path)  # on Windows, `DirEntry.stat` does not have the inode
                    if (found.st_dev, found.st_ino) not in seen:
                        seen.add((found.st_dev, found.st_ino))
                        total += on_disk(found)
                        files += entry.is_file(follow_symlinks=False)
    return Kept(what=what, path=folder, bytes=total, files=files)
