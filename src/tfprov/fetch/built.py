"""Index of the wheels in a store that were built from source."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tfprov.fetch.store import Store
from tfprov.lock.records import LockedFile
from tfprov.writing import write_atomic

_FILE = TypeAdapter(LockedFile)


class BuiltWheels:
    """Index of the wheels in a store that were built from source, by keys of source and target.

    Layout: `store/built/KEY.json` names the wheel, which is in the store like any other. So a copied store brings its
    built wheels along.
    """

    def __init__(self, store: Store) -> None:
        """Create nothing on disk before the first write."""
        self._store = store

    def find(self, key: str) -> LockedFile | None:
        """The wheel for a key; None when it is not in the store."""
        path = self._path(key)
        try:
            file = _FILE.validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return None
        if self._store.has(file):
            return file
        # The wheel was evicted or damaged.
        with contextlib.suppress(OSError):
            path.unlink()
        return None

    def keep(self, keys: tuple[str, ...], file: LockedFile) -> None:
        """Record the keys of a wheel that is in the store."""
        for key in keys:
            write_atomic(self._path(key), json.dumps(_FILE.dump_python(file), indent=1).encode())

    def _path(self, key: str) -> Path:
        return self._store.root / "built" / f"{key}.json"
