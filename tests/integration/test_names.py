"""The command that `up` prints leads to the environment that it made, whatever else has the same name."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from site_under_test import LIBRARY, RELEASE, Site, only_here, sham_wheel
from snapshots import Snapshot

pytestmark = only_here


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Snapshot[Site]:
    """With an environment of a profile in the folder `first`."""
    found = Site.make(tmp_path_factory.mktemp("made"))
    found.offer(sham_wheel(found.root / "built", RELEASE))
    found.write()
    used(found, checkout(found, "first", "first"), "up")
    return Snapshot(found)


@pytest.fixture
def site(made: Snapshot[Site]) -> Site:
    return made.restore()


def checkout(site: Site, folder: str, name: str) -> Path:
    place = site.root / folder
    place.mkdir(parents=True)
    profile = site.profile.read_text(encoding="utf-8").replace('name = "train"', f'name = "{name}"')
    (place / "tfprov.toml").write_text(profile, encoding="utf-8")
    return place


def used(site: Site, place: Path, *command: str) -> str:
    """The prefix of the environment that the printed command leads to."""
    done = site.run(*command, cwd=place)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("  use "))
    printed = shlex.split(line)[2:]
    assert printed[0] == "run"
    ran = site.run(*printed, "-c", "import sys; print(sys.prefix)", cwd=place)
    assert ran.returncode == 0, f"{line}\n{ran.stderr}"
    return ran.stdout.strip()


@pytest.mark.parametrize(
    ("folder", "name"),
    [("second", "first"), ("shipped", "cpu"), ("nested", "nested"), ("ordinary", "ordinary")],
    ids=["two checkouts", "a shipped profile", "a folder of that name", "nothing else"],
)
def test_the_printed_command_leads_to_the_environment(site: Site, folder: str, name: str) -> None:
    place = checkout(site, folder, name)
    (place / "nested").mkdir()
    made = Path(used(site, place, "up"))
    owner = (made.parents[1] / "owner.json").read_text(encoding="utf-8")
    assert json.loads(owner)["profile"] == str(place / "tfprov.toml")
    assert used(site, place, "up") == str(made)
    shutil.rmtree(next(made.glob(f"{LIBRARY}/tensorflow")))
    used(site, place, "repair")
