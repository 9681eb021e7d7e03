"""A hint about a place names the place that failed; `TFPROV_HOME` moves only what lies below it."""

from __future__ import annotations

import errno
import importlib
import importlib.metadata
import io
import json
import os
import py_compile
from collections.abc import Callable
from pathlib import Path

import pytest

from tfprov.cli import output
from tfprov.cli.output import Output, failures
from tfprov.events import Note, Progress, StageEnded, StageStarted
from tfprov.ladder.classify import classify_exception
from tfprov.words import move_aside

CODES = {
    errno.EACCES: "permission-denied",
    errno.EROFS: "read-only-fs",
    errno.ENOSPC: "disk-full",
    errno.EDQUOT: "disk-quota",
}


def ended(error: OSError, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught, failures(Output(command="plan")):
        raise error
    assert caught.value.code == 14
    return capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), CODES.items())
def test_a_place_that_is_not_ours_is_not_moved_by_our_variable(
    number: int, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("/srv/elsewhere/out.json", None):
        told = ended(OSError(number, os.strerror(number), name), capsys)
        assert f"error[{code}]" in told
        assert "TFPROV_HOME" not in told
        assert "hint: " in told


@pytest.mark.parametrize("number", [errno.EEXIST, errno.EISDIR, errno.ELOOP])
def test_what_stands_in_the_way_of_an_output_is_no_environment(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught, failures(Output(command="export")):
        raise OSError(number, os.strerror(number), "/srv/elsewhere/file")
    told = capsys.readouterr().err
    assert (caught.value.code, "environment.path" in told) == (2, False)
    assert "error[path-not-ours]" in told
    assert "hint: name another place" in told


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_place_of_ours_is(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TFPROV_HOME", str(tmp_path / "share/tfprov"))
    # The last two: in a home that cannot be written to, the folders above it cannot be made either.
    for place in ("share/tfprov/cache/store/x", "share/tfprov", "share"):
        assert "TFPROV_HOME" in ended(OSError(number, os.strerror(number), str(tmp_path / place)), capsys)


@pytest.mark.parametrize("in_a_stage", [False, True])
def test_what_stands_in_the_way_of_a_folder_of_ours_is_named_with_how_to_move_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], in_a_stage: bool
) -> None:
    monkeypatch.setenv("TFPROV_HOME", str(tmp_path))
    place = tmp_path / "cache" / "store"
    place.parent.mkdir()
    place.touch()
    for act in (place.mkdir, (place / "sha256").mkdir, (place / "sha256" / "38").touch):
        with pytest.raises(SystemExit), failures(Output(command="up", environ={})):
            try:
                act()
            except OSError as error:
                if in_a_stage:
                    raise classify_exception(error) from error
                raise
        told = capsys.readouterr().err
        assert f"error[path-not-ours]: `{place}` is not what tfprov keeps there" in told
        assert f"hint: move it away (`{move_aside(str(place))}`): tfprov makes it anew" in told
    # Never what is on the way to its folders.
    monkeypatch.setenv("TFPROV_HOME", str(place / "home"))
    with pytest.raises(SystemExit), failures(Output(command="up", environ={})):
        (place / "home").mkdir()
    assert "move it away" not in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_told_without_those_that_were_to_lie_in_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = PermissionError(errno.EACCES, "denied", "/srv/home")
    error.__context__ = FileNotFoundError(errno.ENOENT, "missing", "/srv/home/environments")
    assert "environments" not in ended(error, capsys)


@pytest.mark.parametrize("in_stage", [False, True])
def test_a_working_directory_that_is_deleted_meanwhile_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], in_stage: bool
) -> None:
    def work() -> None:
        try:
            Path.cwd()
        except OSError as error:
            raise (classify_exception(error) if in_stage else error) from error

    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    (tmp_path / "project").rmdir()
    with pytest.raises(SystemExit) as caught, failures(Output(command="up")):
        work()
    assert caught.value.code == 2
    assert "error[usage]: the working directory was deleted" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["/proc/stat", "/sys/devices", "/dev/null"])
def test_a_missing_file_of_the_kernel_was_not_deleted_by_anybody(capsys: pytest.CaptureFixture[str], path: str) -> None:
    told = ended(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path), capsys)
    assert f"error[filesystem-feature]: `{path}` is missing" in told
    assert "deleted" not in told


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_device_as_standard_output_is_told_as_where_the_output_goes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(OSError, match="28") as caught, Path("/dev/full").open("w", encoding="utf-8") as full:
        full.write("x")
        full.flush()
    assert "no space left where the output goes" in ended(caught.value, capsys)


def _not_utf8() -> None:
    "/srv/caf\udce9/train.toml".encode()


def _without_end() -> None:
    _without_end()


def _too_much() -> None:
    raise MemoryError


def _no_thread() -> None:
    raise RuntimeError("can't start new thread")


def _no_library() -> None:
    raise ImportError("x.so: failed to map segment from shared object")


def _no_end_of_digits() -> None:
    # What `int` says of a number of 5,000 digits, from 3.10.7 on.
    raise ValueError("Exceeds the limit (4300 digits) for integer string conversion")


def _no_module() -> None:
    importlib.import_module("not_installed_anywhere")


def _no_distribution() -> None:
    importlib.metadata.distribution("not-installed-anywhere")


def _no_idea() -> None:
    raise RuntimeError("x")


@pytest.mark.parametrize(
    ("fail", "code"),
    [
        (_not_utf8, "filesystem-feature"),
        (_without_end, "usage"),
        (_too_much, "oom-killed"),
        (_no_thread, "limit-reached"),
        (_no_library, "oom-killed"),
        (_no_end_of_digits, "usage"),
        (_no_module, "extra-missing"),
        (_no_distribution, "extra-missing"),
        (_no_idea, "internal"),
    ],
)
def test_what_no_reader_expected_has_a_class_of_its_own(
    fail: Callable[[], None], code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit), failures(Output(command="plan", json=True)):
        fail()
    said = capsys.readouterr()
    assert json.loads(said.out)["error"]["code"] == code
    assert code != "filesystem-feature" or "/srv/caf\\udce9/train.toml" in said.err


@pytest.mark.parametrize("kept", [17, 24])
def test_a_module_that_a_full_disk_cut_short_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kept: int
) -> None:
    source = tmp_path / "cut_short.py"
    source.write_text("x = 1\n")
    compiled = Path(py_compile.compile(str(source), doraise=True) or "")
    compiled.write_bytes(compiled.read_bytes()[:kept])
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SystemExit), failures(Output(command="plan", json=True)):
        importlib.import_module("cut_short")
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["hint"]) == ("disk-io", f"delete `{compiled}`, and run again: it is written anew")


@pytest.mark.parametrize(
    ("number", "windows", "raised"),
    [
        (errno.EINVAL, True, BrokenPipeError),  # of a pipe, where nothing else is invalid about what is printed
        (errno.EPIPE, False, BrokenPipeError),
        (errno.EINVAL, False, OSError),
        (errno.ENOSPC, True, OSError),
    ],
)
def test_a_reader_who_has_gone_is_known_on_every_system(
    monkeypatch: pytest.MonkeyPatch, number: int, windows: bool, raised: type[OSError]
) -> None:
    class Gone(io.StringIO):
        def flush(self) -> None:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr("sys.stdout", Gone())
    with pytest.raises(OSError) as caught:
        output._print("words", windows=windows)
    assert type(caught.value) is raised


@pytest.mark.parametrize("environ", [{}, {"TERM": "dumb"}, {"GITHUB_ACTIONS": "true"}, {"GITLAB_CI": "true"}])
@pytest.mark.parametrize("before", [0, 2])
def test_work_goes_on_when_its_progress_can_no_longer_be_written(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], before: int
) -> None:
    """A log on a full disk, or a terminal that is gone while SIGHUP is ignored."""
    written: list[str] = []

    class Lost(io.StringIO):
        def isatty(self) -> bool:
            return not environ

        def write(self, text: str) -> int:
            written.append(text)
            if len(written) > before:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return len(text)

    monkeypatch.setattr("sys.stderr", Lost())
    done = []
    with Output(command="up", environ=environ).progress() as emit:
        for event in (
            StageStarted(stage="fetch"),
            Note(text="a warning", level="warning"),
            Progress(stage="fetch", what="wheels", done=1, total=2),
            StageEnded(stage="fetch", seconds=3.0),
        ):
            emit(event)
            done.append(event)
    assert len(done) == 4
    assert len(written) > before


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        ("run `tfprov up cpu`", "run `./bootstrap up cpu`"),
        ("  tfprov up cpu     makes an environment", "  ./bootstrap up cpu     makes an environment"),
        ("  use       tfprov run cpu -- python", "  use       ./bootstrap run cpu -- python"),
        ("tfprov up would make:", "./bootstrap up would make:"),
        ("  tfprov    0.1.0, starts with Python 3.13", "  tfprov    0.1.0, starts with Python 3.13"),
        ("a line about tfprov itself", "a line about tfprov itself"),
    ],
)
def test_only_commands_are_spelled_as_they_are_typed(words: str, printed: str) -> None:
    assert Output(command="bundle", environ={"TFPROV_STARTED_AS": "./bootstrap"}).typed(words) == printed
