from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from tfprov.envs import holders as module
from tfprov.envs.following import SHELLS, hold
from tfprov.envs.holders import OLDER_SHELLS, holders, running_from

WAIT = "print(flush=True); input()"
BASH = shutil.which("bash")


@pytest.fixture
def generation(tmp_path: Path) -> Path:
    folder = tmp_path / "a b" / "train-1" / "generations" / "0004"
    (folder / "bin").mkdir(parents=True)
    return folder


@contextlib.contextmanager
def process(
    *command: str | Path, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A process that waits until the end; it has done what it does first when it has printed a line."""
    with subprocess.Popen(
        command,
        env={**os.environ, **(environ or {})},
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as found:
        assert found.stdout is not None
        found.stdout.readline()
        yield found


def users(folder: Path) -> list[int]:
    return [one.pid for one in holders([folder])[folder]]


@pytest.mark.parametrize("name", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_a_variable_that_names_it(generation: Path, name: str) -> None:
    with process(sys.executable, "-c", WAIT, environ={name: str(generation)}) as one:
        assert users(generation) == [one.pid]
    assert users(generation) == []


def test_a_folder_on_path(generation: Path) -> None:
    path = os.pathsep.join((os.environ["PATH"], str(generation / "bin")))
    with process(sys.executable, "-c", WAIT, environ={"PATH": path}) as one:
        assert users(generation) == [one.pid]


def test_the_working_directory(generation: Path) -> None:
    with process(sys.executable, "-c", WAIT, cwd=generation / "bin") as one:
        assert users(generation) == [one.pid]


def test_the_interpreter_of_the_command_line_and_a_script(generation: Path) -> None:
    (generation / "bin" / "python").symlink_to(sys.executable)
    (generation / "bin" / "tool").write_text(WAIT)
    with (
        process(generation / "bin" / "python", "-c", WAIT) as one,
        process(sys.executable, generation / "bin" / "tool") as two,
    ):
        assert sorted(users(generation)) == sorted([one.pid, two.pid])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not tell")
def test_a_mapped_file(generation: Path) -> None:
    (generation / "library.so").write_bytes(b"x" * 4096)
    code = (
        f"import mmap, os; handle = os.open({str(generation / 'library.so')!r}, os.O_RDONLY)\n"
        f"kept = mmap.mmap(handle, 4096, prot=mmap.PROT_READ); os.close(handle)\n{WAIT}"
    )
    with process(sys.executable, "-c", code) as one:
        assert users(generation) == [one.pid]


def test_the_same_folder_by_another_name(generation: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a b")
    other = tmp_path / "link" / generation.relative_to(tmp_path / "a b")
    with process(sys.executable, "-c", WAIT, environ={"VIRTUAL_ENV": str(other)}) as one:
        assert users(generation) == [one.pid]


def test_the_stable_path_that_leads_to_it(generation: Path, tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(generation)
    (generation / "bin" / "python").symlink_to(sys.executable)
    with (
        process(sys.executable, "-c", WAIT, environ={"VIRTUAL_ENV": str(tmp_path / ".venv")}) as one,
        process(tmp_path / ".venv" / "bin" / "python", "-c", WAIT) as two,
    ):
        assert sorted(users(generation)) == sorted([one.pid, two.pid])


@pytest.mark.parametrize("other", ["train-1/generations/00045", "train-1/generations/0005", "train-2/generations/0004"])
def test_its_neighbours_are_others(generation: Path, other: str) -> None:
    folder = generation.parents[2] / other
    folder.mkdir(parents=True)
    with process(sys.executable, "-c", WAIT, environ={"VIRTUAL_ENV": str(folder)}, cwd=folder):
        assert users(generation) == []


def test_an_environment_of_the_same_name_elsewhere_is_another(generation: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / generation.relative_to(tmp_path / "a b")
    other.mkdir(parents=True)
    with process(sys.executable, "-c", WAIT, environ={"VIRTUAL_ENV": str(other)}):
        assert users(generation) == []


@pytest.mark.skipif(BASH is None, reason="there is no bash")
@pytest.mark.parametrize("older", [False, True])
def test_a_shell_that_left_its_number_and_not_what_has_the_number_now(generation: Path, older: bool) -> None:
    notes = generation / OLDER_SHELLS if older else generation.parents[1] / SHELLS
    notes.mkdir()
    current = generation.parents[1] / "current"
    current.symlink_to("generations/0004")
    with process(str(BASH), "-c", f"true > '{notes}/'$$; echo; read line") as one:
        assert users(generation) == [one.pid]
        if not older:
            # It follows what the stable path leads to.
            current.unlink()
            current.symlink_to("generations/0005")
            assert users(generation) == []
            current.unlink()
            current.symlink_to("generations/0004")
        (note,) = notes.iterdir()
        os.utime(note, (1, 1))
        assert users(generation) == []


@pytest.mark.skipif(BASH is None, reason="there is no bash")
@pytest.mark.parametrize("stray", [".DS_Store", ".nfs0001"])
def test_a_shell_counts_whatever_else_lies_among_the_numbers(generation: Path, stray: str) -> None:
    notes = generation.parents[1] / SHELLS
    notes.mkdir()
    (generation.parents[1] / "current").symlink_to("generations/0004")
    with contextlib.ExitStack() as shells:
        script = f"true > '{notes}/'$$; echo; read line"
        first = shells.enter_context(process(str(BASH), "-c", script))
        (notes / stray).touch()
        (notes / "999999999").symlink_to("gone")
        second = shells.enter_context(process(str(BASH), "-c", script))
        assert sorted(users(generation)) == sorted([first.pid, second.pid])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not tell of folders")
def test_what_is_held_for_the_program_that_a_process_becomes(generation: Path) -> None:
    child = os.fork()
    if not child:
        hold(generation)
        os.execv("/bin/sh", ["sh", "-c", "sleep 60"])
    try:
        while "sleep" not in Path(f"/proc/{child}/cmdline").read_text():
            pass
        assert child in users(generation)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def test_this_process_and_no_folder_need_no_look(generation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(generation)
    assert users(generation) == []
    assert holders([]) == {}


def test_the_command_is_told_on_one_line(generation: Path) -> None:
    with process(sys.executable, "-c", f"{WAIT}\n" + "# \x1b[31m" * 30, cwd=generation):
        (one,) = holders([generation])[generation]
    assert str(one).startswith(f"pid {one.pid} ({Path(sys.executable).name} -c print(")
    assert str(one).isprintable()
    assert len(str(one)) < 100


@pytest.mark.parametrize("error", [IndexError("list index out of range"), FileNotFoundError(2, "missing", "/proc")])
def test_where_no_process_can_be_seen_none_is_named(
    generation: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """What psutil raises where /proc is empty or missing."""

    def processes(_: object) -> Iterator[object]:
        raise error

    monkeypatch.setattr("psutil.process_iter", processes)
    assert holders([generation]) == {generation: ()}
    assert running_from(generation) == ()


def test_a_system_that_does_not_say_what_is_open_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, ended = threading.Event(), threading.Event()

    def open_files() -> list[object]:
        asked.set()
        ended.wait()
        return []

    asked_for = SimpleNamespace(pid=1, info={"exe": r"C:\env\Scripts\python.exe"}, open_files=open_files)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(module, "_ANSWER_SECONDS", 0.1)
    assert list(module._opened(asked_for)) == []
    assert asked.is_set()
    ended.set()
    asked_for.open_files = lambda: [SimpleNamespace(path="one"), SimpleNamespace(path="two")]
    monkeypatch.setattr(module, "_ANSWER_SECONDS", 60.0)
    assert list(module._opened(asked_for)) == ["one", "two"]
