"""What a shell, an editor or a tool of the user needs to have an environment active, as data."""

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
    """How the variables of a process in an environment differ from those that it would have without it.

    Attributes:
        path: folders that come before all others on PATH, through the stable path of the environment.
        values: the other variables by name, with `${NAME}` of the profile replaced.
        templates: those of the profile as it has them, with `${NAME}` for variables of the user.
        unset: names of variables that must not be set.
    """

    path: tuple[str, ...]
    values: Mapping[str, str]
    templates: Mapping[str, str]
    unset: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """What makes an environment active in a shell that runs.

    Attributes:
        script: its activation script for that shell, which brings `deactivate`, too; None where it has none.
        changes: what is left to be set.
    """

    script: Path | None
    changes: Changes


def changes(generation: Generation, environ: Mapping[str, str]) -> Changes:
    """What has to be set, put on PATH and taken away.

    Args:
        generation: the one in use.
        environ: variables of the user; what differs from them is told.

    Raises:
        TfprovError: `profile-invalid` when the profile needs a variable that is not set.
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
    """What makes an environment active in a shell of the user.

    Args:
        environment: which one.
        generation: the one in use.
        shell: `bash`, `zsh`, `sh`, `fish`, `tcsh`, `powershell` or `cmd`.
        home: where a script may be kept.
        environ: variables of the user.

    Raises:
        TfprovError: as `changes`.
    """
    every = changes(generation, environ)
    folder = home.cache / "shell" / environment.id
    scripts = backend_for(generation).activation(entrance(generation.path), environment.owner.name, folder)
    script = scripts / _SCRIPTS[shell]
    if not script.is_file():
        return Activation(script=None, changes=every)
    # The scripts for sh set what cures change, and whatever packages of conda want; the others know the place alone.
    done = {"VIRTUAL_ENV"} if _SCRIPTS[shell] != "activate" else every.values.keys() - every.templates.keys()
    left = {name: value for name, value in every.values.items() if name not in done}
    return Activation(script=script, changes=Changes(path=(), values=left, templates=every.templates, unset=()))
