from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

from tfprov.pipeline.uv import sweep, uv_executable

fcntl = pytest.importorskip("fcntl", reason="locks as POSIX has them")


def test_what_killed_installers_left_is_swept_unless_one_is_at_work(tmp_path: Path) -> None:
    left = [tmp_path / ".tmpAbC", tmp_path / "archive-v0" / ".tmpDeF"]
    for folder in (*left, tmp_path / "archive-v0" / "whole"):
        (folder / "deep").mkdir(parents=True)
    with (tmp_path / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        sweep(tmp_path)
        assert all(folder.exists() for folder in left)
    sweep(tmp_path)
    assert not any(folder.exists() for folder in left)
    assert (tmp_path / "archive-v0" / "whole" / "deep").exists()


def test_uv_holds_the_lock_of_its_cache_while_it_works(tmp_path: Path) -> None:
    """What `sweep` relies on; a release of uv that does not is noticed here."""
    cache = tmp_path / "cache"
    # It reads its input to the end before it ends itself; until then it is at work.
    argv = [uv_executable(), "pip", "compile", "-", "--offline", "--no-config", "--cache-dir", cache]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as uv:
        while not (cache / ".lock").exists():
            assert uv.poll() is None
            threading.Event().wait(0.01)
        with (cache / ".lock").open("r+b") as lock, pytest.raises(BlockingIOError):
            while uv.poll() is None:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.flock(lock, fcntl.LOCK_UN)
        uv.communicate(b"")
