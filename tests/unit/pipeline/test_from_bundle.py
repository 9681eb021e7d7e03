"""Files that an offline run needs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tfprov.lock.records import LockedFile
from tfprov.pipeline.from_bundle import require_local
from told import refusal

SIX = LockedFile(
    name="six",
    version="1.0",
    filename="six-1.0-py3-none-any.whl",
    url="https://host/six-1.0-py3-none-any.whl",
    sha256="a" * 64,
)


@pytest.mark.parametrize("where", ["store", "folder", "bundle", "nowhere"])
def test_a_file_is_here_in_the_store_a_folder_or_the_served_bundle(tmp_path: Path, where: str) -> None:
    if where == "folder":
        (tmp_path / SIX.filename).touch()
    context: Any = SimpleNamespace(bundle=SimpleNamespace(url="https://host") if where == "bundle" else None)
    machine: Any = SimpleNamespace(network=SimpleNamespace(find_links=[str(tmp_path)]))
    store: Any = SimpleNamespace(is_near=lambda _file: where == "store")
    if where != "nowhere":
        require_local(context, machine, (SIX,), store)
        return
    assert refusal(lambda: require_local(context, machine, (SIX,), store)) == (
        *("offline-missing", "1 of 1 locked files are not on this machine, and the network may not be used"),
        *("`six-1.0-py3-none-any.whl`", "bring them with `tfprov bundle`, or run once with the network"),
    )
