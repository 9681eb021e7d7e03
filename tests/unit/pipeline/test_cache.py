from __future__ import annotations

import _ssl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tfprov.bundle.starter import RECORD
from tfprov.fetch.store import Store
from tfprov.lock.records import LockedFile
from tfprov.paths import Home
from tfprov.pipeline.cache import clear, info, prune, verify


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(data=tmp_path / "data", cache=tmp_path / "cache", state=tmp_path / "state")


def stored(home: Home, name: str, content: bytes) -> Path:
    sha256 = hashlib.sha256(content).hexdigest()
    path = Store(home.store).path(sha256, f"{name}-1.0-py3-none-any.whl")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    file = LockedFile(name=name, version="1.0", filename=path.name, url="file:///x", sha256=sha256)
    assert Store(home.store).has(file)
    return path


@pytest.mark.skipif(os.name != "posix", reason="owners as POSIX has them")
def test_unpacked_wheels_beside_those_of_another_user_are_counted_and_cleared(home: Home) -> None:
    home.unpacked.mkdir(parents=True)
    home.unpacked.chmod(0o777)
    own = home.unpacked.with_name(f"{home.unpacked.name}-{os.getuid()}")
    (own / ("a" * 64)).mkdir(parents=True)
    (own / ("a" * 64) / "manifest").write_bytes(b"x" * 100_000)
    (own / ("a" * 64) / "kept").write_bytes(b"x")
    (kept,) = (one for one in info(home) if one.what == "unpacked")
    assert (kept.path, kept.files, kept.bytes > 100_000) == (own, 2, True)
    assert clear(home).files == 2
    assert not own.exists()
    assert home.unpacked.is_dir()


def test_an_empty_cache_is_told_as_such(home: Home) -> None:
    assert {(one.bytes, one.files) for one in info(home)} == {(0, 0)}
    assert [one.what for one in info(home)] == [
        *("environments", "images", "pythons", "tools", "unpacked", "uv", "conda", "wheels", "virtualenv"),
    ]


@pytest.mark.skipif(shutil.which("du") is None, reason="there is no du")
def test_the_sizes_are_those_of_du_and_what_is_shared_counts_once(home: Home) -> None:
    stored(home, "thing", b"x" * 8192)
    unpacked = home.unpacked / "abcd" / "tree"
    unpacked.mkdir(parents=True)
    environment, image = home.environments / "a-1" / "generations" / "0001", home.images / "k" / "tree"
    for number in range(20):
        (unpacked / str(number)).write_bytes(b"y" * number * 1000)
        for folder in (environment, image):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / str(number)).hardlink_to(unpacked / str(number))
    (environment / "link").symlink_to("0")
    (home.cache / "conda" / "packages").mkdir(parents=True)
    (home.cache / "conda" / "packages" / "file").write_bytes(b"z" * 10)
    counted = {one.what: one for one in info(home)}
    assert [counted[what].files for what in ("environments", "images", "unpacked", "conda")] == [20, 0, 0, 1]
    folders = [str(one.path) for one in counted.values() if one.path.exists()]
    told = subprocess.run(["du", "-s", "--block-size=1", *folders], capture_output=True, text=True, check=False)
    if told.returncode:
        pytest.skip("du of another kind")
    sizes = dict(reversed(line.split("\t")) for line in told.stdout.splitlines())
    assert {str(one.path): one.bytes for one in counted.values() if one.path.exists()} == {
        path: int(size) for path, size in sizes.items()
    }


def test_what_was_unpacked_for_conda_goes_with_the_rest(home: Home) -> None:
    (home.cache / "conda" / "packages" / "x").mkdir(parents=True)
    (home.cache / "conda" / "packages" / "x" / "file").write_bytes(b"z" * 10)
    assert clear(home).files == 1
    assert not (home.cache / "conda").exists()


def test_a_prune_tells_what_it_freed_beside_wheels(home: Home) -> None:
    image = home.images / "k" / "tree"
    image.mkdir(parents=True)
    (image / "file").write_bytes(b"z" * 100_000)
    (home.images / "k" / "manifest").write_text("")
    swept = prune(home, cap_bytes=10)
    assert swept.files == 2
    assert swept.bytes >= 100_000


def unpacked_tool(home: Home, key: str, *, days: float) -> Path:
    folder = home.data / "tools" / key
    (folder / "lib").mkdir(parents=True)
    (folder / "tfprov.py").write_text("print('ready', flush=True)\nwhile True:\n    input()\n")
    (folder / RECORD).write_text("{}")
    moment = time.time() - days * 24 * 3600
    os.utime(folder / RECORD, (moment, moment))
    return folder


def test_a_tfprov_of_a_bundle_that_was_not_started_for_a_month_is_pruned(home: Home) -> None:
    old, new = unpacked_tool(home, "old", days=31), unpacked_tool(home, "new", days=29)
    assert prune(home, cap_bytes=0).files == 2
    assert [path.name for path in old.parent.iterdir()] == [new.name]
    assert clear(home).files == 2
    assert list(old.parent.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="what a process has mapped is seen everywhere, but in another way")
def test_a_tfprov_of_a_bundle_that_runs_is_kept(home: Home) -> None:
    used = unpacked_tool(home, "used", days=31)
    library = used / "lib" / "part.so"
    shutil.copy(_ssl.__file__, library)
    code = f"import ctypes; ctypes.CDLL({str(library)!r}); print('ready', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        assert clear(home).files == 0
        running.communicate(b"\n")
    assert clear(home).files == 3
    assert not used.exists()


def test_a_damaged_wheel_is_named_and_removed(home: Home) -> None:
    good, bad = stored(home, "good", b"good"), stored(home, "bad", b"bad")
    bad.write_bytes(b"BAD")
    assert [one.path for one in verify(home)] == [bad]
    assert good.exists()
    assert not bad.exists()


def test_pruning_keeps_what_fits(home: Home) -> None:
    stored(home, "one", b"1" * 1000)
    stored(home, "two", b"2" * 1000)
    assert prune(home, cap_bytes=1500).files == 1
    assert prune(home, cap_bytes=1500).files == 0


def test_clearing_leaves_nothing(home: Home) -> None:
    stored(home, "one", b"1" * 1000)
    (home.cache / "uv").mkdir()
    (home.unpacked / "abcd" / "tree").mkdir(parents=True)
    assert clear(home).files == 1
    left = [path for folder in ("sha256", "partial") for path in (home.store / folder).rglob("*")]
    assert not [path for path in left if path.is_file()]
    assert not (home.cache / "uv").exists()
    assert list(home.data.iterdir()) == []
    assert Store(home.store).files() == ()
