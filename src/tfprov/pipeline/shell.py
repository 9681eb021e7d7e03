"""Starts an interactive shell in which an environment is active."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from tfprov.envs.following import entrance
from tfprov.envs.generations import Environment
from tfprov.envs.records import Generation
from tfprov.paths import Home
from tfprov.pipeline.environments import backend_for, variables
from tfprov.process import program
from tfprov.words import powershell_quoted
from tfprov.writing import write_atomic


def interactive(
    environment: Environment, generation: Generation, *, home: Home, environ: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """The command and the environment variables that start the user's shell with an environment active.

    The activation script must run after the user's own start-up files, which often put other Pythons first on PATH. How
    to do that differs between shells; an unknown shell gets only the variables.

    Args:
        environment: its name is used for prompts.
        generation: the one in use.
        home: its cache folder receives start-up files for the shell.
        environ: variables of the user; `SHELL` names the shell.
    """
    changed = variables(generation, environ)
    shell = shell_of(environ)
    kind = Path(shell).stem.lower()
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
    # Without an activation script for the shell, `changed` has the variables that it would set.
    if kind == "fish" and (scripts / "activate.fish").is_file():
        return [shell, "--init-command", f"source {shlex.quote(str(scripts / 'activate.fish'))}"], changed
    if kind in ("powershell", "pwsh") and (scripts / "activate.ps1").is_file():
        script = powershell_quoted(str(scripts / "activate.ps1"))
        # By default, Windows runs no scripts. The policy applies to this shell, and to local scripts only.
        policy = ["-ExecutionPolicy", "RemoteSigned"] if os.name == "nt" else []
        return [shell, "-NoExit", *policy, "-Command", f"& {script}"], changed
    if kind == "cmd" and (scripts / "activate.bat").is_file():
        # Without `call`, cmd drops the quotes around a path that has spaces and parentheses.
        return [shell, "/k", "call", str(scripts / "activate.bat")], changed
    return [shell, "-i"] if os.name == "posix" else [shell], changed


def shell_of(environ: Mapping[str, str], *, windows: bool = os.name == "nt") -> str:
    """The shell of a user: `SHELL`, else `/bin/sh`; on Windows the first that exists of `SHELL`, PowerShell and cmd.

    Git's bash and Cygwin set `SHELL` to a path that only their own programs know (`/usr/bin/bash`).
    """
    if not windows:
        return environ.get("SHELL") or "/bin/sh"
    # Never by a bare name, for which Windows looks into the working directory.
    named = filter(None, (environ.get("SHELL"), "powershell", environ.get("COMSPEC"), "cmd"))
    return next(filter(None, (program(each, environ) for each in named)), "cmd.exe")
