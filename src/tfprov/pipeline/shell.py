"""An interactive shell in which an environment is active."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from tfprov.conda import activation
from tfprov.conda.prefix import is_conda
from tfprov.envs.generations import Environment, executables_in
from tfprov.envs.records import Generation
from tfprov.paths import Home, write_atomic
from tfprov.pipeline.environments import variables


def interactive(
    environment: Environment, generation: Generation, *, home: Home, environ: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Command and variables that start the user's shell with the environment active.

    The activation script must run after the user's own start-up files: those often put other Pythons first on PATH.
    Each shell has its own way to be told so; one that has none known here gets the variables alone.
    """
    changed = variables(generation, environ)
    bin_folder = executables_in(generation.path)
    shell = environ.get("SHELL") or ("powershell.exe" if os.name == "nt" else "/bin/sh")
    kind = Path(shell).stem
    folder = home.cache / "shell" / environment.id
    activate = bin_folder / "activate"
    if is_conda(generation.path):
        activate = folder / "activate"
        write_atomic(activate, activation.script(generation.path, environment.owner.name).encode())
    if kind == "bash":
        start = folder / "bashrc"
        lines = f"[ -f ~/.bashrc ] && . ~/.bashrc\n. {shlex.quote(str(activate))}\n"
        write_atomic(start, lines.encode())
        return [shell, "--rcfile", str(start), "-i"], changed
    if kind == "zsh":
        lines = (
            'ZDOTDIR="$TFPROV_ZDOTDIR"; unset TFPROV_ZDOTDIR\n'
            '[ -f "${ZDOTDIR:-$HOME}/.zshrc" ] && . "${ZDOTDIR:-$HOME}/.zshrc"\n'
            f". {shlex.quote(str(activate))}\n"
        )
        write_atomic(folder / ".zshrc", lines.encode())
        return [shell, "-i"], {
            **changed,
            "TFPROV_ZDOTDIR": environ.get("ZDOTDIR", environ.get("HOME", "")),
            "ZDOTDIR": str(folder),
        }
    if is_conda(generation.path):
        # The variables that its scripts set are there already.
        return [shell, "-i"] if os.name == "posix" else [shell], changed
    if kind == "fish":
        return [shell, "--init-command", f"source {shlex.quote(str(bin_folder / 'activate.fish'))}"], changed
    if kind in ("powershell", "pwsh"):
        return [shell, "-NoExit", "-Command", f"& '{bin_folder / 'activate.ps1'}'"], changed
    return [shell, "-i"], changed
