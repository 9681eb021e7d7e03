"""A leg that works may take longer than one that waits: real processes with real limits."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import tfprov
from tfprov import process
from tfprov.process import Finished

PROBE = Path(tfprov.__file__).parent / "smoke" / "probes" / "probe.py"
# Runs one leg in the probe at the path in its first argument, with the request and the code in the others.
RUN = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("tfprov_probe", sys.argv[1])
probe = importlib.util.module_from_spec(spec)
spec.loader.exec_module(probe)
probe.Probe(json.loads(sys.argv[2])).leg("environment", "leg", lambda: exec(sys.argv[3]) or "fine")
"""
COMPUTES = "import time; ends = time.process_time() + 3\nwhile time.process_time() < ends: pass"
READS = """
import os, time
for _ in range(12):
    with open("data", "wb") as stream:
        stream.write(bytes(8192))
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    with open("data", "rb") as stream:
        stream.read()
    time.sleep(0.25)
"""
WAITS = "import time; time.sleep(60)"
POLLS = "import time\nfor _ in range(3000): time.sleep(0.02)"


def ran(folder: Path, code: str, *, timeout: float, idle_timeout: float) -> tuple[Finished, list[str]]:
    """The process, and the evidence of the leg if it passed."""
    request = {
        "records": str(folder / "records.jsonl"),
        "done": [],
        "lost_devices": {},
        "timeout": timeout,
        "idle_timeout": idle_timeout,
    }
    done = process.run([sys.executable, "-I", "-c", RUN, PROBE, json.dumps(request), code], env={}, cwd=folder)
    records = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    return done, [record["evidence"] for record in records if record.get("ok")]


@pytest.mark.parametrize(
    "code",
    [
        COMPUTES,
        pytest.param(
            READS,
            marks=pytest.mark.skipif(
                not sys.platform.startswith("linux"), reason="only Linux counts what is read from the disk"
            ),
        ),
    ],
)
def test_a_leg_that_works_may_take_longer_than_one_that_waits(tmp_path: Path, code: str) -> None:
    done, passed = ran(tmp_path, code, timeout=120, idle_timeout=2.0)
    assert (done.returncode, passed) == (0, ["fine"]), done.stderr


@pytest.mark.parametrize("code", [WAITS, POLLS])
def test_a_leg_that_waits_ends_with_the_place_where_it_stands(tmp_path: Path, code: str) -> None:
    done, passed = ran(tmp_path, code, timeout=120, idle_timeout=2.0)
    assert (done.returncode, passed) == (1, [])
    assert "Timeout (0:00:02)!" in done.stderr


def test_a_leg_that_works_ends_at_the_limit_for_all_legs(tmp_path: Path) -> None:
    done, passed = ran(tmp_path, COMPUTES.replace("+ 3", "+ 90"), timeout=4, idle_timeout=2.0)
    assert (done.returncode, passed) == (1, [])
    assert "Timeout" in done.stderr
