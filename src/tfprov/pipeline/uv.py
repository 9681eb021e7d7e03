"""uv: its executable, and what it keeps unpacked: whether an install from it is good, and forgetting a part of it.

uv unpacks a wheel once and links its files into every environment. Whoever writes into an installed file in place
writes into that copy as well, and the next install would bring the damage back, under a fresh verdict. Files that were
unpacked in this very run, from wheels whose hash was checked, are good. All others that something else may link to
are compared with their RECORD: at most the whole environment once (some 2 s for TensorFlow), and nothing on a cold
install, whose files are all new.

Read-only files, as pnpm or Nix keep them, would not do: they stop nobody who is root, as in most containers, and they
hinder users who patch a package on purpose in an environment of theirs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfprov import process
from tfprov.envs.integrity import digests, recorded
from tfprov.errors import TfprovError
from tfprov.paths import discard
from tfprov.pipeline.context import Context
from tfprov.process import clean_environment

_FORGET_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSnapshot:
    """The moment at which a run began to fetch and unpack.

    Attributes:
        ns: nanoseconds since the epoch by the clock of the file system that holds the cache.
    """

    ns: int


def uv_executable() -> Path:
    """The uv that is installed with tfprov."""
    from uv import find_uv_bin

    return Path(find_uv_bin())


def snapshot(cache: Path) -> CacheSnapshot:
    """This moment, as a file that is made now in the cache has it."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache) as stream:
            return CacheSnapshot(ns=os.fstat(stream.fileno()).st_mtime_ns)
    except OSError:
        return CacheSnapshot(ns=time.time_ns())


def verify_install(environment: Path, since: CacheSnapshot, *, others: Collection[str] = ()) -> None:
    """Make sure that no file of a fresh install was damaged in the cache that it was linked from.

    Args:
        environment: its folder.
        since: when the files of this run began to come.
        others: paths relative to it that no wheel brought.

    Raises:
        TfprovError: `cache-corrupt`, with the files.
    """
    expected = {path: digest for path, digest in recorded(environment).items() if path not in others}
    doubtful = [path for path in expected if _doubtful(f"{environment}/{path}", since.ns)]
    if not doubtful:
        return
    found = digests(environment, doubtful, workers=os.cpu_count() or 1)
    wrong = [path for path in doubtful if found[path] != expected[path]]
    if wrong:
        raise TfprovError(
            "cache-corrupt",
            f"{len(wrong)} of the files that were unpacked earlier are not as their wheels have them",
            evidence=tuple(f"`{path}`" for path in wrong[:5]),
            hint="they were written to in place, in an environment that links to them; run again",
        )


def _doubtful(path: str, since_ns: int) -> bool:
    """Whether others could have written to a file: it is linked from more than the cache, or older than this run."""
    try:
        found = os.lstat(path)
    except OSError:
        return True
    return found.st_nlink > 2 or (found.st_nlink == 2 and found.st_mtime_ns < since_ns)


def sweep(cache: Path) -> None:
    """Delete what killed installers left half unpacked, unless one is at work: uv holds the lock of its cache then."""
    if os.name != "posix" or not cache.is_dir():
        return
    import fcntl

    with contextlib.suppress(OSError), (cache / ".lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for left in (*cache.glob(".tmp*"), *cache.glob("*/.tmp*")):
            shutil.rmtree(left, ignore_errors=True)


def forget(context: Context, projects: Sequence[str] | None) -> None:
    """Drop what is unpacked of some projects; of all when it cannot be said, or when uv cannot do it.

    Args:
        context: of the run whose cache it is.
        projects: normalised names; None for all.
    """
    cache = context.home.cache / "uv"
    if not cache.is_dir():
        return
    if projects:
        argv: list[str | Path] = [uv_executable(), "cache", "clean", *projects, "--no-config", "--cache-dir", cache]
        # It waits for other uv processes that use the cache.
        if process.run(argv, env=clean_environment(context.request.environ), timeout=_FORGET_SECONDS).ok:
            return
    discard(cache)
