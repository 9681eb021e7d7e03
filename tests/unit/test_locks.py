from __future__ import annotations

import errno
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest

from tfprov import locks
from tfprov.errors import TfprovError
from tfprov.fetch.store import Store
from tfprov.lock.records import LockedFile

HOLDER = """
import sys, filelock
lock = filelock.FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners are stopped and killed by signals")


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock `x.lock`."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "x.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.communicate()


def test_an_owner_that_was_killed_is_not_waited_for(tmp_path: Path, owner: subprocess.Popen[str]) -> None:
    waited = []

    def waiting() -> None:
        waited.append(True)
        owner.send_signal(signal.SIGKILL)

    with locks.held(tmp_path / "x.lock", waiting=waiting) as alone:
        assert alone is True
    assert waited


def test_an_owner_that_moves_nothing_is_passed_and_one_that_moves_is_not(
    tmp_path: Path, owner: subprocess.Popen[str]
) -> None:
    part, now = tmp_path / "x.part", itertools.count(0.0, 50.0)
    part.write_bytes(b"")
    grown = []

    def waiting() -> None:
        # It moves for a while, for longer than its time without a sign, and then no more.
        if len(grown) < 6:
            grown.append(True)
            part.write_bytes(b"x" * len(grown))

    with locks.held(tmp_path / "x.lock", waiting=waiting, signs=(part,), stuck=120.0, clock=lambda: next(now)) as alone:
        assert alone is False
    assert len(grown) == 6
    assert owner.poll() is None


def aged(path: Path) -> Path:
    path.touch()
    os.utime(path, (0, 0))
    return path


def test_old_lock_files_that_nobody_holds_are_deleted(tmp_path: Path, owner: subprocess.Popen[str]) -> None:
    (tmp_path / "new.lock").touch()
    for name in ("x.lock", "old.lock", "other.file"):
        aged(tmp_path / name)
    locks.sweep(tmp_path)
    locks.sweep(tmp_path / "absent")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.lock", "other.file", "x.lock"]


def test_a_lock_file_that_was_deleted_while_it_was_opened_is_not_taken_for_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, acquire, deleted = tmp_path / "x.lock", filelock.FileLock.acquire, []

    def late(lock: filelock.FileLock, **more: float) -> object:
        found = acquire(lock, **more)
        if not deleted:
            deleted.append(path.unlink())
        return found

    monkeypatch.setattr(filelock.FileLock, "acquire", late)
    with locks.held(path), pytest.raises(TfprovError), locks.held(path, timeout=0):
        pass
    assert deleted


def test_a_limit_of_no_time_does_not_wait(tmp_path: Path, owner: subprocess.Popen[str]) -> None:
    with pytest.raises(TfprovError) as caught, locks.held(tmp_path / "x.lock", timeout=0):
        pass
    assert caught.value.code.name == "lock-timeout"
    assert owner.poll() is None


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_there_are_no_locks_everyone_works_under_a_name_of_his_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    import fcntl

    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    store = Store(tmp_path / "store")
    with store.lock("ab" * 32) as alone:
        assert alone is False
        with store.partial("ab" * 32, alone=alone) as partial:
            assert str(os.getpid()) in partial.path.name
    source = tmp_path / "a-1-py3-none-any.whl"
    source.write_bytes(b"content")
    file = LockedFile(
        name="a",
        version="1",
        filename=source.name,
        url="file:///x",
        sha256="ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73",
    )
    assert store.adopt(file, source, alone=False).read_bytes() == b"content"
    assert not list((tmp_path / "store" / "partial").glob("*.copy"))


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may open every file")
def test_a_lock_of_another_user_is_said_to_be_one(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    lock.touch(mode=0o000)
    with pytest.raises(TfprovError) as caught, locks.held(lock):
        pass
    assert caught.value.code.name == "permission-denied"
