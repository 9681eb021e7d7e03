from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tfprov.fetch.store import Store
from tfprov.lock.records import LockedFile
from tfprov.paths import Home
from tfprov.pipeline.cache import clear, info, prune, verify


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(data=tmp_path / "data", cache=tmp_path / "cache", state=tmp_path / "state")


def stored(home: Home, name: str, content: bytes) -> Path:
    sha256 = hashlib.sha256(content).hexdigest()
    path = Store(home.store).path(sha256, f"{name}-1.0-py3-none-any.whl")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    file = LockedFile(name=name, version="1.0", filename=path.name, url="file:///x", sha256=sha256)
    assert Store(home.store).has(file)
    return path


def test_an_empty_cache_is_told_as_such(home: Home) -> None:
    assert [(one.what, one.bytes, one.files) for one in info(home)] == [
        ("wheels", 0, 0),
        ("unpacked", 0, 0),
        ("uv", 0, 0),
        ("conda", 0, 0),
        ("images", 0, 0),
        ("virtualenv", 0, 0),
    ]


def test_wheels_and_what_was_unpacked_are_counted(home: Home) -> None:
    stored(home, "thing", b"x" * 8192)
    (home.unpacked / "abcd" / "tree").mkdir(parents=True)
    (home.unpacked / "abcd" / "tree" / "file").write_bytes(b"y" * 100)
    counted = {one.what: (one.bytes, one.files) for one in info(home)}
    assert counted["wheels"] == (8192, 1)
    assert counted["unpacked"] == (100, 1)


def test_what_was_unpacked_for_conda_is_counted_and_goes_with_the_rest(home: Home) -> None:
    (home.cache / "conda" / "packages" / "x").mkdir(parents=True)
    (home.cache / "conda" / "packages" / "x" / "file").write_bytes(b"z" * 10)
    assert {one.what: one.bytes for one in info(home)}["conda"] == 10
    clear(home)
    assert not (home.cache / "conda").exists()


def test_a_damaged_wheel_is_named_and_removed(home: Home) -> None:
    good, bad = stored(home, "good", b"good"), stored(home, "bad", b"bad")
    bad.write_bytes(b"BAD")
    assert [one.path for one in verify(home)] == [bad]
    assert good.exists()
    assert not bad.exists()


def test_pruning_keeps_what_fits(home: Home) -> None:
    stored(home, "one", b"1" * 1000)
    stored(home, "two", b"2" * 1000)
    assert prune(home, cap_bytes=1500).files == 1
    assert prune(home, cap_bytes=1500).files == 0


def test_clearing_leaves_nothing(home: Home) -> None:
    stored(home, "one", b"1" * 1000)
    (home.cache / "uv").mkdir()
    (home.unpacked / "abcd" / "tree").mkdir(parents=True)
    assert clear(home).bytes == 1000
    assert not (home.cache / "uv").exists()
    assert list(home.data.iterdir()) == []
    assert Store(home.store).files() == ()
