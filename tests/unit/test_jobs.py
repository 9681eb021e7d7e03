"""Children of Windows end with all that they started."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tfprov import process
from tfprov.jobs import JobObject

# Starts a child that says its number and waits; then waits itself.
PARENT = (
    "import subprocess, sys; "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    "print(child.pid, flush=True); "
)
WAIT = "child.wait()"


def gone(pid: int) -> bool:
    try:
        psutil.Process(pid).wait(timeout=60)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


def test_where_there_are_no_jobs_nothing_is_ended() -> None:
    if os.name == "nt":
        pytest.skip("there are jobs")
    job = JobObject(0)
    assert job.end() is False
    job.forget()


@pytest.mark.skipif(os.name != "nt", reason="jobs are of Windows")
def test_at_the_time_limit_what_a_child_has_started_ends_too() -> None:
    ended = process.run([sys.executable, "-c", PARENT + WAIT], env=os.environ, timeout=20)
    assert ended.timed_out
    assert gone(int(ended.stdout))


@pytest.mark.skipif(os.name != "nt", reason="jobs are of Windows")
def test_children_end_with_a_tfprov_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "import os, sys\nfrom tfprov import process\n"
        "say = lambda line: print(line, flush=True)\n"
        f"process.run([sys.executable, '-c', {PARENT + WAIT!r}], env=os.environ, on_stdout=say)\n",
        encoding="utf-8",
    )
    ours = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert ours.stdout is not None
    pid = int(ours.stdout.readline())
    ours.kill()
    ours.wait()
    ours.stdout.close()
    assert gone(pid)
