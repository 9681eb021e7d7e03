"""How big the store may become, and keeping it so."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from tfprov.errors import TfprovError
from tfprov.events import Emit, Note
from tfprov.fetch.store import Store, Swept
from tfprov.paths import nearest_folder

VARIABLE = "TFPROV_CACHE_MAX"

_MOST = 20_000_000_000
_SHARE = 5
_SIZE = re.compile(r"^\s*(?P<count>\d+(?:\.\d+)?)\s*(?P<unit>[kKMGT]?)i?B?\s*$")
_UNITS = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def parse_size(text: str) -> int:
    """Bytes of `10GB`, `500 MB` or a plain number; powers of ten.

    Raises:
        TfprovError: `usage`.
    """
    found = _SIZE.match(text)
    if found is None:
        raise TfprovError("usage", f"`{text}` is no size such as `10GB` or `500MB`")
    return int(float(found["count"]) * _UNITS[found["unit"]])


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
