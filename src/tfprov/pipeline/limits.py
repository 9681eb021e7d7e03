"""How big the store may become, and keeping it so."""

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
    """Bytes of `10GB` (powers of ten), `10GiB` (powers of 1024) or a plain number.

    Raises:
        TfprovError: `usage`.
    """
    found = _SIZE.match(text)
    if found is None:
        raise TfprovError("usage", f"`{text}` is not a size such as `10GB` or `500MiB`")
    base = 1024 if found["binary"] else 1000
    bytes_wanted = float(found["count"]) * base ** _POWERS.get(found["unit"], 0)
    # No disk has more than that; and infinity is not a whole number.
    return int(min(bytes_wanted, sys.maxsize))


def cap(environ: Mapping[str, str], folder: Path) -> int | None:
    """Most bytes of wheels that are kept; None for no limit.

    What `TFPROV_CACHE_MAX` says (a size, or `none`), else 20 GB, or a fifth of the disk where that is less.

    Args:
        environ: variables of this process.
        folder: of the store; need not exist.

    Raises:
        TfprovError: `usage` when the variable holds something else.
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
    """Evict the least recently used wheels that are above the limit and that no running tfprov needs.

    Args:
        store: whose.
        limit: bytes; None for no limit.
        emit: told when something was evicted.
    """
    try:
        swept = Swept(files=0, bytes=0) if limit is None else store.prune(cap_bytes=limit)
    except TfprovError as error:
        # A store that is another user's, or on a file system without locks, serves as it is.
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
