from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tfprov.envs import git

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
NAMES = [".venv", "an env", "env[1]", "sub/deep/.venv", "#env", "!env", "ënv*", "trailing "]


def run(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=True).stdout


def linked(folder: Path, name: str) -> Path:
    link = folder / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to("/nowhere")
    return link


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "a project"
    folder.mkdir()
    run(folder, "init", "-q")
    (folder / "tfprov.toml").write_text("")
    return folder


def test_a_linked_exclude_file_stays_a_link(repository: Path) -> None:
    shared, file = repository.parent / "shared", repository / ".git/info/exclude"
    shared.write_text("*.tmp\n")
    file.unlink(missing_ok=True)
    file.symlink_to(shared)
    git.exclude(repository / ".venv")
    assert (file.is_symlink(), shared.read_text()) == (True, "*.tmp\n# a link that tfprov makes\n/.venv\n")
    git.forget(repository / ".venv")
    assert (file.is_symlink(), shared.read_text()) == (True, "*.tmp\n")


@pytest.mark.parametrize("name", NAMES)
def test_git_does_not_add_the_link_and_nothing_else_is_left_out(repository: Path, name: str) -> None:
    link = linked(repository, name)
    (repository / "other.venv").write_text("")
    git.exclude(link)
    git.exclude(link)
    run(repository, "add", "-A")
    assert run(repository, "status", "--short").splitlines() == ["A  other.venv", "A  tfprov.toml"]
    assert (repository / ".git" / "info" / "exclude").read_text().count("tfprov") == 1


@pytest.mark.parametrize("before", ["", "mine\n", "# a comment\nmine", "a\r\nb\r\n"])
def test_what_was_written_goes_and_what_others_wrote_stays(repository: Path, before: str) -> None:
    file = repository / ".git" / "info" / "exclude"
    file.write_bytes(before.encode())
    git.exclude(repository / ".venv")
    git.forget(repository / ".venv")
    assert file.read_bytes().decode().removesuffix("\n") == before.removesuffix("\n")


def test_a_worktree_has_the_exclusions_of_its_repository(repository: Path, tmp_path: Path) -> None:
    run(repository, "add", "-A")
    run(repository, "commit", "-qm", "one")
    tree = tmp_path / "tree"
    run(repository, "worktree", "add", "-q", str(tree))
    git.exclude(linked(tree, ".venv"))
    run(tree, "add", "-A")
    assert run(tree, "status", "--short") == ""


def test_outside_a_repository_nothing_is_written(tmp_path: Path) -> None:
    git.exclude(linked(tmp_path, ".venv"))
    assert [path.name for path in tmp_path.iterdir()] == [".venv"]


def test_a_repository_that_cannot_be_written_is_no_failure(repository: Path) -> None:
    file = repository / ".git" / "info" / "exclude"
    file.unlink(missing_ok=True)
    file.mkdir()
    git.exclude(linked(repository, ".venv"))
    git.forget(repository / ".venv")
