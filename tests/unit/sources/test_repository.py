from __future__ import annotations

import contextlib
import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tfprov.errors import TfprovError
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


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is that of the base class
        """Print nothing."""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


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


def test_a_submodule_is_not_a_repository_of_this_machine_unless_its_own_is(tmp_path: Path) -> None:
    mine = repository(tmp_path / "mine", "secret")
    commit = git(mine, "rev-parse", "HEAD").strip()
    theirs = repository(tmp_path / "theirs", "theirs")
    (theirs / ".gitmodules").write_text(f'[submodule "sub"]\n\tpath = sub\n\turl = {mine.as_uri()}\n')
    git(theirs, "update-index", "--add", "--cacheinfo", f"160000,{commit},sub")
    git(theirs, "add", ".gitmodules")
    git(theirs, "commit", "-q", "-m", "second")
    git(theirs, "update-server-info")
    wanted = LockedSource(name="x", version="1.0", commit=git(theirs, "rev-parse", "HEAD").strip())
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    for name in ("local", "remote"):
        (tmp_path / name).mkdir()
    check_out(replace(wanted, repository=theirs.as_uri()), tmp_path / "local", environ=environ)
    assert (tmp_path / "local/sub/setup.py").read_text() == "secret"
    with serving(theirs / ".git") as address, pytest.raises(TfprovError, match=r"cannot be fetched") as refused:
        check_out(replace(wanted, repository=address), tmp_path / "remote", environ=environ)
    assert "transport 'file' not allowed" in str(refused.value.evidence)
    assert not (tmp_path / "remote/sub/setup.py").exists()
