"""What `up` does when there is nothing to do, and how it ends: all of it without a network."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from fingerprints import here
from outcomes import SEAL, with_python
from tfprov.envs.fronts import followed
from tfprov.envs.generations import Environment
from tfprov.envs.layout import python_in
from tfprov.envs.records import Generation
from tfprov.errors import TfprovError
from tfprov.events import Event, Note, StageStarted
from tfprov.journal import journals, read
from tfprov.pipeline import stages
from tfprov.pipeline.context import Context, Request
from tfprov.pipeline.up import up


class BuildReachedError(Exception):
    """Instead of deciding, fetching and building."""


@pytest.fixture(autouse=True)
def no_build(monkeypatch: pytest.MonkeyPatch) -> None:
    def reach(context: Context) -> object:
        raise BuildReachedError

    monkeypatch.setattr(stages, "gather_facts", reach)


class Project:
    """A folder with a profile, a lock, and an environment that was verified for both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.profile = folder / "train.toml"
        self.profile.write_text('name = "train"\nenvironment.path = ".venv"\n')
        self.lock = folder / "pylock.train.toml"
        self.lock.write_text("locked")
        self.events: list[Event] = []
        context = Context(self.request(), lambda _event: None)
        self.environment: Environment = context.environment
        self.environment.claim()
        generation = self.environment.begin()
        with_python(generation.path)
        (generation.path / "module.py").write_text("x = 1\n")
        seal = replace(
            SEAL,
            profile_digest=context.loaded.digest,
            lock_digest=hashlib.sha256(self.lock.read_bytes()).hexdigest(),
            python=sys.executable,
            proofs=(here(sys.executable),),
        )
        self.generation: Generation = self.environment.seal(generation, seal)
        self.environment.activate(self.generation)

    def request(self, **changes: object) -> Request:
        request = Request(profile="train.toml", cwd=self.folder, environ={"TFPROV_HOME": str(self.folder / "home")})
        return replace(request, **changes)  # type: ignore[arg-type]  # fields of the request

    def journal(self) -> list[dict[str, object]]:
        folder = self.folder / "home" / "state" / "journals" / self.environment.id
        return list(read(journals(folder)[0]))

    def warnings(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Note) and event.level == "warning"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_a_verified_environment_needs_only_its_profile_read(project: Project) -> None:
    outcome = up(project.request(), project.events.append)
    assert outcome.already
    assert outcome.generation == project.generation
    assert [event.stage for event in project.events if isinstance(event, StageStarted)] == ["profile"]
    assert project.warnings() == []
    assert (outcome.bytes_fetched, outcome.attempts, outcome.verdict) == (0, (), None)
    assert project.journal()[-1]["event"] == "End"
    assert project.journal()[-1]["code"] is None


@pytest.mark.skipif(os.name != "posix", reason="elsewhere the stable path is a folder, and not a link")
def test_a_deleted_link_is_made_again(project: Project) -> None:
    (project.folder / ".venv").unlink()
    assert up(project.request(), project.events.append).already
    assert (project.folder / ".venv" / "module.py").exists()


@pytest.mark.parametrize(
    "change",
    [
        "profile",
        "lock",
        "no lock",
        "override",
        "upgrade",
        "recreate",
        "seal",
        "missing file",
        "edit in place",
        "interpreter",
        "machine",
        "older seal",
    ],
)
def test_whatever_changed_leads_to_more_than_nothing(project: Project, change: str) -> None:
    request = project.request()
    if change == "profile":
        project.profile.write_text(project.profile.read_text() + "# more\n")
    if change == "lock":
        project.lock.write_text("changed")
    if change == "no lock":
        project.lock.unlink()
    if change == "override":
        request = project.request(overrides=("smoke.level=deep",))
    if change == "upgrade":
        request = project.request(upgrade=True)
    if change == "recreate":
        request = project.request(recreate=True)
    if change == "seal":
        (project.generation.path / "tfprov.json").unlink()
    if change == "missing file":
        (project.generation.path / "module.py").unlink()
    if change == "edit in place":
        target = project.generation.path / "module.py"
        target.write_bytes(target.read_bytes().upper())
        os.utime(target, ns=(1, 1))
    if change == "interpreter":
        python_in(project.generation.path).unlink()
    if change in ("machine", "older seal"):
        proofs = (replace(here(sys.executable), libc="glibc 2.1"),) if change == "machine" else ()
        assert project.generation.seal is not None
        project.environment.reseal(project.generation, replace(project.generation.seal, proofs=proofs))
    with pytest.raises(BuildReachedError):
        up(request, project.events.append)
    warned = {
        "machine": "is not the one that was proved (C library: glibc 2.1 then, ",
        "older seal": "is not the one that was proved (machine: not written down by the older tfprov that proved it)",
        "missing file": "is damaged: 1 missing file, `module.py`",
        "edit in place": "is damaged: 1 altered file, `module.py`",
        "interpreter": "is unusable: its interpreter is gone",
    }
    assert (change in warned) == bool(project.warnings())
    assert all(warned[change] in text for text in project.warnings())
    # Whatever comes of it, what was in use still is.
    assert followed(str(project.folder / ".venv")) == str(project.generation.path.resolve())
    assert project.journal()[-1]["code"] == "internal"


def test_a_home_that_was_moved_is_no_verified_environment_any_more(project: Project) -> None:
    (project.folder / "home").rename(project.folder / "other")
    with pytest.raises(BuildReachedError):
        up(project.request(environ={"TFPROV_HOME": str(project.folder / "other")}), project.events.append)
    (warning,) = project.warnings()
    assert f"is unusable: it was made in `{project.folder / 'home'}" in warning


def test_what_stands_at_the_path_of_the_profile_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "train.toml").write_text('name = "train"\nenvironment.path = ".venv"\n')
    (tmp_path / ".venv").mkdir()
    request = Request(profile="train.toml", cwd=tmp_path, environ={"TFPROV_HOME": str(tmp_path / "home")})
    with pytest.raises(TfprovError) as failure:
        up(request, lambda _event: None)
    assert failure.value.code.name == "path-not-ours"
    assert not (tmp_path / "home").exists()


def test_a_failure_is_in_the_journal_with_all_that_is_known(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_context: Context) -> object:
        raise TfprovError("net-dns", "no such host", evidence=("https://me:pw@host",), tried=("normal",), hint="look")

    monkeypatch.setattr(stages, "gather_facts", fail)
    with pytest.raises(TfprovError):
        up(project.request(recreate=True), project.events.append)
    end = project.journal()[-1]
    del end["at"]
    assert end == {
        "event": "End",
        "code": "net-dns",
        "what": "no such host",
        "evidence": ["https://****@host"],
        "tried": ["normal"],
        "hint": "look",
    }


def test_ctrl_c_is_in_the_journal(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_context: Context) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(stages, "gather_facts", stop)
    with pytest.raises(KeyboardInterrupt):
        up(project.request(recreate=True), project.events.append)
    assert project.journal()[-1]["code"] == "interrupted"


def test_a_verified_environment_is_told_without_waiting(project: Project) -> None:
    with project.environment.locked():
        assert up(project.request(), project.events.append).already
    assert project.warnings() == []


def test_what_a_killed_run_left_is_deleted_beside_a_verified_environment(project: Project) -> None:
    left = project.environment.begin().path
    (left / "half").write_text("half")
    assert up(project.request(), project.events.append).already
    assert not left.exists()
    assert project.generation.path.exists()


def test_what_another_run_is_making_is_left_alone(project: Project) -> None:
    with project.environment.locked():
        making = project.environment.begin().path
        assert up(project.request(), project.events.append).already
        assert making.exists()
    assert project.warnings() == []


def test_leftovers_that_cannot_be_deleted_are_no_failure(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.environment.begin()

    def refuse(_environment: Environment) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Environment, "sweep", refuse)
    assert up(project.request(), project.events.append).already


def test_a_second_run_says_that_it_waits_and_then_goes_on(project: Project) -> None:
    (project.environment.root / "owner.json").unlink()  # it has something to put right
    noticed, held = threading.Event(), threading.Event()

    def hold() -> None:
        with project.environment.locked():
            held.set()
            noticed.wait()

    def listen(event: Event) -> None:
        project.events.append(event)
        if isinstance(event, Note):
            noticed.set()

    first = threading.Thread(target=hold, daemon=True)
    first.start()
    held.wait()
    assert up(project.request(), listen).already
    first.join()
    assert project.warnings() == ["another tfprov is working on `train`: waiting for it"]


def test_a_mistake_in_the_profile_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "train.toml").write_text("nam = 1\n")
    request = Request(profile="train.toml", cwd=tmp_path, environ={"TFPROV_HOME": str(tmp_path / "home")})
    with pytest.raises(TfprovError):
        up(request, lambda _event: None)
    assert not (tmp_path / "home").exists()
