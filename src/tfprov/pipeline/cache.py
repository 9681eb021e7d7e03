"""What tfprov keeps beside the environments: looking at it, checking it, making it smaller."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from tfprov import trees
from tfprov.envs.generations import environments
from tfprov.envs.locks import all_locked
from tfprov.errors import TfprovError
from tfprov.fetch.store import Store, Stored, Swept
from tfprov.paths import Home, to_trash
from tfprov.pipeline.images import sweep_images


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One folder of the cache.

    Attributes:
        what: what lies there.
        path: the folder.
        bytes: of its files. Those of `unpacked` and of conda's packages are linked into environments, and take no
            space of their own then.
        files: how many.
    """

    what: str
    path: Path
    bytes: int
    files: int


def info(home: Home) -> tuple[Kept, ...]:
    """What is kept, by folder."""
    store = Store(home.store)
    stored = store.files()
    return (
        Kept(what="wheels", path=home.store, bytes=store.size(), files=len(stored)),
        _kept("unpacked", home.unpacked),
        _kept("uv", home.cache / "uv"),
        _kept("conda", home.cache / "conda"),
        _kept("images", home.images),
        _kept("virtualenv", home.cache / "virtualenv"),
    )


def verify(home: Home) -> tuple[Stored, ...]:
    """Wheels whose content no longer has their hash. They are removed; the next run fetches them anew."""
    return Store(home.store).verify()


def prune(home: Home, *, cap_bytes: int) -> Swept:
    """Make the store smaller, least recently used wheels first, and drop the images that nobody needs.

    Args:
        home: whose.
        cap_bytes: most bytes of wheels to keep.
    """
    _sweep(home)
    return Store(home.store).prune(cap_bytes=cap_bytes)


def clear(home: Home) -> Swept:
    """Remove every wheel and everything unpacked. Environments stay as they are; the next run fetches again.

    Raises:
        TfprovError: `lock-timeout` while a run may be installing from what is unpacked.
    """
    with all_locked(home.environments):
        for folder in (home.unpacked, *(home.cache / name for name in ("uv", "conda", "virtualenv"))):
            with contextlib.suppress(OSError):
                to_trash(folder)
    _sweep(home)
    return Store(home.store).clear()


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


def _kept(what: str, folder: Path) -> Kept:
    total = files = 0
    for path in folder.rglob("*") if folder.is_dir() else ():
        with contextlib.suppress(OSError):
            if path.is_file() and not path.is_symlink():
                total += path.stat().st_size
                files += 1
    return Kept(what=what, path=folder, bytes=total, files=files)
