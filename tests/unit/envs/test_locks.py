"""The lock of an environment where files can be locked and where they cannot."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tfprov import locks as ground
from tfprov.envs import locks
from tfprov.errors import TfprovError
from told import told

pytestmark = pytest.mark.skipif(os.name != "posix", reason="without fcntl.flock there is nothing to refuse")

WITHOUT_LOCKS = """
import errno, fcntl, sys
from pathlib import Path

def flock(descriptor, operation):
    raise OSError(errno.ENOLCK, "No locks available")

fcntl.flock = flock
from tfprov.envs.locks import held
with held(Path(sys.argv[1]), name="other", timeout=0):
    print("held", flush=True)
    sys.stdin.read()
"""

REFUSALS = sorted({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})


def refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    import fcntl

    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.fixture(params=[0, *REFUSALS], ids=lambda number: errno.errorcode.get(number, "locks"))
def refusal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """What this system answers to `flock`; 0 where it locks."""
    number: int = request.param
    if number:
        refuse(monkeypatch, number)
    return number


def test_one_at_a_time_holds_it_and_it_can_be_had_again(tmp_path: Path, refusal: int) -> None:
    path = tmp_path / ".locks" / "x-1"
    assert ground.possible(tmp_path) is (refusal == 0)
    for _ in range(2):
        with locks.held(path, name="x", timeout=0):
            with pytest.raises(TfprovError) as failure, locks.held(path, name="x", timeout=0):
                pass
            assert failure.value.code.name == "lock-timeout"
            assert (str(os.getpid()) in failure.value.evidence[0]) is (refusal != 0)
    assert [each.name for each in path.parent.iterdir()] == ["x-1"]


def test_a_holder_that_was_killed_without_locks_holds_it_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / ".locks" / "x-1"
    argv = [sys.executable, "-I", "-c", WITHOUT_LOCKS, str(path)]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    refuse(monkeypatch, errno.ENOLCK)
    with pytest.raises(TfprovError, match="is working on"), locks.held(path, name="x", timeout=0):
        pass
    child.send_signal(signal.SIGKILL)
    child.communicate()
    with locks.held(path, name="x", timeout=20):
        pass


def test_what_another_machine_holds_stays_and_is_named(tmp_path: Path, refusal: int) -> None:
    path = tmp_path / ".locks" / "x-1"
    path.parent.mkdir()
    marker = path.with_name("x-1.held")
    marker.write_text("1\nanother.example.org\n")
    if not refusal:
        with locks.held(path, name="x", timeout=0):
            return
    with pytest.raises(TfprovError) as failure, locks.held(path, name="x", timeout=0):
        pass
    assert told(failure.value) == (
        *("lock-timeout", f"another tfprov is working on `x`, according to `{marker}`"),
        "process and machine that made it: 1, another.example.org",
        "wait for it, or end it; if that process is gone, delete the file",
    )
    assert marker.exists()


def test_all_environments_are_held_by_the_same_means(tmp_path: Path, refusal: int) -> None:
    path = tmp_path / ".locks" / "x-1"
    with locks.held(path, name="x", timeout=0):
        pass
    with locks.all_locked(tmp_path):
        pass
    with (
        locks.held(path, name="x", timeout=0),
        pytest.raises(TfprovError, match="working on `x-1`"),
        locks.all_locked(tmp_path),
    ):
        pass


def test_any_other_failure_is_not_taken_for_a_lack_of_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, errno.EIO)
    assert ground.possible(tmp_path)
    with pytest.raises(OSError, match="5"), locks.held(tmp_path / "x", name="x", timeout=0):
        pass
    assert not (tmp_path / "x.held").exists()
