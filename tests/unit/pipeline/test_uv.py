from __future__ import annotations

import fcntl
import os
import subprocess
import threading
from pathlib import Path

import pytest

from sham import install
from tfprov.errors import TfprovError
from tfprov.pipeline.uv import CacheSnapshot, snapshot, sweep, uv_executable, verify_install

pytestmark = pytest.mark.skipif(os.name != "posix", reason="hard links as POSIX counts them")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """What an installer has unpacked."""
    found = tmp_path / "cache"
    install(found, "thing", "1.0", {"thing.py": "x = 1\n"})
    return found


def linked(cache: Path, environment: Path) -> Path:
    """An environment whose files are links to what is unpacked; its module."""
    library = environment / "lib" / "python3.12" / "site-packages"
    for path in cache.rglob("*"):
        if path.is_file():
            target = library / path.relative_to(cache)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target)
    return library / "thing.py"


def spoil(module: Path) -> None:
    with module.open("r+") as stream:
        stream.write("x = 7\n")


def later(path: Path) -> CacheSnapshot:
    return CacheSnapshot(ns=path.stat().st_mtime_ns + 1)


def test_what_was_unpacked_in_this_run_is_believed_unread(tmp_path: Path, cache: Path) -> None:
    module = linked(cache, tmp_path / "env")
    spoil(module)
    verify_install(tmp_path / "env", CacheSnapshot(ns=0))


def test_what_was_unpacked_earlier_is_believed_when_it_is_as_recorded(tmp_path: Path, cache: Path) -> None:
    module = linked(cache, tmp_path / "env")
    verify_install(tmp_path / "env", later(module))


def test_what_was_unpacked_earlier_and_written_to_is_named(tmp_path: Path, cache: Path) -> None:
    module = linked(cache, tmp_path / "env")
    spoil(module)
    with pytest.raises(TfprovError) as failure:
        verify_install(tmp_path / "env", later(module))
    assert failure.value.code.name == "cache-corrupt"
    assert failure.value.evidence == ("`lib/python3.12/site-packages/thing.py`",)


def test_what_other_environments_link_to_is_read_however_new_it_is(tmp_path: Path, cache: Path) -> None:
    spoil(linked(cache, tmp_path / "other"))
    linked(cache, tmp_path / "env")
    with pytest.raises(TfprovError):
        verify_install(tmp_path / "env", CacheSnapshot(ns=0))


def test_what_nobody_else_links_to_is_believed(tmp_path: Path) -> None:
    library = tmp_path / "env" / "lib" / "python3.12" / "site-packages"
    install(library, "thing", "1.0", {"thing.py": "x = 1\n"})
    verify_install(tmp_path / "env", later(library / "thing.py"))


def test_the_moment_is_that_of_the_file_system_and_leaves_nothing(tmp_path: Path) -> None:
    cache = tmp_path / "not" / "there yet"
    before = snapshot(cache)
    (cache / "unpacked").touch()
    assert (cache / "unpacked").stat().st_mtime_ns >= before.ns
    assert [path.name for path in cache.iterdir()] == ["unpacked"]


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
