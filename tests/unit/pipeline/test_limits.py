from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

import pytest

from tfprov.events import Event, Note
from tfprov.fetch.store import Store
from tfprov.pipeline.limits import cap, parse_size, trim
from told import refusal


def put(store: Store, name: str, size: int, *, used: float) -> str:
    content = name.encode() * size
    sha256 = hashlib.sha256(content).hexdigest()
    path = store.path(sha256, f"{name}-1.0-py3-none-any.whl")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    os.utime(path, (used, used))
    return sha256


def names(store: Store) -> set[str]:
    return {stored.path.name[0] for stored in store.files()}


def test_the_default_is_twenty_gigabytes_or_a_fifth_of_the_disk(tmp_path: Path) -> None:
    total = shutil.disk_usage(tmp_path).total
    assert cap({}, tmp_path / "not" / "there") == min(20 * 10**9, total // 5)


@pytest.mark.parametrize(
    ("value", "limit"), [("5GB", 5 * 10**9), (" 0 ", 0), ("none", None), ("Unlimited", None), ("700MB", 7 * 10**8)]
)
def test_the_variable_says_how_much_is_kept(tmp_path: Path, value: str, limit: int | None) -> None:
    assert cap({"TFPROV_CACHE_MAX": value}, tmp_path) == limit


@pytest.mark.parametrize("value", ["much", "-1", "12 apples"])
def test_a_variable_that_says_nothing_is_named(tmp_path: Path, value: str) -> None:
    what = f"`TFPROV_CACHE_MAX`: `{value}` is not a size such as `10GB` or `500MiB`"
    words = ("usage", what, "give a size, or `none`")
    assert refusal(lambda: cap({"TFPROV_CACHE_MAX": value}, tmp_path)) == words


def test_the_least_recently_used_goes_and_what_somebody_holds_stays(tmp_path: Path) -> None:
    store, events = Store(tmp_path), list[Event]()
    oldest = put(store, "a", 1000, used=100.0)
    put(store, "b", 1000, used=200.0)
    put(store, "c", 1000, used=300.0)
    lease = Store(tmp_path).hold({oldest})
    assert lease is not None
    assert trim(store, 2000, events.append).files == 1
    assert names(store) == {"a", "c"}
    assert isinstance(events[0], Note)
    lease.release()
    assert trim(store, 1000, events.append).bytes == 1000
    assert names(store) == {"c"}


def test_without_a_limit_nothing_goes(tmp_path: Path) -> None:
    store, events = Store(tmp_path), list[Event]()
    put(store, "a", 1000, used=100.0)
    assert trim(store, None, events.append).files == 0
    assert events == []
    assert names(store) == {"a"}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10GB", 10**10),
        ("500 MB", 5 * 10**8),
        ("1.5kB", 1500),
        ("20G", 2 * 10**10),
        ("7", 7),
        ("7 B", 7),
        ("2TiB", 2 << 40),
        ("10 GiB", 10 << 30),
        ("0.5 MiB", 1 << 19),
        ("3Ki", 3072),
    ],
)
def test_sizes_are_read_in_powers_of_ten_or_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_a_size_that_no_disk_has_is_no_limit() -> None:
    assert parse_size("9" * 5000) == parse_size("1" + "0" * 300 + "TB") == sys.maxsize


@pytest.mark.parametrize("text", ["", "much", "-1GB", "1 XB", "1 iB", "1 i"])
def test_what_is_no_size_is_refused(text: str) -> None:
    words = ("usage", f"`{text}` is not a size such as `10GB` or `500MiB`")
    assert refusal(lambda: parse_size(text))[:2] == words
