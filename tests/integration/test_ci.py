"""`up` as CI systems run it: what it writes for them, and a store that comes back from a cache in part or too old."""

from __future__ import annotations

import json
import random
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from site_under_test import OLDER, RELEASE, Site, only_here, sham_wheel
from snapshots import Snapshot
from wheels import build_wheel

pytestmark = only_here


def with_a_helper(folder: Path) -> Site:
    found = Site.make(folder)
    found.offer(sham_wheel(found.root / "built", RELEASE), build_wheel(found.root / "built", "helper", "1.0"))
    found.write('[packages]\nrequirements = ["helper"]\n')
    return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return with_a_helper(tmp_path)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Snapshot[Site]:
    found = with_a_helper(tmp_path_factory.mktemp("made"))
    found.up()
    return Snapshot(found)


@pytest.fixture
def made(first: Snapshot[Site]) -> Site:
    """The same project after its first `up`."""
    return first.restore()


def cases(file: Path) -> dict[str, str]:
    """Outcome by name of every test case of a JUnit file."""
    return {
        str(case.get("name")): next((child.tag for child in case if child.tag != "system-out"), "passed")
        for case in ET.parse(file).getroot().iter("testcase")
    }


def test_a_job_on_github_gets_groups_a_summary_values_and_junit(site: Site) -> None:
    summary, values = site.root / "summary.md", site.root / "output"
    site.extra = {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_OUTPUT": str(values),
    }
    first = site.run("up", "train.toml", "--junit", "first.xml")
    assert first.returncode == 0, first.stderr
    lines = first.stderr.splitlines()
    assert lines.count("::endgroup::") == sum(line.startswith("::group::") for line in lines) > 5
    assert "\033" not in first.stderr + first.stdout
    assert set(cases(site.root / "first.xml").values()) == {"passed"}
    given = dict(line.split("=", 1) for line in values.read_text(encoding="utf-8").splitlines())
    assert given["tensorflow"] == RELEASE
    assert Path(given["python"]).exists()
    assert "| CPU:0 | matmul | passed |" in summary.read_text(encoding="utf-8")
    # Nothing to do: the verdict of before is told again.
    second = site.run("up", "train.toml", "--junit", "second.xml")
    assert second.returncode == 0
    assert cases(site.root / "second.xml") == cases(site.root / "first.xml")
    assert "already=true" in values.read_text(encoding="utf-8")


def test_a_failed_smoke_test_is_a_failed_case_and_one_annotation(site: Site) -> None:
    shutil.rmtree(site.root / "index")
    site.offer(
        sham_wheel(site.root / "bad", RELEASE, sabotage="\ndef matmul(left, right):\n    return left\n"),
        build_wheel(site.root / "built", "helper", "1.0"),
    )
    summary = site.root / "summary.md"
    site.extra = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    failed = site.run("up", "train.toml", "--junit", "bad.xml", "--json")
    assert failed.returncode == 18
    assert "failure" in cases(site.root / "bad.xml").values()
    assert sum(line.startswith("::error title=wrong-number::") for line in failed.stderr.splitlines()) == 1
    assert "**wrong-number** (exit status 18)" in summary.read_text(encoding="utf-8")


def test_a_failure_before_the_smoke_test_is_a_case_in_error(site: Site) -> None:
    site.write('[packages]\nrequirements = ["no-such-package"]\n')
    failed = site.run("up", "train.toml", "--junit", "deep/er/none.xml")
    assert failed.returncode == 15
    assert cases(site.root / "deep" / "er" / "none.xml") == {"plan": "error"}
    # Outside CI nobody wants annotations.
    assert "::" not in failed.stderr


def test_a_mistake_in_the_profile_is_marked_in_the_file(site: Site) -> None:
    site.extra = {"GITHUB_ACTIONS": "true"}
    with site.profile.open("a") as stream:
        stream.write('\n[tensorflow]\nverzion = "2"\n')
    number = len(site.profile.read_text().splitlines())
    failed = site.run("up", "train.toml")
    assert failed.returncode == 2
    assert f"::error file=train.toml,line={number},title=profile-invalid::" in failed.stderr


def test_the_key_follows_the_lock_and_asks_no_network(site: Site) -> None:
    without = site.run("cache", "key", "train.toml").stdout.strip()
    assert site.run("lock", "train.toml").returncode == 0
    (site.root / "index").rename(site.root / "gone")
    key = site.run("cache", "key", "train.toml").stdout.strip()
    assert key != without
    assert site.run("cache", "key", "train.toml").stdout.strip() == key
    with site.profile.open("a") as stream:
        stream.write("# a comment\n")
    document = json.loads(site.run("cache", "key", "train.toml", "--json").stdout)
    assert document["key"] == key
    assert all(key.startswith(each) for each in document["restore"])
    assert document["store"] == site.run("cache", "dir").stdout.strip() == str(site.home / "cache" / "store")
    site.lock.write_text(site.lock.read_text() + "# changed\n")
    assert site.run("cache", "key", "train.toml").stdout.strip() != key


def saved(site: Site) -> Path:
    """The store as a CI system keeps it, and nothing else of the home."""
    kept = site.root / "kept"
    shutil.copytree(site.home / "cache" / "store", kept)
    shutil.rmtree(site.home)
    return kept


def restored(site: Site, kept: Path) -> Path:
    store = site.home / "cache" / "store"
    shutil.copytree(kept, store)
    return store


def test_a_restored_store_saves_every_byte(made: Site) -> None:
    restored(made, saved(made))
    assert made.up()["bytes_fetched"] == 0


@pytest.mark.parametrize("seed", range(4))
def test_a_store_that_came_back_in_part_does_no_harm(made: Site, seed: int) -> None:
    store = restored(made, saved(made))
    chance = random.Random(seed)
    files = sorted(path for path in store.rglob("*") if path.is_file())
    assert len(files) >= 4
    for path in files:
        # Cut off, emptied, gone, or as it was.
        fate = chance.choice(("cut", "empty", "gone", "kept"))
        if fate == "cut":
            path.write_bytes(path.read_bytes()[:-3])
        elif fate == "empty":
            path.write_bytes(b"")
        elif fate == "gone":
            path.unlink()
    made.up()
    assert made.imported() == RELEASE
    assert made.run("cache", "verify").stdout.strip() == "every wheel has its hash"


def test_a_wheel_that_came_back_with_other_bytes_is_fetched_anew(made: Site) -> None:
    store = restored(made, saved(made))
    (wheel,) = store.glob("sha256/*/*/tensorflow*.whl")
    data = bytearray(wheel.read_bytes())
    data[len(data) // 2] ^= 1
    wheel.write_bytes(data)
    done = made.run("up", "train.toml", "--json")
    assert done.returncode == 0, done.stderr
    assert made.imported() == RELEASE


def test_a_store_of_an_older_lock_is_of_use_for_what_stayed(site: Site) -> None:
    site.write('[tensorflow]\nversion = "==2.20.*"\n[packages]\nrequirements = ["helper"]\n')
    site.offer(sham_wheel(site.root / "old", OLDER))
    site.up()
    kept = saved(site)
    site.lock.unlink()
    site.write('[packages]\nrequirements = ["helper"]\n')
    store = restored(site, kept)
    # What an earlier version may have left behind is no reason to stop.
    (store / "partial").mkdir(exist_ok=True)
    (store / "partial" / ("ab" * 32 + ".part")).write_bytes(b"x")
    (store / "partial" / ("ab" * 32 + ".synced")).write_bytes(b"{")
    (store / "sha256" / "notes.txt").write_text("of another version")
    document = site.up()
    assert document["bytes_reused"] != 0
    assert site.imported() == RELEASE


def test_a_whole_home_that_came_back_is_verified_at_once(made: Site) -> None:
    shutil.copytree(made.home, made.root / "kept", symlinks=True)
    shutil.rmtree(made.home)
    shutil.copytree(made.root / "kept", made.home, symlinks=True)
    assert made.up()["already"] is True
