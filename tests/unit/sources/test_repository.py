from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tfprov.lock.records import LockedSource
from tfprov.sources.repository import check_out

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=True).stdout


def repository(folder: Path, content: str) -> Path:
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "setup.py").write_text(content)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def state(folder: Path) -> tuple[str, ...]:
    return tuple(git(folder, *each.split()) for each in ("status --branch --short", "for-each-ref", "config --list"))


def test_a_source_is_checked_out_and_the_repository_of_a_hook_is_not_touched(tmp_path: Path) -> None:
    """In a hook, and under `git rebase --exec`, git's own variables name the user's repository."""
    source, users = repository(tmp_path / "source", "source"), repository(tmp_path / "users", "mine")
    commit = git(source, "rev-parse", "HEAD").strip()
    before = state(users)
    target = tmp_path / "target"
    target.mkdir()
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_DIR": str(users / ".git")}
    environ |= {"GIT_WORK_TREE": str(users), "GIT_INDEX_FILE": str(users / ".git/index"), "GIT_PREFIX": "sub/"}
    wanted = LockedSource(name="x", version="1.0", repository=source.as_uri(), commit=commit)
    check_out(wanted, target, environ=environ)
    assert (target / "setup.py").read_text() == "source"
    assert state(users) == before
    assert (users / "setup.py").read_text() == "mine"
