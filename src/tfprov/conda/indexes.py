"""Cached channel indexes: one that could be read is replaced only by another that could be read."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tfprov.errors import TfprovError
from tfprov.renames import replace
from tfprov.temporary import staged
from tfprov.trash import discard

_READ = frozenset({"conda-unsatisfiable", "conda-package-missing", "gpu-driver-too-old"})
"""Errors of a solver that has read every index."""


@contextlib.contextmanager
def renewed(cache: Path, *, fresh: bool) -> Iterator[Path]:
    """A copy of the cached indexes to read channels into; replaces the cache once all channels have been read.

    The library replaces an index before it knows whether it can read the new one.

    Args:
        cache: folder of the indexes; need not exist.
        fresh: start without indexes.
    """
    cache.parent.mkdir(parents=True, exist_ok=True)
    with staged(cache, folder=True) as new:
        if not fresh and cache.is_dir():
            shutil.copytree(cache, new, copy_function=_copy, dirs_exist_ok=True)
        try:
            yield new
        except TfprovError as error:
            if error.code.name in _READ:
                _take(new, cache)
            raise
        _take(new, cache)


def _copy(source: str, target: str) -> None:
    # The library replaces the big files and never writes into them, so they can be linked; small files are copied.
    try:
        if Path(source).suffix == ".json" and not source.endswith(".info.json"):
            os.link(source, target)
            return
    except OSError:
        pass
    shutil.copyfile(source, target)


def _take(new: Path, cache: Path) -> None:
    discard(cache)
    # If another run was faster, its indexes are just as new.
    with contextlib.suppress(OSError):
        replace(new, cache)
