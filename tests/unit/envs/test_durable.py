from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tfprov.envs import durable


def test_a_disk_that_answers_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1 << 20))
    assert durable.settle(tmp_path)


def test_a_disk_that_hangs_does_not_hold_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(durable, "_write_back", lambda _folder: released.wait())
    try:
        assert not durable.settle(tmp_path, seconds=0.01)
    finally:
        released.set()


def test_writing_back_begins_without_being_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, released = threading.Event(), threading.Event()

    def write_back(_folder: Path) -> None:
        begun.set()
        released.wait()

    monkeypatch.setattr(durable, "_write_back", write_back)
    durable.begin(tmp_path)
    assert begun.wait(60)
    released.set()


def test_a_folder_that_is_gone_is_no_failure(tmp_path: Path) -> None:
    assert durable.settle(tmp_path / "gone")
