"""What pip and uv changed in the environment in use is seen, told, and taken, dropped or left."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sdists
from site_under_test import RELEASE, Site, only_here, sham_wheel
from snapshots import Snapshot
from tfprov.envs import layout
from wheels import build_wheel

pytestmark = only_here


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Snapshot[Site]:
    found = Site.make(tmp_path_factory.mktemp("made"))
    wheels = [build_wheel(found.root / "built", "helper", version) for version in ("1.0", "2.0")]
    extra = build_wheel(found.root / "built", "Sea_Born", "0.13", requires=("colours",))
    found.offer(
        sham_wheel(found.root / "built", RELEASE), *wheels, extra, build_wheel(found.root / "built", "colours", "1")
    )
    found.write('[packages]\nrequirements = ["helper==1.0"]\n')
    found.up()
    return Snapshot(found)


@pytest.fixture
def site(made: Snapshot[Site]) -> Site:
    """An environment with `helper`."""
    return made.restore()


def current(site: Site) -> Path:
    return next(site.home.glob("data/environments/*/current"))


def by_hand(site: Site, tool: str, *arguments: str) -> None:
    python = layout.python_in(current(site))
    if tool == "pip":
        command = [str(python), "-m", "pip", *arguments, *(("--yes",) if arguments[0] == "uninstall" else ())]
    else:
        uv = shutil.which("uv", path=Path(sys.executable).parent)
        if uv is None:
            pytest.skip("uv is not installed")
        command = [uv, "pip", arguments[0], "--python", str(python), *arguments[1:]]
    index = ("--index-url", (site.root / "index").as_uri()) if arguments[0] == "install" else ()
    subprocess.run([*command, *index], env=site.environ(), check=True, capture_output=True)


def has(site: Site, module: str) -> bool:
    return site.run("run", "train.toml", "--", "python", "-c", f"import {module}").returncode == 0


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_what_was_installed_by_hand_is_told_and_stays_until_it_is_dropped(site: Site, tool: str) -> None:
    by_hand(site, tool, "install", "sea-born")
    for _ in range(2):
        said = site.run("up", "train.toml")
        assert said.returncode == 0
        assert "installed by hand in generation 1 and never proved: + colours 1, + sea-born 0.13;" in said.stderr
        assert "`tfprov up train.toml --drift take` writes it into the profile" in said.stderr
        assert "already verified" in said.stdout
    # The profile changes for another reason: what is left behind is named.
    site.write('[packages]\nrequirements = ["helper==2.0"]\n')
    said = site.run("up", "train.toml")
    assert "installed by hand in generation 1 and not in what is made now: + colours 1, + sea-born 0.13" in said.stderr
    assert not has(site, "Sea_Born")
    by_hand(site, tool, "install", "sea-born")
    said = site.run("up", "train.toml", "--drift", "drop")
    assert "changed by hand since it was verified: + colours 1, + sea-born 0.13; making" in said.stderr
    assert not has(site, "Sea_Born")
    assert "by hand" not in site.run("up", "train.toml").stderr


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_what_was_installed_by_hand_is_taken_into_the_profile(site: Site, tool: str) -> None:
    by_hand(site, tool, "install", "sea-born")
    done = site.run("up", "train.toml", "--drift", "take")
    assert done.returncode == 0, done.stderr
    assert "`train.toml` asks for `sea-born==0.13` now" in done.stderr
    assert "by hand" not in done.stderr
    assert 'requirements = ["helper==1.0", "sea-born==0.13"]' in site.profile.read_text()
    assert "by hand" not in site.run("up", "train.toml").stderr
    assert has(site, "Sea_Born")
    nothing = site.run("up", "train.toml", "--drift", "take")
    assert "error[usage]: nothing was installed by hand" in nothing.stderr


def test_what_came_from_a_folder_is_taken_from_there(site: Site) -> None:
    folder = site.root / "my own"
    folder.mkdir()
    for name, text in sdists.project("mine", "0.1").items():
        (folder / name).write_text(text)
    by_hand(site, "uv", "install", str(folder))
    done = site.run("up", "train.toml", "--drift", "take")
    assert done.returncode == 0, done.stderr
    assert f"mine @ {folder.as_uri()}" in site.profile.read_text()
    assert "by hand" not in site.run("up", "train.toml").stderr
    assert has(site, "mine")


def test_what_cannot_be_had_again_is_not_left_in_the_profile(site: Site) -> None:
    by_hand(site, "uv", "install", "sea-born")
    shutil.rmtree(site.root / "index" / "sea-born")
    lock = site.profile.with_name("pylock.train.toml")
    before = site.profile.read_bytes(), lock.read_bytes()
    failed = site.run("up", "train.toml", "--drift", "take")
    assert failed.returncode == 15
    assert "`train.toml` is as it was" in failed.stderr
    assert (site.profile.read_bytes(), lock.read_bytes()) == before
    assert site.run("up", "train.toml").returncode == 0
    assert site.run("up", "train.toml", "--drift", "drop").returncode == 0
    assert not has(site, "Sea_Born")


@pytest.mark.parametrize("tool", ["pip", "uv"])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("install", "helper==2.0"), "helper 1.0 -> 2.0"),
        (("uninstall", "helper"), "- helper 1.0"),
    ],
)
def test_what_was_changed_or_removed_by_hand_is_told_and_made_anew(
    site: Site, tool: str, change: tuple[str, ...], told: str
) -> None:
    by_hand(site, tool, *change)
    said = site.run("up", "train.toml")
    assert said.returncode == 0
    assert f"changed by hand since it was verified: {told}; making the environment of the lock anew" in said.stderr
    assert has(site, "helper")
    assert site.run("doctor", "train.toml").returncode == 0
