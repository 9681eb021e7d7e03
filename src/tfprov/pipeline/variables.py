"""The environment variables and the script that activate an environment, as data for shells, editors and tools."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfprov.envs.following import entrance
from tfprov.envs.generations import Environment
from tfprov.envs.records import Generation
from tfprov.paths import Home
from tfprov.pipeline.environments import backend_for, variables

_SCRIPTS = {
    "sh": "activate",
    "bash": "activate",
    "zsh": "activate",
    "fish": "activate.fish",
    "tcsh": "activate.csh",
    "powershell": "activate.ps1",
    "cmd": "activate.bat",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The changes to environment variables that activate an environment.

    Attributes:
        path: folders to put first on PATH, through the stable path of the environment.
        values: the other variables by name, with `${NAME}` replaced by its value.
        templates: variables that the profile sets, as written there, with `${NAME}` for variables of the user.
        unset: names of variables to remove.
    """

    path: tuple[str, ...]
    values: Mapping[str, str]
    templates: Mapping[str, str]
    unset: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """How to activate an environment in a running shell.

    Attributes:
        script: its activation script for that shell, which also defines `deactivate`; None if it has none.
        changes: the variables that the script does not set.
    """

    script: Path | None
    changes: Changes


def changes(generation: Generation, environ: Mapping[str, str]) -> Changes:
    """The variables to set, the folders to put on PATH, and the variables to remove.

    Args:
        generation: the one in use.
        environ: variables of the user, which the changes are relative to.

    Raises:
        TfprovError: `profile-invalid` when the profile refers to a variable that is not set.
    """
    wanted = variables(generation, environ)
    before = environ.get("PATH", os.defpath)
    front = wanted.get("PATH", "").removesuffix(before).rstrip(os.pathsep)
    always = {"VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "CONDA_SHLVL"}
    templates = dict(generation.seal.variables) if generation.seal else {}
    values = {
        name: value
        for name, value in wanted.items()
        if name != "PATH" and (name in templates or name in always or environ.get(name) != value)
    }
    return Changes(
        path=tuple(each for each in front.split(os.pathsep) if each),
        values=values,
        templates=templates,
        unset=tuple(sorted(environ.keys() - wanted.keys())),
    )


def activation(
    environment: Environment, generation: Generation, *, shell: str, home: Home, environ: Mapping[str, str]
) -> Activation:
    """How to activate an environment in a running shell.

    Args:
        environment: its name is used for prompts.
        generation: the one in use.
        shell: `bash`, `zsh`, `sh`, `fish`, `tcsh`, `powershell` or `cmd`.
        home: its cache folder may receive a script.
        environ: variables of the user.

    Raises:
        TfprovError: as for `changes`.
    """
    every = changes(generation, environ)
    folder = home.cache / "shell" / environment.id
    scripts = backend_for(generation).activation(entrance(generation.path), environment.owner.name, folder)
    script = scripts / _SCRIPTS[shell]
    if not script.is_file():
        return Activation(script=None, changes=every)
    # Scripts for POSIX shells also set the variables of cures and of conda packages; the others set only VIRTUAL_ENV.
    done = {"VIRTUAL_ENV"} if _SCRIPTS[shell] != "activate" else every.values.keys() - every.templates.keys()
    left = {name: value for name, value in every.values.items() if name not in done}
    return Activation(script=script, changes=Changes(path=(), values=left, templates=every.templates, unset=()))
