"""Finds the program that `tfprov run` starts."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from tfprov import process
from tfprov.envs.generations import Environment
from tfprov.errors import TfprovError
from tfprov.words import quoted


def command_of(arguments: Sequence[str], variables_: Mapping[str, str]) -> list[str]:
    """The command with the full path of its program, from the PATH in the `variables` of the environment.

    Raises:
        TfprovError: `usage` when there is no such program, or it is not executable.
    """
    name = arguments[0]
    # On Windows `which` looks for a bare name in the working directory first: a `python.exe` there would run.
    ours = process.program(name, variables_) if os.path.basename(name) == name else None  # noqa: PTH119 - not a path
    program = ours or shutil.which(name, path=variables_["PATH"])
    if program is None and os.path.dirname(name) and os.path.exists(name):  # noqa: PTH110, PTH120 - any text may stand there
        is_folder = Path(name).is_dir()
        raise TfprovError(
            "usage",
            f"`{name}` is {'a folder' if is_folder else 'not executable'}",
            hint="name a program" if is_folder else f"`chmod +x {quoted(name)}`, or start it with its interpreter",
        )
    if program is None:
        raise TfprovError(
            "usage",
            f"there is no command `{name}` in the environment or on PATH",
            hint="what it installs is in the profile under `[packages]`",
        )
    return [program, *arguments[1:]]


def runs_elsewhere(program: str, environment: Environment) -> bool:
    """Whether a command is a Python script outside the environment, or pyenv's stand-in for one.

    It has a Python of its own, and sees none of the environment's packages.
    """
    place = Path(os.path.realpath(program))
    if place.is_relative_to(os.path.realpath(environment.root)):
        return False
    try:
        with place.open("rb") as stream:
            start = stream.read(300)
    except OSError:
        return False
    return start.startswith(b"#!") and re.search(rb"python|pyenv", start, re.IGNORECASE) is not None
