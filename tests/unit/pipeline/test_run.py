from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.events import Attempt, Event, StageEnded, StageStarted
from tfprov.pipeline.run import PROFILE, Request, Run, Stage


@dataclass(frozen=True)
class Record:
    summary: str = ""


def run_of(folder: Path, text: str = 'name = "train"\n', profile: str = "train.toml") -> tuple[Run, list[Event]]:
    (folder / "train.toml").write_text(text)
    events: list[Event] = []
    request = Request(profile=profile, cwd=folder, environ={"TFPROV_HOME": str(folder / "home")})
    return Run(request, events.append), events


def stage(verb: object) -> Stage:
    return Stage(name="stage", verb=verb)  # type: ignore[arg-type]  # any callable will do


def test_a_good_stage_leaves_its_record_its_time_and_two_events(tmp_path: Path) -> None:
    run, events = run_of(tmp_path)
    run.do(stage(lambda _run: Record(summary="three files")))
    assert run.get(Record) == Record(summary="three files")
    assert run.find(Stage) is None
    assert [name for name, _ in run.seconds] == ["stage"]
    first, last = events
    assert first == StageStarted(stage="stage")
    assert isinstance(last, StageEnded)
    assert (last.summary, last.code) == ("three files", None)


def test_a_newer_record_replaces_an_older_one_of_its_type(tmp_path: Path) -> None:
    run, _ = run_of(tmp_path)
    run.put(Record(summary="old"))
    run.put(Record(summary="new"))
    assert run.get(Record).summary == "new"


@pytest.mark.parametrize(
    ("error", "code", "raised"),
    [
        (TfprovError("net-dns", "no such host"), "net-dns", TfprovError),
        (OSError(28, "No space left on device", "/x"), "disk-full", TfprovError),
        (PermissionError(13, "Permission denied", "/x"), "permission-denied", TfprovError),
        (KeyboardInterrupt(), "interrupted", KeyboardInterrupt),
    ],
)
def test_a_failed_stage_ends_with_its_code(
    tmp_path: Path, error: BaseException, code: str, raised: type[BaseException]
) -> None:
    run, events = run_of(tmp_path)

    def fail(_run: Run) -> object:
        raise error

    with pytest.raises(raised) as failure:
        run.do(stage(fail))
    last = events[-1]
    assert isinstance(last, StageEnded)
    assert last.code == code
    if isinstance(failure.value, TfprovError):
        assert failure.value.code.name == code
    assert run.find(Record) is None
    assert [name for name, _ in run.seconds] == ["stage"]


def test_attempts_of_all_stages_are_collected(tmp_path: Path) -> None:
    run, events = run_of(tmp_path)
    attempt = Attempt(stage="fetch", rung="normal", number=1, code=None, what="x", seconds=0.0)
    run.emit(attempt)
    run.emit(StageStarted(stage="x"))
    assert run.attempts == [attempt]
    assert len(events) == 2


def test_the_profile_names_environment_and_lock_and_nothing_is_written(tmp_path: Path) -> None:
    run, _ = run_of(tmp_path, 'name = "train"\nenvironment.path = ".venv"\n')
    run.do(PROFILE)
    assert run.loaded.profile.name == "train"
    assert run.environment.root.parent == tmp_path / "home" / "data" / "environments"
    assert run.environment.owner.link == str(tmp_path / ".venv")
    assert run.environment.stable == tmp_path / ".venv"
    assert run.lock_path == tmp_path / "pylock.train.toml"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.toml"]


def test_nothing_is_put_beside_a_shipped_profile(tmp_path: Path) -> None:
    run, _ = run_of(tmp_path, profile="cpu")
    run.do(PROFILE)
    assert run.lock_path == run.environment.root / "pylock.cpu.toml"


def test_beside_a_profile_in_a_folder_that_nobody_may_write_an_existing_lock_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = run_of(tmp_path)
    run.do(PROFILE)
    monkeypatch.setattr("tfprov.paths.writable", lambda _folder: False)
    assert run.lock_path == run.environment.root / "pylock.train.toml"
    (tmp_path / "pylock.train.toml").write_text("")
    assert run.lock_path == tmp_path / "pylock.train.toml"


def test_a_deadline_counts_from_the_start_of_the_run(tmp_path: Path) -> None:
    run, _ = run_of(tmp_path, 'name = "train"\nnetwork.deadline = "2h"\n')
    other, _ = run_of(tmp_path, 'name = "train"\nnetwork.deadline = "2h"\n')
    run.do(PROFILE)
    other.do(PROFILE)
    assert run.deadline is not None
    assert run.deadline == run.deadline
    assert other.deadline is not None
    assert other.deadline >= run.deadline
    without, _ = run_of(tmp_path)
    without.do(PROFILE)
    assert without.deadline is None
