from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tfprov.fetch.built import BuiltWheels
from tfprov.fetch.store import Store
from tfprov.lock.records import LockedFile
from wheels import build_wheel

KEY = "a" * 64


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def file(tmp_path: Path, store: Store) -> LockedFile:
    wheel = build_wheel(tmp_path, "own", "1.0")
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    found = LockedFile(name="own", version="1.0", filename=wheel.name, url="file:///own", sha256=sha256)
    store.adopt(found, wheel)
    return found


def test_a_kept_wheel_is_found_by_each_of_its_keys(store: Store, file: LockedFile) -> None:
    BuiltWheels(store).keep((KEY, "b" * 64), file)
    assert BuiltWheels(store).find(KEY) == BuiltWheels(store).find("b" * 64) == file
    assert BuiltWheels(store).find("c" * 64) is None


def test_a_wheel_that_was_evicted_is_not_found(store: Store, file: LockedFile) -> None:
    wheels = BuiltWheels(store)
    wheels.keep((KEY,), file)
    store.clear()
    assert wheels.find(KEY) is None
    assert not list((store.root / "built").iterdir())


@pytest.mark.parametrize("content", [b"", b"{}", b'{"name": 1}', b"\xff"])
def test_a_note_that_cannot_be_read_counts_for_nothing(store: Store, file: LockedFile, content: bytes) -> None:
    wheels = BuiltWheels(store)
    wheels.keep((KEY,), file)
    (store.root / "built" / f"{KEY}.json").write_bytes(content)
    assert wheels.find(KEY) is None
