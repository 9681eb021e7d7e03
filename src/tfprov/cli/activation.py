"""The commands that tell shells, editors and tools about an environment: env and activate."""

from __future__ import annotations

import io
import os
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tfprov.cli.options import Json, ProfileName, output_of

if TYPE_CHECKING:
    from tfprov.envs.generations import Environment
    from tfprov.envs.records import Generation

app = typer.Typer()


class VariableFormat(str, Enum):
    """How `env` prints variables."""

    sh = "sh"
    fish = "fish"
    csh = "csh"
    powershell = "powershell"
    cmd = "cmd"
    nu = "nu"
    direnv = "direnv"
    mise = "mise"
    dotenv = "dotenv"
    json = "json"


class Shell(str, Enum):
    """Shells that `activate` prints for."""

    bash = "bash"
    zsh = "zsh"
    sh = "sh"
    fish = "fish"
    tcsh = "tcsh"
    powershell = "powershell"
    cmd = "cmd"


@app.command(
    epilog='Examples: eval "$(tfprov env)" · tfprov env --format direnv >> .envrc · '
    "tfprov env --format nu | from nuon | load-env"
)
def env(
    profile: ProfileName = "",
    form: Annotated[
        VariableFormat, typer.Option("--format", help="Shell, format of a tool's file, or `json` for the plain values.")
    ] = VariableFormat.sh,
    as_json: Json = False,
) -> None:
    """Print the variables that make the environment of PROFILE active, through its stable path.

    They stay right after updates and rollbacks. What is for direnv, mise or a `.env` file names the variables of yours
    that the profile names (`${TOKEN}`); every other form has their values.
    """
    with output_of("env", as_json=as_json or form is VariableFormat.json) as output:
        from tfprov.pipeline.variables import changes
        from tfprov.report.shells import spelled

        _, generation = _verified(profile)
        found = changes(generation, os.environ)
        words = "" if output.json else spelled(found, form.value, os.environ)
        _write_for(form.value, words)
        output.result(words, {"path": found.path, "set": dict(found.values), "unset": found.unset})


@app.command(epilog='Examples: eval "$(tfprov activate)" · tfprov activate --shell fish train.toml | source')
def activate(
    profile: ProfileName = "",
    shell: Annotated[
        Shell | None,
        typer.Option("--shell", help="Shell to print it for. Default: the one that tfprov was started from."),
    ] = None,
) -> None:
    """Print what makes the environment of PROFILE active in a shell that evaluates it."""
    with output_of("activate", as_json=False) as output:
        from tfprov.paths import home
        from tfprov.pipeline.started_from import shell_here
        from tfprov.pipeline.variables import activation
        from tfprov.report.shells import activated, how_to_evaluate

        kind = shell.value if shell else shell_here(os.environ, tuple(each.value for each in Shell))
        environment, generation = _verified(profile)
        found = activation(environment, generation, shell=kind, home=home(os.environ), environ=os.environ)
        words = activated(found, kind, os.environ)
        _write_for(kind, words)
        output.result(words, {})
        if sys.stdout is not None and sys.stdout.isatty():
            # Printed for a person, it does nothing.
            print(output.typed(f"\nhint: `{how_to_evaluate(kind, profile)}`"), file=sys.stderr)


def _write_for(form: str, words: str) -> None:
    """Let stdout have the encoding that the shell reads, and line ends that it takes for line ends."""
    if sys.platform != "win32" or not isinstance(sys.stdout, io.TextIOWrapper) or sys.stdout.isatty():
        return
    import ctypes

    from tfprov.report.shells import encoding_on_windows

    encoding = encoding_on_windows(words, form, code_page=ctypes.WinDLL("kernel32").GetConsoleOutputCP())
    sys.stdout.reconfigure(encoding=encoding, newline="\n")


def _verified(profile: str) -> tuple[Environment, Generation]:
    from tfprov.pipeline.environments import find, verified

    environment = find(profile, cwd=Path.cwd(), environ=os.environ)
    return environment, verified(environment, profile)
