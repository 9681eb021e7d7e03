"""Computes the key under which a CI system caches the store between jobs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfprov import paths
from tfprov.bundle.starter import this_platform
from tfprov.contents import content_of
from tfprov.events import ignore
from tfprov.fetch.store import FORMAT
from tfprov.pipeline.context import Context, Request, read_profile


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKey:
    """Key and folders for the cache of a CI system.

    Attributes:
        key: key of the cache; changes with the locked files, and is the same on all machines of a platform.
        restore: prefixes of other keys whose caches are useful too, best first.
        store: the folder to cache, with wheels by hash. Restoring an incomplete or old one does no harm.
        home: the folder with everything, environments included, if `TFPROV_HOME` is set; None otherwise. When it is
            restored to the same path, `up` finds the environment verified.
        locked: whether the key was computed from a lock; without one it changes with the profile.
    """

    key: str
    restore: tuple[str, ...]
    store: Path
    home: Path | None
    locked: bool


def cache_key(profile: str, *, cwd: Path, environ: Mapping[str, str], overrides: tuple[str, ...] = ()) -> CacheKey:
    """The key for a profile: from its lock, or from the profile if it has none. Uses no network and starts no process.

    Raises:
        TfprovError: what is wrong with the profile or the lock.
    """
    context = Context(Request(profile=profile, cwd=cwd, environ=environ, overrides=overrides), ignore)
    read_profile(context)
    path = context.lock_path
    content = content_of(path) if path.exists() else None
    place = f"tfprov-{FORMAT}-{this_platform()}"
    python = f"py{context.backend.locked_python(path) or ''}"
    words = context.loaded.digest.encode() if content is None else content
    beginning = f"{place}-{context.loaded.profile.name}-{python}-"
    home = environ.get(paths.HOME_VARIABLE)
    return CacheKey(
        key=beginning + hashlib.sha256(words).hexdigest()[:20],
        restore=(beginning, f"{place}-{context.loaded.profile.name}-", f"{place}-"),
        store=context.home.store,
        home=paths.expanded(home).absolute() if home else None,
        locked=content is not None,
    )
