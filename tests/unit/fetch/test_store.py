from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.fetch.flushing import Flusher
from tfprov.fetch.store import Store, Swept
from tfprov.lock.records import LockedFile
from told import refusal


def locked(content: bytes, name: str = "thing", size: int | None = None) -> LockedFile:
    return LockedFile(
        name=name,
        version="1",
        filename=f"{name}-1-py3-none-any.whl",
        url=f"http://index.example/{name}",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content) if size is None else size,
    )


def put(store: Store, tmp_path: Path, content: bytes, name: str, used: float) -> LockedFile:
    source = tmp_path / f"{name}.source"
    source.write_bytes(content)
    file = locked(content, name)
    os.utime(store.adopt(file, source), (used, used))
    return file


def test_a_file_keeps_its_wheel_name_below_its_hash(tmp_path: Path) -> None:
    file = locked(b"abc")
    path = Store(tmp_path).path(file.sha256, file.filename)
    assert path == tmp_path / "sha256" / file.sha256[:2] / file.sha256 / "thing-1-py3-none-any.whl"


def fetched(store: Store, content: bytes, flusher: Flusher) -> LockedFile:
    """A file that came over the network."""
    file = locked(content)
    with store.lock(file.sha256), store.partial(file.sha256) as partial:
        partial.total = len(content)
        partial.write(0, content)
        store.commit(file, partial, flusher)
    return file


class Idle(Flusher):
    """What is left by a process that was killed before it flushed anything."""

    def add(self, path: Path, records: Sequence[Path]) -> None:
        del path, records


def test_a_complete_partial_file_becomes_a_stored_one(tmp_path: Path) -> None:
    store, flusher = Store(tmp_path), Flusher()
    file = fetched(store, b"content", flusher)
    assert store.has(file)
    flusher.wait()
    assert store.has(file)
    assert store.path(file.sha256, file.filename).read_bytes() == b"content"
    assert list((tmp_path / "partial").iterdir()) == []


def test_a_file_that_was_not_flushed_is_had_in_the_same_boot(tmp_path: Path) -> None:
    store = Store(tmp_path)
    file = fetched(store, b"content", Idle())
    assert store.has(file)
    assert list((tmp_path / "partial").glob("*.written"))


def test_what_a_killed_process_did_not_flush_the_next_one_does(tmp_path: Path) -> None:
    store, flusher = Store(tmp_path), Flusher()
    file = fetched(store, b"content", Idle())
    store.flush(file, flusher)
    flusher.wait()
    assert list((tmp_path / "partial").iterdir()) == []
    assert store.has(file)
    store.flush(file, flusher)


@pytest.mark.parametrize("kept", [b"content", b"\0\0\0\0\0\0\0"])
@pytest.mark.parametrize(
    "record", [b'{"boot": "another", "total": 7, "origin": null, "spans": [[0, 7]]}', b"", b"\0" * 99]
)
def test_after_a_loss_of_power_what_was_not_flushed_is_looked_at_again(
    tmp_path: Path, kept: bytes, record: bytes
) -> None:
    store = Store(tmp_path)
    file = fetched(store, b"content", Idle())
    path = store.path(file.sha256, file.filename)
    path.write_bytes(kept)
    for mark in (tmp_path / "partial").glob("*.written"):
        mark.write_bytes(record)
    assert store.has(file) is (kept == b"content")
    assert path.exists() is (kept == b"content")
    assert list((tmp_path / "partial").iterdir()) == []


def test_a_damaged_file_is_not_had_either_while_it_cannot_be_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    file = fetched(store, b"content", Idle())
    store.path(file.sha256, file.filename).write_bytes(b"CONTENT")
    for mark in (tmp_path / "partial").glob("*.written"):
        mark.write_bytes(b"")
    with store.lock(file.sha256):
        assert not store.has(file)
        assert not store.has(file)
    assert not store.has(file)


def test_what_is_removed_from_the_store_leaves_no_records(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fetched(store, b"content", Idle())
    store.clear()
    assert list((tmp_path / "partial").iterdir()) == []


def test_a_file_fetched_beside_its_owner_is_flushed_at_once(tmp_path: Path) -> None:
    store, file = Store(tmp_path), locked(b"content")
    with store.partial(file.sha256, alone=False) as partial:
        partial.total = 7
        partial.write(0, b"content")
        store.commit(file, partial, Flusher())
    assert list((tmp_path / "partial").iterdir()) == []


def test_only_what_has_not_arrived_is_lacking(tmp_path: Path) -> None:
    store, content = Store(tmp_path / "store"), os.urandom(1 << 20)
    file = locked(content)
    assert store.lacking(file) == 1 << 20
    with store.partial(file.sha256) as partial:
        partial.total = 1 << 20
        partial.write(0, content[: 3 << 18])
    assert store.lacking(file) == 1 << 18
    put(store, tmp_path, content, "thing", 1.0)
    assert store.lacking(file) == 0
    assert store.lacking(locked(b"other", size=None)) == 5
    assert store.lacking(replace(locked(b"other"), size=None)) == 0


def test_a_file_of_another_size_is_not_had(tmp_path: Path) -> None:
    store = Store(tmp_path)
    file = put(store, tmp_path, b"content", "thing", 1.0)
    store.path(file.sha256, file.filename).write_bytes(b"cont")
    assert not store.has(file)


def test_a_local_file_is_copied_and_checked(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    source = tmp_path / "a.whl"
    source.write_bytes(b"good")
    path = store.adopt(locked(b"good"), source)
    source.write_bytes(b"edited later")
    assert path.read_bytes() == b"good"


def test_a_local_file_with_another_hash_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    source = tmp_path / "a.whl"
    source.write_bytes(b"evil")
    assert refusal(lambda: store.adopt(locked(b"good"), source))[:4] == (
        *("hash-mismatch", f"`{source}` is not the file that the lock names"),
        *(
            f"expected sha256 {hashlib.sha256(b'good').hexdigest()}",
            f"found sha256 {hashlib.sha256(b'evil').hexdigest()}",
        ),
    )
    assert store.files() == ()
    assert list((tmp_path / "store" / "partial").iterdir()) == []


def test_verify_finds_and_removes_what_rotted(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    good = put(store, tmp_path, b"good", "good", 1.0)
    bad = put(store, tmp_path, b"bad", "bad", 2.0)
    store.path(bad.sha256, bad.filename).write_bytes(b"rot")
    assert [stored.sha256 for stored in store.verify(remove=False)] == [bad.sha256]
    assert store.has(bad)
    assert [stored.sha256 for stored in store.verify()] == [bad.sha256]
    assert not store.has(bad)
    assert store.has(good)


def test_prune_removes_the_least_recently_used_first(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    files = [
        put(store, tmp_path, name.encode() * 100, name, when) for name, when in (("a", 3.0), ("b", 1.0), ("c", 2.0))
    ]
    swept = store.prune(cap_bytes=200)
    assert (swept.files, swept.bytes) == (1, 100)
    assert [store.has(file) for file in files] == [True, False, True]


def test_the_same_content_under_two_names_is_two_files(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    old, new = (put(store, tmp_path, b"same", name, used) for name, used in (("thing", 1.0), ("another", 2.0)))
    other = put(store, tmp_path, b"more", "other", 3.0)
    assert store.prune(cap_bytes=8) == Swept(files=1, bytes=4)
    assert [store.has(file) for file in (old, new, other)] == [False, True, True]
    store.adopt(old, tmp_path / "thing.source")
    store.path(new.sha256, new.filename).write_bytes(b"rott")
    assert [stored.path.name for stored in store.verify()] == [new.filename]
    assert store.has(old)
    assert not store.has(new)


def test_prune_never_takes_what_this_run_needs(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    old = put(store, tmp_path, b"a" * 100, "a", 1.0)
    new = put(store, tmp_path, b"b" * 100, "b", 2.0)
    lease = store.hold({old.sha256})
    store.prune(cap_bytes=100)
    assert lease is not None
    assert store.has(old)
    assert not store.has(new)


def test_using_a_file_makes_it_recent(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    old = put(store, tmp_path, b"a" * 100, "a", 1.0)
    new = put(store, tmp_path, b"b" * 100, "b", 2.0)
    store.use(old)
    store.prune(cap_bytes=100)
    assert store.has(old)
    assert not store.has(new)


def test_clear_takes_partial_files_too_but_not_those_in_work(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for digest in ("a" * 64, "b" * 64):
        with store.partial(digest) as partial:
            partial.write(0, b"x" * 10)
    with _held(store, "b" * 64):
        swept = store.clear()
    assert swept.files == 1
    assert [path.name for path in (tmp_path / "store" / "partial").glob("*.part")] == ["b" * 64 + ".part"]


def test_clear_takes_what_killed_runs_left_in_any_form(tmp_path: Path) -> None:
    """A copy, a partial file beside a stuck owner, and a wheel that was fetched whole for its metadata."""
    store, digest = Store(tmp_path / "store"), "a" * 64
    with store.partial(digest, alone=False) as partial:
        partial.write(0, b"x" * 10)
    folder = tmp_path / "store" / "partial"
    for name in (f"{digest}.copy", f"{digest}.host-7.copy", "tmpabcd", f".{digest}.synced.7-0123abcd.tmp"):
        (folder / name).write_bytes(b"x" * 10)
    for name in ("tmpabcd", f".{digest}.synced.7-0123abcd.tmp"):
        os.utime(folder / name, (1, 1))
    (folder / "tmpefgh").touch()
    assert store.clear().files == 5
    assert [path.name for path in folder.iterdir()] == ["tmpefgh"]


def test_what_a_process_fetches_beside_a_stuck_owner_is_kept_for_it(tmp_path: Path) -> None:
    store, file = Store(tmp_path / "store"), locked(b"content")
    lease = store.hold({file.sha256})
    with store.partial(file.sha256, alone=False) as partial:
        partial.total = 7
        partial.write(0, b"content")
        store.clear()
        store.commit(file, partial, Flusher())
    assert lease is not None
    assert store.has(file)


class _held:  # noqa: N801  # reads as a statement
    """The lock of a file, held by another thread."""

    def __init__(self, store: Store, digest: str) -> None:
        self._taken, self._done = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold, args=(store, digest))

    def _hold(self, store: Store, digest: str) -> None:
        with store.lock(digest):
            self._taken.set()
            self._done.wait(30)

    def __enter__(self) -> None:
        self._thread.start()
        assert self._taken.wait(30)

    def __exit__(self, *exc: object) -> None:
        self._done.set()
        self._thread.join(30)


def test_a_lock_that_stays_taken_is_an_error_of_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with _held(store, "a" * 64), pytest.raises(TfprovError) as caught, store.lock("a" * 64, timeout=0):
        pass
    assert caught.value.code.name == "lock-timeout"


def test_whoever_waits_for_a_lock_is_told(tmp_path: Path) -> None:
    store, told = Store(tmp_path), threading.Event()
    done: list[str] = []

    def second() -> None:
        with store.lock("a" * 64, waiting=told.set):
            done.append("second")

    with _held(store, "a" * 64):
        thread = threading.Thread(target=second)
        thread.start()
        assert told.wait(30)
        assert done == []
    thread.join(30)
    assert done == ["second"]


def test_a_store_on_a_file_says_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("not a folder")
    with pytest.raises(TfprovError):
        Store(tmp_path / "store").partial("a" * 64)


def test_what_is_fetched_beside_a_stuck_owner_is_shared_with_nobody(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with store.partial("a" * 64, alone=False) as one, store.partial("a" * 64, alone=False) as two:
        assert one.path != two.path
