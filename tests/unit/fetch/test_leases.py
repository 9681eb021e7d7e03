from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tfprov.fetch import leases
from tfprov.fetch.leases import Lease, guard, leased
from tfprov.fetch.store import Store

HOLDER = """
import sys
from pathlib import Path
from tfprov.fetch.leases import Lease
lease = Lease(Path(sys.argv[1]), {"ab", "cd"})
print("held", flush=True)
sys.stdin.read()
"""


def held(folder: Path) -> frozenset[str]:
    with guard(folder):
        return leased(folder)


def test_what_is_held_is_told_until_it_is_let_go(tmp_path: Path) -> None:
    one, two = Lease(tmp_path / "leases", {"ab"}), Lease(tmp_path / "leases", {"cd"})
    assert held(tmp_path / "leases") == {"ab", "cd"}
    one.release()
    assert held(tmp_path / "leases") == {"cd"}
    two.release()
    assert {path.name for path in (tmp_path / "leases").iterdir()} <= {"guard.lock"}


def test_a_lease_ends_when_nobody_has_the_record_any_more(tmp_path: Path) -> None:
    lease = Lease(tmp_path, {"ab"})
    assert held(tmp_path) == {"ab"}
    del lease
    gc.collect()
    assert held(tmp_path) == frozenset()


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's")
def test_the_lease_of_a_killed_process_counts_for_nothing(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdin, child.stdout:
        assert child.stdout.readline() == "held\n"
        assert held(tmp_path) == {"ab", "cd"}
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert held(tmp_path) == frozenset()
    assert list(tmp_path.glob("*.json")) == []


PRUNER = """
import os, signal, sys
from pathlib import Path
from tfprov.fetch.store import Store

def stop(event, arguments):
    if event == "os.rmdir":
        os.kill(os.getpid(), signal.SIGSTOP)

sys.addaudithook(stop)
Store(Path(sys.argv[1])).prune(cap_bytes=0)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGSTOP is POSIX's")
def test_what_is_needed_since_a_prune_was_stopped_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, hashes = Store(tmp_path), [digit * 64 for digit in "abc"]
    for age, sha256 in enumerate(hashes):
        path = store.path(sha256, "x-1.0-py3-none-any.whl")
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
        os.utime(path, (1e9 + age, 1e9 + age))
    monkeypatch.setattr(leases, "_GUARD_SECONDS", 0.1)
    with subprocess.Popen([sys.executable, "-c", PRUNER, str(tmp_path)]) as pruner:
        os.waitid(os.P_PID, pruner.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert pruner.poll() is None
        lease = store.hold(hashes[1:])
        while pruner.poll() is None:
            pruner.send_signal(signal.SIGCONT)
            time.sleep(0.05)
    assert pruner.returncode == 0
    assert lease is not None
    assert {one.sha256 for one in store.files()} == set(hashes[1:])


def test_a_store_that_cannot_be_written_to_has_no_leases(tmp_path: Path) -> None:
    (tmp_path / "leases").write_text("in the way")
    assert Store(tmp_path).hold({"ab"}) is None
