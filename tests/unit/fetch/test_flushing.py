from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.fetch import flushing
from tfprov.fetch.flushing import Flusher


def made(folder: Path, name: str) -> tuple[Path, tuple[Path, Path]]:
    records = (folder / f"{name}.synced", folder / f"{name}.written")
    for path in (folder / name, *records):
        path.write_bytes(b"x")
    return folder / name, records


def test_records_go_when_the_file_is_on_the_disk(tmp_path: Path) -> None:
    flusher = Flusher()
    for name in ("one", "two"):
        flusher.add(*made(tmp_path, name))
    flusher.wait()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_it_can_be_used_again_after_a_wait(tmp_path: Path) -> None:
    flusher = Flusher()
    flusher.wait()
    flusher.add(*made(tmp_path, "one"))
    flusher.wait()
    flusher.add(*made(tmp_path, "two"))
    flusher.wait()
    flusher.wait()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_a_file_that_is_gone_is_no_failure(tmp_path: Path) -> None:
    path, records = made(tmp_path, "one")
    path.unlink()
    flusher = Flusher()
    flusher.add(path, records)
    flusher.wait()
    assert list(tmp_path.iterdir()) == []


def test_what_the_disk_does_not_take_is_removed_and_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused, taken = made(tmp_path, "one"), made(tmp_path, "two")
    inode = refused[0].stat().st_ino
    name = "fdatasync" if hasattr(os, "fdatasync") else "fsync"
    real = getattr(os, name)

    def full(handle: int) -> None:
        if os.fstat(handle).st_ino == inode:
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, name, full)
    flusher = Flusher()
    flusher.add(*refused)
    flusher.add(*taken)
    with pytest.raises(TfprovError) as caught:
        flusher.wait()
    assert caught.value.code.name == "disk-full"
    assert [path.name for path in tmp_path.iterdir()] == ["two"]
    flusher.wait()


def test_a_wait_ends_although_more_is_added_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    busy, go_on = threading.Event(), threading.Event()
    real = flushing._flush

    def slow(path: Path) -> None:
        if path.name == "one":
            busy.set()
            go_on.wait()
        real(path)

    monkeypatch.setattr(flushing, "_flush", slow)
    flusher = Flusher()
    flusher.add(*made(tmp_path, "one"))
    busy.wait()
    waiting = threading.Thread(target=flusher.wait, daemon=True)
    waiting.start()
    time.sleep(0.1)  # long enough to be waiting
    flusher.add(*made(tmp_path, "two"))
    time.sleep(0.1)
    go_on.set()
    waiting.join(10)
    assert not waiting.is_alive()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
