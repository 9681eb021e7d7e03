"""Activated shells follow updates while running processes keep their generation: both through the stable path.

Activation scripts name `current`, which leads to the active generation, and not the generation they were made in.
Each process binds itself to a generation when it starts; see `binding`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tfprov.envs.layout import BINDING, executables_in, site_packages, startup
from tfprov.words import powershell_quoted
from tfprov.writing import write_atomic

SHELLS = "shells"
"""Folder beside `current` that holds a file named by process id for each activated shell, until it deactivates."""

_SCRIPTS = ("activate", "activate.bat", "activate.fish", "activate.csh", "activate.nu", "activate.ps1")
_IN_GENERATION = re.compile(r"generations/\d{4,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Note:
    """Shell code by which an activation script records its process id in `SHELLS`, and removes it again.

    In it `@` stands for the folder's name, `@@` for its path, quoted for PowerShell.

    Attributes:
        function: text at which `deactivate` begins; empty if the file stays for as long as the shell runs.
        forget: code inserted after `function`, which removes the file.
        leave: code appended to the script, which makes the file.
    """

    leave: str
    function: str = ""
    forget: str = ""


_NOTES = {
    "activate": _Note(
        function="deactivate () {\n",
        forget='    [ -z "${VIRTUAL_ENV-}" ] || rm -f "${VIRTUAL_ENV%/*}/@/$$"\n',
        leave='if [ -w "${VIRTUAL_ENV%/*}/@" ]; then true >|"${VIRTUAL_ENV%/*}/@/$$"; fi\n',
    ),
    "activate.fish": _Note(
        function="function deactivate -d 'Exit virtualenv mode and return to the normal environment.'\n",
        forget='    test -z "$VIRTUAL_ENV"; or rm -f -- (dirname -- "$VIRTUAL_ENV")/@/$fish_pid\n',
        leave='test -w (dirname -- "$VIRTUAL_ENV")/@; and touch -- (dirname -- "$VIRTUAL_ENV")/@/$fish_pid\n',
    ),
    # csh remembers which commands exist; without autorehash it would not find the new ones.
    "activate.csh": _Note(
        function="alias deactivate '",
        forget="test $?_TFPROV_AUTOREHASH != 0 && unset autorehash _TFPROV_AUTOREHASH; ",
        leave="if ( ! $?autorehash ) set autorehash _TFPROV_AUTOREHASH\n"
        'if ( -w "$VIRTUAL_ENV:h/@" ) touch "$VIRTUAL_ENV:h/@/$$"\n',
    ),
    # $env:VIRTUAL_ENV is whatever folder the script was started from, so the path is written out.
    "activate.ps1": _Note(
        leave="if (Test-Path -LiteralPath @@) "
        '{ New-Item -ItemType File -Force -Path @@ -Name "$PID" -ErrorAction SilentlyContinue | Out-Null }\n'
    ),
}


def stable(generation: Path) -> Path:
    """The link `current`, which leads to the active generation, from the folder of any generation beside it."""
    return generation.parents[1] / "current"


def entrance(generation: Path) -> Path:
    """The folder to start processes of a generation from: the stable path, if the generation binds its processes.

    Generations made by an older tfprov do not, and through the stable path they would import from the next one later.
    """
    bound = any((root / f"{BINDING}.pth").is_file() for root in site_packages(generation))
    return stable(generation) if bound else generation


def hold(generation: Path) -> None:
    """Protect a generation from deletion for as long as this process runs, or the program that it turns into (`exec`).

    Raises:
        FileNotFoundError: the generation is gone.
    """
    if os.name == "posix":
        os.set_inheritable(os.open(generation, os.O_RDONLY), True)
    else:
        # Folders cannot be opened on Windows. While this file is open, the folder can be neither renamed nor deleted.
        os.open(generation / "pyvenv.cfg", os.O_RDONLY)


def through_stable(text: str, generation: Path) -> str:
    """A text in which the path of the generation is replaced by the stable path.

    However a shell quotes the environment's folder, its identifier and what follows it need no quoting.
    """
    environment = re.escape(generation.parents[1].name)
    # Windows uses backslashes, and some shells double them inside quotes.
    named = re.compile(rf"({environment}([\\/]+))generations[\\/]+{generation.name}(?!\d)")
    return named.sub(r"\1current", text)


def prepare(generation: Path) -> None:
    """Make the activation scripts of a new environment name the stable path, and add the start-up files of `binding`.

    Args:
        generation: its folder. Does nothing for a folder that is not in `generations/`.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    if not _IN_GENERATION.fullmatch("/".join(generation.parts[-2:])):
        return
    (generation.parents[1] / SHELLS).mkdir(exist_ok=True)
    for name in _SCRIPTS:
        script = executables_in(generation) / name
        if script.is_file():
            # As bytes, to keep the line ends: sh needs its own on Windows, too. They need not be UTF-8: a path may hold
            # any bytes, and virtualenv divides a letter in it among two quotations for csh.
            text = through_stable(os.fsdecode(script.read_bytes()), generation)
            script.write_bytes(os.fsencode(_noted(text, generation.parents[1] / SHELLS, _NOTES.get(name))))
    for root in site_packages(generation)[:1]:
        from importlib import resources  # imported here: most commands do not need it

        write_atomic(root / f"{BINDING}.py", (resources.files("tfprov.envs") / "binding.py").read_bytes())
        for name, content in startup(BINDING, "begin").items():
            write_atomic(root / name, content)


def _noted(script: str, shells: Path, note: _Note | None) -> str:
    if note is None:
        return script
    if note.function:
        script = script.replace(note.function, note.function + note.forget.replace("@", shells.name), 1)
    own = note.leave.replace("@@", powershell_quoted(str(shells)))
    leave = own if "@@" in note.leave else own.replace("@", shells.name)
    return script.rstrip("\n") + "\n" + leave
