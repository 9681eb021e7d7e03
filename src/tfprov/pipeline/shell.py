"""An interactive shell in which an environment is active."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from tfprov.envs.following import entrance
from tfprov.envs.generations import Environment
from tfprov.envs.records import Generation
from tfprov.paths import Home, write_atomic
from tfprov.pipeline.environments import backend_for, variables


def interactive(
    environment: Environment, generation: Generation, *, home: Home, environ: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Command and variables that start the user's shell with the environment active.

    The activation script must run after the user's own start-up files: those often put other Pythons first on PATH.
    Each shell has its own way to be told so; one that has none known here gets the variables alone.
    """
    changed = variables(generation, environ)
    shell = environ.get("SHELL") or ("powershell.exe" if os.name == "nt" else "/bin/sh")
    kind = Path(shell).stem
    folder = home.cache / "shell" / environment.id
    scripts = backend_for(generation).activation(entrance(generation.path), environment.owner.name, folder)
    activate = scripts / "activate"
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
    # Where there is no script for the shell, the variables that one would set are there already.
    if kind == "fish" and (scripts / "activate.fish").is_file():
        return [shell, "--init-command", f"source {shlex.quote(str(scripts / 'activate.fish'))}"], changed
    if kind in ("powershell", "pwsh") and (scripts / "activate.ps1").is_file():
        script = str(scripts / "activate.ps1").replace("'", "''")
        # Windows runs no scripts unless told to. This is for this shell, and for scripts of this machine alone.
        policy = ["-ExecutionPolicy", "RemoteSigned"] if os.name == "nt" else []
        return [shell, "-NoExit", *policy, "-Command", f"& '{script}'"], changed
    if kind == "cmd" and (scripts / "activate.bat").is_file():
        return [shell, "/k", str(scripts / "activate.bat")], changed
    return [shell, "-i"] if os.name == "posix" else [shell], changed
