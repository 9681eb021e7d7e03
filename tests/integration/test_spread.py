"""Damage that spreads through links, and environments that were moved. Real environments; only TensorFlow is a sham."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from site_under_test import LIBRARY, RELEASE, Site, only_here, sham_wheel
from snapshots import Snapshot
from tfprov.envs import fronts, layout
from tfprov.envs.generations import environments
from wheels import build_wheel

pytestmark = only_here
GOOD = "__version__ = '1.0'\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Snapshot[Site]:
    found = Site.make(tmp_path_factory.mktemp("made"))
    built = found.root / "built"
    found.offer(sham_wheel(built, RELEASE), build_wheel(built, "helper", "1.0"), build_wheel(built, "another", "1.0"))
    found.write('[packages]\nrequirements = ["helper"]\n')
    found.up()
    return Snapshot(found)


@pytest.fixture
def site(made: Snapshot[Site]) -> Site:
    """An environment with `helper`."""
    return made.restore()


def helpers(site: Site) -> list[Path]:
    used = [environment.active() for environment in environments(site.home / "data" / "environments")]
    return [path for generation in used if generation for path in generation.path.glob(f"{LIBRARY}/helper.py")]


def edit(path: Path) -> None:
    """Write into a file in place, so that its size stays and all who link to it are hit."""
    with path.open("r+") as stream:
        stream.write(GOOD.replace("1", "7"))


def test_an_edit_in_place_is_noticed_by_up_and_put_right(site: Site) -> None:
    (helper,) = helpers(site)
    edit(helper)
    done = site.run("up", "train.toml")
    assert done.returncode == 0, done.stderr
    assert "is damaged: 1 altered file" in done.stderr
    assert "the image has 1 damaged file" in done.stderr
    assert [path.read_text() for path in helpers(site)] == [GOOD]
    again = site.up()
    assert again["already"] is True


def test_an_edit_in_place_does_not_come_back_through_the_installers_cache(site: Site) -> None:
    (helper,) = helpers(site)
    edit(helper)
    # Another lock: there is no image of it, and uv links what it has unpacked.
    site.write('[packages]\nrequirements = ["helper", "another"]\n')
    done = site.run("up", "train.toml", "--verbose")
    assert done.returncode == 0, done.stderr
    assert [path.read_text() for path in helpers(site)] == [GOOD]
    assert "its unpacked files were modified" in done.stderr


def test_an_edit_in_place_in_one_environment_is_put_right_in_the_other(site: Site) -> None:
    other = site.root / "other.toml"
    other.write_text(site.profile.read_text().replace('"train"', '"other"'))
    (site.root / "pylock.other.toml").write_bytes(site.lock.read_bytes())
    assert site.run("up", "other.toml").returncode == 0
    first, second = helpers(site)
    edit(first)
    assert second.read_text() != GOOD, "without links there is nothing to test"
    for profile in ("train.toml", "other.toml"):
        done = site.run("up", profile)
        assert done.returncode == 0, done.stderr
    assert [path.read_text() for path in helpers(site)] == [GOOD, GOOD]


def test_a_moved_home_is_made_anew_and_its_commands_start(site: Site) -> None:
    site.home.rename(site.root / "moved home")
    site.extra = {"TFPROV_HOME": str(site.root / "moved home")}
    refused = site.run("run", "train.toml", "--", "pip", "--version")
    assert refused.returncode == 2, refused.stderr
    assert "error[environment-moved]" in refused.stderr
    found = site.run("doctor", "train.toml")
    assert found.returncode == 2
    assert "environment-moved" in found.stdout
    done = site.run("up", "train.toml")
    assert done.returncode == 0, done.stderr
    assert site.run("run", "train.toml", "--", "pip", "--version").returncode == 0
    assert site.run("doctor", "train.toml").returncode == 0


def test_a_moved_project_takes_its_link_along(tmp_path: Path) -> None:
    site = Site.make(tmp_path)
    site.offer(sham_wheel(site.root / "built", RELEASE))
    site.write('[environment]\npath = ".venv"\n')
    site.extra = {"TFPROV_HOME": str(tmp_path / "home")}
    site.up()
    site.root.rename(tmp_path / "elsewhere")
    moved = Site(tmp_path / "elsewhere", extra=site.extra)
    moved.write('[environment]\npath = ".venv"\n')
    moved.up()
    assert str(tmp_path / "home") in fronts.followed(str(moved.root / ".venv"))
    done = subprocess.run(
        [layout.executables_in(moved.root / ".venv") / "pip", "--version"], check=False, capture_output=True
    )
    assert done.returncode == 0
