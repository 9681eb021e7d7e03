"""What a project and a machine are left with: nothing in commits, and nothing on the disk after two commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from site_under_test import RELEASE, Site, only_here, sham_wheel
from tfprov.envs import layout

pytestmark = only_here


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = Site.make(tmp_path, is_new=True)
    found.offer(sham_wheel(found.root / "built", RELEASE))
    found.write('[environment]\npath = ".venv"\n')
    return found


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_the_link_to_the_environment_is_not_committed(site: Site) -> None:
    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(
            command, cwd=site.root, env=site.environ(), capture_output=True, text=True, check=True
        ).stdout

    git("init", "-q")
    # What people write, and what does not match a link.
    (site.root / ".gitignore").write_text(".venv/\nhome/\nindex/\nbuilt/\n")
    site.up()
    assert (site.root / ".venv").is_symlink()
    git("add", "-A")
    assert git("ls-files").split() == [".gitignore", "pylock.train.toml", "train.toml"]
    site.run("remove", "train.toml", "--yes")
    assert "tfprov" not in (site.root / ".git" / "info" / "exclude").read_text()


def test_two_commands_leave_nothing_but_records(site: Site) -> None:
    site.up()
    other = site.root / "other.toml"
    other.write_text(site.profile.read_text().replace('name = "train"', 'name = "other"').replace(".venv", ".other"))
    assert site.run("up", "other.toml").returncode == 0
    folders = json.loads(site.run("cache", "info", "--json").stdout)["folders"]
    # The second is made of links to the files of the first.
    assert {one["what"] for one in folders if one["files"]} >= {"environments", "wheels"}
    with subprocess.Popen(
        [layout.python_in(site.root / ".other"), "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as job:
        assert job.stdout is not None
        job.stdout.readline()
        refused = site.run("remove", "--all", "--yes")
        assert refused.returncode == 2
        assert f"in use by pid {job.pid} (" in refused.stderr
        assert layout.python_in(site.root / ".venv").exists()
        job.communicate(b"\n")
    assert site.run("remove", "--all").returncode == 2
    removed = site.run("remove", "--all", "--yes")
    assert removed.stdout.splitlines()[:2] == ["other is removed", "train is removed"]
    assert not os.path.lexists(site.root / ".venv")
    assert not os.path.lexists(site.root / ".other")
    assert site.run("cache", "clear").returncode == 0
    left = [path.relative_to(site.home) for path in site.home.rglob("*") if path.is_file()]
    assert {path.parts[0] for path in left if (site.home / path).stat().st_size} == {"state", "cache"}
    assert sum((site.home / path).stat().st_size for path in left if path.parts[0] == "cache") < 100_000
    assert "there is no environment" in site.run("remove", "--all", "--yes").stdout
