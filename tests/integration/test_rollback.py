"""Going back, staying there, and going forward again."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from site_under_test import LIBRARY, RELEASE, Site, only_here, sham_wheel
from snapshots import Snapshot
from wheels import build_wheel

pytestmark = only_here
WITH_HELPER = '[packages]\nrequirements = ["helper"]\n'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Snapshot[Site]:
    """An environment without `helper`, then one with it, then the same once more."""
    found = Site.make(tmp_path_factory.mktemp("made"))
    found.offer(sham_wheel(found.root / "built", RELEASE), build_wheel(found.root / "built", "helper", "1.0"))
    found.write()
    found.up()
    found.write(WITH_HELPER)
    found.up()
    found.up("--recreate")
    return Snapshot(found)


@pytest.fixture
def site(made: Snapshot[Site]) -> Site:
    return made.restore()


def numbered(site: Site) -> list[str]:
    """The generations, without what was put aside."""
    return [name for name in site.generations() if name.isdecimal()]


def active(site: Site) -> str:
    return site.in_use().name


def test_list_tells_what_differs_and_two_of_the_same_are_one(site: Site) -> None:
    assert numbered(site) == ["0001", "0003"]
    listed = site.run("list").stdout.splitlines()
    newest = next(number for number, line in enumerate(listed) if line.startswith("  * 3  TensorFlow"))
    assert listed[newest + 1] == "      + helper 1.0"
    (document,) = json.loads(site.run("list", "--json").stdout)["environments"]
    assert [one["differences"] for one in document["generations"]] == [None, ["+ helper 1.0"]]


def test_up_does_not_take_a_rollback_back_in_silence(site: Site) -> None:
    back = site.run("rollback", "train.toml")
    assert "train is at generation 1 again" in back.stdout
    assert "note      profile and lock are unchanged" in back.stdout
    for _ in range(2):
        refused = site.run("up", "train.toml")
        assert refused.returncode == 2
        assert "error[rolled-back]: `train` was rolled back to generation 1" in refused.stderr
        assert "`tfprov up train.toml --keep-rollback` stays at generation 1" in refused.stderr
        assert active(site) == "0001"
    # Told once, it stays.
    assert "stays in use: generation 1, after the rollback" in site.run("up", "train.toml", "--keep-rollback").stdout
    assert site.up()["rolled_back"] is True
    assert active(site) == "0001"
    # Forward again: what was in use before is there and is taken, not built.
    assert site.up("--no-keep-rollback")["rolled_back"] is False
    assert active(site) == "0003"
    assert numbered(site) == ["0001", "0003"]
    assert site.up()["already"] is True


def test_a_changed_profile_ends_a_rollback(site: Site) -> None:
    site.run("rollback", "train.toml")
    site.run("up", "train.toml", "--keep-rollback")
    site.offer(build_wheel(site.root / "built", "other", "1.0"))
    site.write('[packages]\nrequirements = ["helper", "other"]\n')
    assert site.up()["rolled_back"] is False
    assert active(site) == "0004"
    # Changed and changed back: neither is a rollback, and nothing is built.
    site.write(WITH_HELPER)
    site.up()
    assert active(site) == "0003"
    site.write('[packages]\nrequirements = ["helper", "other"]\n')
    site.up()
    assert active(site) == "0004"


def test_a_profile_and_a_lock_that_are_taken_back_too_end_a_rollback(tmp_path: Path) -> None:
    site = Site.make(tmp_path)
    site.offer(sham_wheel(site.root / "built", RELEASE), build_wheel(site.root / "built", "helper", "1.0"))
    site.write()
    site.up()
    committed = site.lock.read_bytes()
    site.write(WITH_HELPER)
    site.up()
    newer = site.lock.read_bytes()
    site.run("rollback", "train.toml")
    assert site.up("--keep-rollback")["rolled_back"] is True
    site.write()
    site.lock.write_bytes(committed)
    for _ in range(2):
        told = site.run("status", "train.toml")
        assert told.returncode == 0, told.stdout
        assert "rolled back" not in told.stdout
        assert (site.up()["rolled_back"], active(site)) == (False, "0001")
    # A later update is not taken for the one that was rolled back.
    site.write(WITH_HELPER)
    site.lock.write_bytes(newer)
    assert site.up()["rolled_back"] is False
    assert active(site) == "0002"


@pytest.mark.parametrize("ways", [(("1",), ("1",)), (("3",), ("1",)), ((), ()), (("1",), ("3",))], ids=str)
def test_after_two_rollbacks_up_still_knows_what_was_left(site: Site, ways: tuple[tuple[str, ...], ...]) -> None:
    site.offer(build_wheel(site.root / "built", "other", "1.0"))
    site.write('[packages]\nrequirements = ["helper", "other"]\n')
    site.up()
    assert active(site) == "0004"
    for way in ways:
        assert site.run("rollback", "train.toml", *way).returncode == 0
    here = int(active(site))
    refused = site.run("up", "train.toml")
    told = f"generation {here}, and profile and lock still ask for what generation 4 is"
    assert f"error[rolled-back]: `train` was rolled back to {told}" in refused.stderr
    assert site.run("rollback", "train.toml", "4").returncode == 0
    assert json.loads(site.run("status", "train.toml", "--json").stdout)["environments"][0]["state"] == "verified"
    assert site.up()["already"] is True


def test_a_rollback_to_what_is_damaged_since_is_taken_back(site: Site) -> None:
    site.run("rollback", "train.toml")
    (library,) = site.home.glob(f"data/environments/*/generations/0001/{LIBRARY}")
    (library / "tensorflow" / "__init__.py").unlink()
    assert site.up()["already"] is True
    assert active(site) == "0003"


@pytest.mark.parametrize("stays", [True, False])
def test_repair_does_not_take_a_rollback_back_in_silence(site: Site, stays: bool) -> None:
    site.run("rollback", "train.toml")
    if stays:
        site.run("up", "train.toml", "--keep-rollback")
    assert json.loads(site.run("repair", "train.toml", "--json").stdout)["rolled_back"] is True
    (library,) = site.home.glob(f"data/environments/*/generations/0001/{LIBRARY}")
    module = library / "tensorflow" / "__init__.py"
    module.unlink()
    refused = site.run("repair", "train.toml")
    assert refused.returncode == 2
    assert (
        "hint: `tfprov rollback train.toml 1` mends generation 1 from its image; `tfprov up train.toml "
        "--no-keep-rollback` goes forward again" in refused.stderr
    )
    assert active(site) == "0001"
    # The hint holds.
    assert site.run("rollback", "train.toml", "1").returncode == 0
    assert module.exists()
    assert active(site) == "0001"
    site.up("--no-keep-rollback")
    assert active(site) == "0003"
    assert site.run("repair", "train.toml").returncode == 0


@pytest.mark.parametrize(("answer", "generation"), [("y\n", "0003"), ("\n", "0001")])
def test_at_a_terminal_up_asks(site: Site, answer: str, generation: str) -> None:
    pty = pytest.importorskip("pty", reason="Windows has no pseudo-terminals of that kind")
    site.run("rollback", "train.toml")
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        site.command("up", "train.toml"),
        env=site.environ(),
        cwd=site.root,
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
    )
    os.close(theirs)
    said = b""
    while b"Go forward again? [y/N] " not in said:
        said += os.read(ours, 1000)
    os.write(ours, answer.encode())
    done.communicate(timeout=120)
    os.close(ours)
    assert done.returncode == 0
    assert active(site) == generation


def test_doctor_does_not_hold_it_against_the_lock_of_another_generation(site: Site) -> None:
    site.run("rollback", "train.toml")
    done = site.run("doctor", "train.toml")
    assert "package-drift" not in done.stdout
    assert (
        "expected generation 3, which profile and lock ask for; found generation 1, which it was rolled back to"
        in done.stdout
    )
    assert "fix: `tfprov up train.toml --no-keep-rollback` goes forward again" in done.stdout
