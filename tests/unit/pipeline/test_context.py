from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import hosts
from tfprov.errors import TfprovError
from tfprov.events import Attempt, Event, StageEnded, StageStarted, ignore
from tfprov.host.facts import dump
from tfprov.pipeline.context import Context, Request, read_profile, stage


def context_of(
    folder: Path, text: str = 'name = "train"\n', profile: str = "train.toml"
) -> tuple[Context, list[Event]]:
    (folder / "train.toml").write_text(text)
    events: list[Event] = []
    request = Request(profile=profile, cwd=folder, environ={"TFPROV_HOME": str(folder / "home")})
    return Context(request, events.append), events


def test_a_good_stage_gives_its_record_and_leaves_its_time_and_two_events(tmp_path: Path) -> None:
    context, events = context_of(tmp_path)

    @stage("count")
    def count(_context: Context, number: int, *, more: int = 0) -> int:
        return number + more

    assert count(context, 1, more=2) == 3
    assert [name for name, _ in context.seconds] == ["count"]
    first, last = events
    assert first == StageStarted(stage="count")
    assert isinstance(last, StageEnded)
    assert (last.stage, last.code) == ("count", None)


@pytest.mark.parametrize(
    ("error", "code", "raised"),
    [
        (TfprovError("net-dns", "no such host"), "net-dns", TfprovError),
        (OSError(28, "No space left on device", "/x"), "disk-full", TfprovError),
        (PermissionError(13, "Permission denied", "/x"), "permission-denied", TfprovError),
        (MemoryError(), "oom-killed", TfprovError),
        (KeyboardInterrupt(), "interrupted", KeyboardInterrupt),
    ],
)
def test_a_failed_stage_ends_with_its_code(
    tmp_path: Path, error: BaseException, code: str, raised: type[BaseException]
) -> None:
    context, events = context_of(tmp_path)

    @stage("fail")
    def fail(_context: Context) -> None:
        raise error

    with pytest.raises(raised) as failure:
        fail(context)
    last = events[-1]
    assert isinstance(last, StageEnded)
    assert last.code == code
    if isinstance(failure.value, TfprovError):
        assert failure.value.code.name == code
    assert [name for name, _ in context.seconds] == ["fail"]


def test_attempts_of_all_stages_are_collected(tmp_path: Path) -> None:
    context, events = context_of(tmp_path)
    attempt = Attempt(stage="fetch", rung="normal", number=1, code=None, what="x", seconds=0.0)
    context.emit(attempt)
    context.emit(StageStarted(stage="x"))
    assert context.attempts == [attempt]
    assert len(events) == 2


def test_the_profile_names_environment_and_lock_and_nothing_is_written(tmp_path: Path) -> None:
    context, _ = context_of(tmp_path, 'name = "train"\nenvironment.path = ".venv"\n')
    read_profile(context)
    assert context.loaded.profile.name == "train"
    assert context.environment.root.parent == tmp_path / "home" / "data" / "environments"
    assert context.environment.owner.link == str(tmp_path / ".venv")
    assert context.environment.stable == tmp_path / ".venv"
    assert context.lock_path == tmp_path / "pylock.train.toml"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.toml"]


def test_the_kind_of_the_environment_names_the_lock(tmp_path: Path) -> None:
    context, _ = context_of(tmp_path, 'name = "train"\nenvironment.kind = "conda"\n')
    assert context.lock_path == tmp_path / "train.conda-lock.yml"


def test_nothing_is_put_beside_a_shipped_profile(tmp_path: Path) -> None:
    context, _ = context_of(tmp_path, profile="cpu")
    assert context.lock_path == context.environment.root / "pylock.cpu.toml"


def test_a_lock_that_was_made_where_nothing_could_be_written_is_used_until_one_lies_beside_the_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, _ = context_of(tmp_path)
    read_profile(context)
    beside, kept = tmp_path / "pylock.train.toml", context.environment.root / "pylock.train.toml"
    assert context.lock_path == beside
    with monkeypatch.context() as read_only:
        read_only.setattr("tfprov.paths.writable", lambda _folder: False)
        assert context.lock_path == kept
    kept.parent.mkdir(parents=True)
    kept.touch()
    assert context.lock_path == kept
    beside.touch()
    assert context.lock_path == beside


def test_beside_a_profile_in_a_folder_that_nobody_may_write_an_existing_lock_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, _ = context_of(tmp_path)
    monkeypatch.setattr("tfprov.paths.writable", lambda _folder: False)
    assert context.lock_path == context.environment.root / "pylock.train.toml"
    (tmp_path / "pylock.train.toml").write_text("")
    assert context.lock_path == tmp_path / "pylock.train.toml"


def test_a_deadline_counts_from_the_start_of_the_run(tmp_path: Path) -> None:
    context, _ = context_of(tmp_path, 'name = "train"\nnetwork.deadline = "2h"\n')
    other, _ = context_of(tmp_path, 'name = "train"\nnetwork.deadline = "2h"\n')
    assert context.deadline is not None
    assert context.deadline == context.deadline
    assert other.deadline is not None
    assert other.deadline >= context.deadline
    without, _ = context_of(tmp_path)
    assert without.deadline is None


@pytest.mark.skipif(os.name != "posix", reason="other names are allowed elsewhere")
@pytest.mark.parametrize(("name", "code"), [("ho:me", "usage"), ("home\udcff", "filesystem-feature")])
def test_an_environment_that_nobody_could_use_is_refused_before_anything_is_fetched(
    tmp_path: Path, name: str, code: str
) -> None:
    (tmp_path / "train.toml").write_text('name = "train"\n')
    environ = {"TFPROV_HOME": str(tmp_path / name)}
    context = Context(Request(profile="train.toml", cwd=tmp_path, environ=environ), print)
    with pytest.raises(TfprovError) as failure:
        read_profile(context)
    assert failure.value.code.name == code
    assert "TFPROV_HOME" in failure.value.hint


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_profile_in_a_folder_whose_name_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "caf\udce9"
    folder.mkdir()
    context, _ = context_of(folder)
    with pytest.raises(TfprovError, match="not UTF-8"):
        read_profile(context)


@pytest.mark.parametrize("whose", ["shipped", "of a bundle", "the user's"])
@pytest.mark.parametrize("override", ["environment.path=.venv", 'environment . path = "./.venv"'])
def test_a_link_of_the_command_line_is_made_where_its_user_is(tmp_path: Path, whose: str, override: str) -> None:
    here = tmp_path / "here"
    here.mkdir()
    file = tmp_path / ("home/data/bundles/train" if whose == "of a bundle" else "project") / "train.toml"
    file.parent.mkdir(parents=True)
    file.write_text('name = "train"\n')
    request = Request(
        profile="cpu" if whose == "shipped" else str(file),
        cwd=here,
        environ={"TFPROV_HOME": str(tmp_path / "home")},
        overrides=(override, 'tensorflow.version="==2.20.0"'),
    )
    found = Context(request, ignore)
    assert found.source.link == (file.parent if whose == "the user's" else here) / ".venv"
    assert found.loaded.profile.tensorflow.version == "==2.20.0"


@pytest.mark.parametrize(
    ("host", "name"), [(hosts.Host(), None), (hosts.MAC_ARM, "tensorflow-metal"), (hosts.WINDOWS, "wincertstore")]
)
def test_what_exists_for_one_system_only_is_asked_for_on_the_machine_of_the_facts(
    tmp_path: Path, host: hosts.Host, name: str | None
) -> None:
    (tmp_path / "host.json").write_text(dump(host.facts))
    (tmp_path / "train.toml").write_text('name = "train"\n[packages]\nfiles = ["list.txt"]\n')
    (tmp_path / "list.txt").write_text("tensorflow-metal\nwincertstore\n")
    environ = {"TFPROV_HOME": str(tmp_path / "home")}
    there = Request(profile="train.toml", cwd=tmp_path, environ=environ, host=tmp_path / "host.json")
    assert Context(there, ignore).loaded.requirements == ((name,) if name else ())
