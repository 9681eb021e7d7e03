"""What tfprov keeps beside the environments: looking at it, checking it, making it smaller."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

import tfprov
from tfprov import trees
from tfprov.bundle.starter import RECORD
from tfprov.envs.generations import environments
from tfprov.envs.holders import running_from
from tfprov.envs.locks import all_locked
from tfprov.errors import TfprovError
from tfprov.fetch.store import Store, Stored, Swept
from tfprov.paths import Home, to_trash
from tfprov.pipeline.images import sweep_images

_MONTH_S = 30 * 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One folder of the cache.

    Attributes:
        what: what lies there.
        path: the folder.
        bytes: on the disk, as `du` counts them. What several folders share by hard links counts in the first.
        files: how many that are in no earlier folder.
    """

    what: str
    path: Path
    bytes: int
    files: int


def info(home: Home) -> tuple[Kept, ...]:
    """What is kept, by folder: what is used first, then what it shares files with."""
    seen: set[tuple[int, int]] = set()
    places = {
        "environments": home.environments,
        "images": home.images,
        "pythons": home.data / "pythons",
        "tools": home.data / "tools",
        "unpacked": home.unpacked,
        "uv": home.cache / "uv",
        "conda": home.cache / "conda",
        "wheels": home.store,
        "virtualenv": home.cache / "virtualenv",
    }
    return tuple(_kept(what, folder, seen) for what, folder in places.items())


def verify(home: Home) -> tuple[Stored, ...]:
    """Wheels whose content no longer has their hash. They are removed; the next run fetches them anew."""
    return Store.of(home).verify()


def prune(home: Home, *, cap_bytes: int) -> Swept:
    """Make the store smaller, least recently used wheels first, and drop the images that nobody needs.

    Args:
        home: whose.
        cap_bytes: most bytes of wheels to keep.

    Returns:
        What is not on the disk any more.
    """
    before = info(home)
    _sweep(home)
    _drop_tools(home, unused_s=_MONTH_S)
    return _freed(before, Store.of(home).prune(cap_bytes=cap_bytes), info(home))


def clear(home: Home) -> Swept:
    """Remove every wheel and everything unpacked. Environments stay as they are; the next run fetches again.

    Raises:
        TfprovError: `lock-timeout` while a run may be installing from what is unpacked.
    """
    before = info(home)
    with all_locked(home.environments):
        for folder in (home.unpacked, *(home.cache / name for name in ("uv", "conda", "virtualenv"))):
            with contextlib.suppress(OSError):
                to_trash(folder)
    _sweep(home)
    _drop_tools(home, unused_s=0)
    return _freed(before, Store.of(home).clear(), info(home))


def _sweep(home: Home) -> None:
    """Drop what no environment needs any more, and what earlier runs did not come to delete."""
    for environment in environments(home.environments):
        # A run that is at work makes its next generation of what was put aside, and deletes the rest by itself.
        with contextlib.suppress(TfprovError), environment.locked(timeout=0):
            environment.prune()
            environment.give_up_aside()
        environment.empty_trash()
    sweep_images(home)
    conda = home.cache / "conda"
    for folder in (home.data, home.environments, home.images, home.unpacked, home.cache, conda, conda / "packages"):
        trees.empty_trash(folder)


def _drop_tools(home: Home, *, unused_s: float) -> None:
    """Delete each tfprov that was unpacked from a bundle, that nothing runs from, and that was not started for so long.

    The bundle's `bootstrap` unpacks it again.
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
    """What is gone from the disk; never less than nothing, though a run beside may have made something meanwhile.

    Of the store its wheels count as files, and not what it notes about them.
    """
    others = [(old.files, new.files) for old, new in zip(before, after, strict=True) if old.what != "wheels"]
    gone = sum(old for old, _ in others) - sum(new for _, new in others)
    freed = sum(one.bytes for one in before) - sum(one.bytes for one in after)
    return Swept(files=wheels.files + max(0, gone), bytes=max(0, freed))


def _kept(what: str, folder: Path, seen: set[tuple[int, int]]) -> Kept:
    """A folder without what was seen already.

    Args:
        what: its name for people.
        folder: it need not exist.
        seen: device and inode of what was counted; grows.
    """
    total = files = 0
    stack = [folder] if folder.is_dir() else []
    while stack:
        path = stack.pop()
        with contextlib.suppress(OSError):
            total += _on_disk(path.lstat())
            for entry in os.scandir(path):
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(Path(entry.path))
                        continue
                    found = os.lstat(entry.path)  # what scandir has on Windows lacks the inode
                    if (found.st_dev, found.st_ino) not in seen:
                        seen.add((found.st_dev, found.st_ino))
                        total += _on_disk(found)
                        files += entry.is_file(follow_symlinks=False)
    return Kept(what=what, path=folder, bytes=total, files=files)


def _on_disk(found: os.stat_result) -> int:
    """Bytes that it takes: blocks of 512 where the system counts them."""
    return int(getattr(found, "st_blocks", -(-found.st_size // 512)) * 512)
