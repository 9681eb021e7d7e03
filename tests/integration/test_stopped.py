"""Commands that are stopped in the middle of deleting, and go on when others have changed everything.

`TFPROV_RACE_ROUNDS` says how many random pairs of commands meet; the gate does a few.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crashes import Catalogue, Site, not_as_recorded
from loopback import Faults, Index

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the tiny wheels are tagged for Linux"),
    pytest.mark.skipif(not (3, 10) <= sys.version_info[:2] <= (3, 13), reason="TensorFlow 2.20 has no wheel for it"),
]

ROUNDS = int(os.environ.get("TFPROV_RACE_ROUNDS", "3"))
RECREATE = ("up", "train.toml", "--recreate")
PRUNE = ("cache", "prune")
COMMANDS = (RECREATE, ("rollback", "train.toml"), ("repair", "train.toml"), PRUNE, ("cache", "clear"))
# What a command may answer instead of doing its work: nothing to go back to; a run uses what would be cleared.
REFUSALS = ("environment-missing", "lock-timeout")
PATIENCE_S = 4.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An environment with as many generations as are kept, so that the next one puts the oldest aside."""
    catalogue = Catalogue(tmp_path_factory.mktemp("stock"), modules=100, ballast=40_000)
    with Index(catalogue.files, Faults(metadata=True)) as index:
        found = Site(tmp_path_factory.mktemp("site"), catalogue, index)
        found.ask_for(found.state)
        assert found.finish(found.state) == []
        for _ in range(3):
            done(found, *RECREATE)
        yield found


def done(site: Site, *arguments: str) -> None:
    finished = site.run(*arguments)
    assert finished.returncode == 0, finished.stderr


def generations(site: Site) -> list[Path]:
    return [
        path for path in site.disk.glob("home/data/environments/*/generations/*") if (path / "tfprov.json").exists()
    ]


def asides(site: Site) -> list[Path]:
    return list(site.disk.glob("home/data/environments/*/generations/*.aside"))


def wrong(site: Site) -> list[str]:
    """What does not hold of the environment in use, and of those that one could go back to."""
    return site.wrong(site.state) + [one for path in generations(site) for one in not_as_recorded(path)]


@pytest.fixture(scope="module")
def pruned(site: Site) -> int:
    """How many changes a prune makes after one more generation."""
    done(site, *PRUNE)
    done(site, *RECREATE)
    assert asides(site)
    return site.changes(*PRUNE)


@pytest.mark.parametrize("part", [0.02, 0.4, 0.7])
def test_a_prune_that_was_stopped_deletes_nothing_of_what_was_made_meanwhile(
    site: Site, pruned: int, part: float
) -> None:
    assert pruned > 200
    done(site, *RECREATE)
    assert asides(site)
    with site.stopped(int(pruned * part), *PRUNE) as prune:
        done(site, *RECREATE)
        assert prune.poll() is None
    assert prune.returncode == 0
    assert wrong(site) == []


def test_a_run_whose_image_is_dropped_while_it_links_from_it_installs_from_the_wheels(site: Site) -> None:
    done(site, "remove", "train.toml", "--yes")
    (image,) = site.disk.glob("home/data/images/*")
    # Nobody knows of this image but the run that has begun to link from it.
    changes = site.changes("up", "train.toml")
    done(site, "remove", "train.toml", "--yes")
    with site.stopped(changes // 2, "up", "train.toml") as up:
        done(site, *PRUNE)
        assert not image.exists()
        assert up.poll() is None
    assert up.returncode == 0, site.said.read_text()
    assert wrong(site) == []


def test_clearing_is_refused_while_a_run_may_use_what_is_unpacked(site: Site) -> None:
    done(site, *RECREATE)  # with an image to link from, whatever the test before left
    with site.stopped(site.changes(*RECREATE) // 2, *RECREATE) as up:
        cleared = site.run("cache", "clear", "--json")
        assert json.loads(cleared.stdout)["error"]["code"] == "lock-timeout"
        assert up.poll() is None
    assert up.returncode == 0
    assert wrong(site) == []


def test_an_environment_that_is_being_removed_can_be_made_again(site: Site) -> None:
    with site.stopped(300, "remove", "train.toml", "--yes") as remove:
        done(site, "up", "train.toml")
        assert remove.poll() is None
    assert remove.returncode == 0
    assert wrong(site) == []


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_two_commands_of_which_one_is_stopped_at_random_leave_every_environment_whole(site: Site, seed: int) -> None:
    chance = random.Random(seed)
    first, second = chance.choice(COMMANDS), chance.choice(COMMANDS)
    # At least one that makes something of what others delete.
    second = RECREATE if RECREATE not in (first, second) else second
    done(site, *RECREATE)
    total = max(1, site.changes(*first))
    done(site, *RECREATE)
    with site.stopped(chance.randint(1, total), *first) as stopped, (site.root / "second.txt").open("wb") as stream:
        other = subprocess.Popen(
            site.command(*second), env=site.environ(), cwd=site.project, stdout=stream, stderr=stream
        )
        # One that waits for the lock of the other ends after it.
        with contextlib.suppress(subprocess.TimeoutExpired):
            other.wait(PATIENCE_S)
    other.wait(300)
    for process, said in ((stopped, site.said), (other, site.root / "second.txt")):
        text = said.read_text(encoding="utf-8")
        assert process.returncode == 0 or any(f"error[{code}]" in text for code in REFUSALS), text
    assert wrong(site) == []
    done(site, *PRUNE)
    assert list((site.disk / "home").rglob("*.trash")) == []
