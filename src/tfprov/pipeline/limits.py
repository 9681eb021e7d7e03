"""Limits the size of the store."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from tfprov.errors import TfprovError
from tfprov.events import Emit, Note
from tfprov.fetch.store import Store, Swept
from tfprov.paths import nearest_folder

VARIABLE = "TFPROV_CACHE_MAX"

_MOST = 20_000_000_000
_SHARE = 5
_SIZE = re.compile(r"^\s*(?P<count>\d+(?:\.\d+)?)\s*(?:(?P<unit>[kKMGT])(?P<binary>i)?)?B?\s*$")
_POWERS = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4}


def parse_size(text: str) -> int:
    """The number of bytes in a size such as `10GB` (powers of 1000), `10GiB` (powers of 1024) or a plain number.

    Raises:
        TfprovError: `usage` for any other text.
    """
    found = _SIZE.match(text)
    if found is None:
        raise TfprovError("usage", f"`{text}` is not a size such as `10GB` or `500MiB`")
    base = 1024 if found["binary"] else 1000
    bytes_wanted = float(found["count"]) * base ** _POWERS.get(found["unit"], 0)
    # Capped, because a very long number becomes infinite as a float and cannot be converted to an integer.
    return int(min(bytes_wanted, sys.maxsize))


def cap(environ: Mapping[str, str], folder: Path) -> int | None:
    """Maximum size of the wheels in the store, in bytes; None for no limit.

    The value of `TFPROV_CACHE_MAX` (a size, `none` or `unlimited`), else 20 GB or a fifth of the disk, whichever is
    less.

    Args:
        environ: variables of this process.
        folder: folder of the store, which need not exist.

    Raises:
        TfprovError: `usage` when the variable has another value.
    """
    asked = environ.get(VARIABLE, "").strip()
    if asked.lower() in ("none", "unlimited"):
        return None
    if asked:
        try:
            return parse_size(asked)
        except TfprovError as error:
            raise TfprovError("usage", f"`{VARIABLE}`: {error.what}", hint="give a size, or `none`") from error
    return min(_MOST, shutil.disk_usage(nearest_folder(folder)).total // _SHARE)


def trim(store: Store, limit: int | None, emit: Emit) -> Swept:
    """Evict least recently used wheels until the store is within the limit, except those that a running tfprov needs.

    Args:
        store: the store.
        limit: maximum size in bytes; None for no limit.
        emit: receives a note if wheels were evicted, or if the store cannot be changed.

    Returns:
        Number and size of the evicted files.
    """
    try:
        swept = Swept(files=0, bytes=0) if limit is None else store.prune(cap_bytes=limit)
    except TfprovError as error:
        # A store that belongs to another user, or is on a file system without locks, is used as it is.
        emit(Note(text=f"the store cannot be made smaller: {error.what}", level="detail"))
        return Swept(files=0, bytes=0)
    if swept.files:
        emit(
            Note(
                text=f"evicted {swept.files} wheels that were not used lately, {swept.bytes / 1e6:,.0f} MB; "
                f"`{VARIABLE}` says how much is kept",
                level="info",
            )
        )
    return swept
