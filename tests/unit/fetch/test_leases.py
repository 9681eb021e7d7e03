from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_a_store_that_cannot_be_written_to_has_no_leases(tmp_path: Path) -> None:
    (tmp_path / "leases").write_text("in the way")
    assert Store(tmp_path).hold({"ab"}) is None
