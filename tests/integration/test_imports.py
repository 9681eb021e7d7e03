from __future__ import annotations

import subprocess
import sys

import pytest

RACE = """
import sys, threading, typing, contextlib, subprocess, tempfile

sys.setswitchinterval(1e-6)
together, failed = threading.Barrier(2), []

def run(work):
    together.wait()
    try:
        work()
    except BaseException as error:
        failed.append(repr(error))

def seed():
    from tfprov.default_index import default_index
    default_index()

def create():
    from virtualenv import session_via_cli

threads = [threading.Thread(target=run, args=(work,)) for work in (seed, create)]
for thread in threads: thread.start()
for thread in threads: thread.join()
sys.exit("; ".join(failed) or 0)
"""


@pytest.mark.parametrize("_", range(3))
def test_the_index_is_read_while_an_environment_is_made(_: int) -> None:
    """Both import virtualenv, each from another end; a bundle gets to both at the same moment."""
    done = subprocess.run([sys.executable, "-I", "-c", RACE], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
