"""The wheels in a store that were built from sources, by what they were built from and for."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tfprov.fetch.store import Store
from tfprov.lock.records import LockedFile
from tfprov.paths import write_atomic

_FILE = TypeAdapter(LockedFile)


class BuiltWheels:
    """Which wheel of a store was built from a source.

    Layout: `store/built/KEY.json` names the wheel, which lies in the store like any other. So whoever has the store of
    another machine has its built wheels.
    """

    def __init__(self, store: Store) -> None:
        """Name it. Nothing is made before the first write."""
        self._store = store

    def find(self, key: str) -> LockedFile | None:
        """The wheel of a key, when it is in the store."""
        path = self._path(key)
        try:
            file = _FILE.validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return None
        if self._store.has(file):
            return file
        # The wheel was evicted, or was damaged.
        with contextlib.suppress(OSError):
            path.unlink()
        return None

    def keep(self, keys: tuple[str, ...], file: LockedFile) -> None:
        """Note what a wheel was built from; it is in the store already."""
        for key in keys:
            write_atomic(self._path(key), json.dumps(_FILE.dump_python(file), indent=1).encode())

    def _path(self, key: str) -> Path:
        return self._store.root / "built" / f"{key}.json"
