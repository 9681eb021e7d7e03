from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from outcomes import SEAL
from tfprov.envs.generations import Environment
from tfprov.envs.records import Owner
from tfprov.errors import TfprovError
from tfprov.pipeline.commands import command_of, runs_elsewhere
from told import refusal

SUFFIX = ".exe" if os.name == "nt" else ""


def lay(folder: Path, name: str, content: bytes) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    path.chmod(0o755)
    return str(path)


def test_a_program_of_the_environment_comes_first(tmp_path: Path) -> None:
    ours, theirs = (lay(tmp_path / each, f"python{SUFFIX}", b"") for each in ("env", "usr"))
    path = os.pathsep.join((str(tmp_path / "env"), str(tmp_path / "usr")))
    program, *arguments = command_of(["python", "-c", "1"], {"PATH": path, "PATHEXT": ".EXE"})
    assert (os.path.normcase(program), arguments) == (os.path.normcase(ours), ["-c", "1"])
    assert command_of([theirs], {"PATH": path}) == [theirs]
    with pytest.raises(TfprovError) as failure:
        command_of(["no-such-command"], {"PATH": path})
    assert failure.value.code.name == "usage"


def test_a_program_of_the_working_directory_does_not_come_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows `which` looks there before PATH, for a bare name."""
    ours = lay(tmp_path / "env", f"python{SUFFIX}", b"")
    lay(tmp_path / "here", f"python{SUFFIX}", b"")
    lay(tmp_path / "here", f"train{SUFFIX}", b"")
    monkeypatch.chdir(tmp_path / "here")
    which = shutil.which

    def as_on_windows(name: str, path: str | None = None) -> str | None:
        return which(name, path=path) if Path(name).is_absolute() else which(f".{os.sep}{name}")

    monkeypatch.setattr(shutil, "which", as_on_windows)
    environ = {"PATH": str(tmp_path / "env"), "PATHEXT": ".COM;.EXE"}
    assert os.path.normcase(command_of(["python"], environ)[0]) == os.path.normcase(ours)
    # What is not on PATH is found as before.
    assert Path(command_of(["train"], environ)[0]).name.startswith("train")


@pytest.mark.skipif(os.name != "posix", reason="scripts name their interpreter in the first line")
@pytest.mark.parametrize(
    ("start", "elsewhere"),
    [
        (b"#!/usr/bin/python3\nimport sys\n", True),
        (b"#!/usr/bin/env python\n", True),
        (b'#!/bin/sh\n\'\'\'exec\' "/a long place/bin/python" "$0" "$@"\n', True),
        (b'#!/usr/bin/env bash\nset -e\n[ -n "$PYENV_DEBUG" ] && set -x\n', True),
        (b"#!/bin/sh\necho\n", False),
        (b"\x7fELF python", False),
        (b"", False),
    ],
)
def test_a_script_of_another_python_is_known_wherever_it_lies(tmp_path: Path, start: bytes, elsewhere: bool) -> None:
    environment = Environment(tmp_path / "env", owner=Owner(name="train", profile=str(tmp_path / "train.toml")))
    environment.claim()
    generation = environment.begin()
    (generation.path / "bin").mkdir()
    environment.activate(environment.seal(generation, SEAL))
    inside = lay(environment.root / "current" / "bin", "pytest", start)
    outside = lay(tmp_path / "usr", "pytest", start)
    assert not runs_elsewhere(inside, environment)
    assert runs_elsewhere(outside, environment) is elsewhere
    assert not runs_elsewhere(str(tmp_path / "gone"), environment)


def test_a_command_that_is_nowhere_is_named(tmp_path: Path) -> None:
    assert refusal(lambda: command_of(["tensorbord", "--help"], {"PATH": str(tmp_path)})) == (
        *("usage", "there is no command `tensorbord` in the environment or on PATH"),
        "what it installs is in the profile under `[packages]`",
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission to execute")
def test_a_file_that_is_there_but_cannot_be_started_is_told_as_that(tmp_path: Path) -> None:
    script = tmp_path / "my job.sh"
    script.write_text("echo hi\n")
    assert refusal(lambda: command_of([str(script)], {"PATH": os.defpath})) == (
        *("usage", f"`{script}` is not executable", f"`chmod +x '{script}'`, or start it with its interpreter"),
    )
    assert refusal(lambda: command_of([str(tmp_path)], {"PATH": os.defpath})) == (
        *("usage", f"`{tmp_path}` is a folder", "name a program"),
    )
