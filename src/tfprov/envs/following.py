"""What is activated follows updates, and what runs stays: both through the stable path of the environment.

The activation scripts name `current`, which leads to the generation in use, and not the generation that they lie in.
Each process binds itself to a generation when it begins; see `binding`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tfprov.envs.layout import BINDING, executables_in, site_packages, startup
from tfprov.paths import write_atomic

SHELLS = "shells"
"""Folder beside `current` in which activated shells leave their numbers, until they leave the environment."""

_SCRIPTS = ("activate", "activate.bat", "activate.fish", "activate.csh", "activate.nu", "activate.ps1")
_IN_GENERATION = re.compile(r"generations/\d{4,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Note:
    """How a shell leaves its number, and takes it away again; `@` stands for the folder's name, `@@` for its path.

    Attributes:
        function: what `deactivate` begins with; empty where the number stays as long as the shell.
        forget: what comes behind it.
        leave: the end of the script.
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
    # It remembers which commands there are, until it is told to look again for one that it does not know.
    "activate.csh": _Note(
        function="alias deactivate '",
        forget="test $?_TFPROV_AUTOREHASH != 0 && unset autorehash _TFPROV_AUTOREHASH; ",
        leave="if ( ! $?autorehash ) set autorehash _TFPROV_AUTOREHASH\n"
        'if ( -w "$VIRTUAL_ENV:h/@" ) touch "$VIRTUAL_ENV:h/@/$$"\n',
    ),
    # The variable is whatever folder the script was started by.
    "activate.ps1": _Note(
        leave="if (Test-Path -LiteralPath '@@') "
        "{ New-Item -ItemType File -Force -Path '@@' -Name \"$PID\" -ErrorAction SilentlyContinue | Out-Null }\n"
    ),
}


def stable(generation: Path) -> Path:
    """The link that leads to the generation in use, from the folder of any of them."""
    return generation.parents[1] / "current"


def entrance(generation: Path) -> Path:
    """The folder by which processes are started in a generation: the stable path, where that is safe.

    Generations that an older tfprov made do not bind their processes, which would import from the next one later.
    """
    bound = any((root / f"{BINDING}.pth").is_file() for root in site_packages(generation))
    return stable(generation) if bound else generation


def hold(generation: Path) -> None:
    """Keep a generation from being deleted for as long as this process, or the program that it becomes, runs.

    Raises:
        FileNotFoundError: it is gone.
    """
    if os.name == "posix":
        os.set_inheritable(os.open(generation, os.O_RDONLY), True)
    else:
        # Windows opens no folders; with this file open it lets the folder neither be renamed nor deleted.
        os.open(generation / "pyvenv.cfg", os.O_RDONLY)


def through_stable(text: str, generation: Path) -> str:
    """A text with the stable path where it names the generation.

    However a shell quotes the folder of the environment, its identifier and what follows it need no quoting.
    """
    environment = re.escape(generation.parents[1].name)
    # Windows has the other separator, and some shells double it in what they quote.
    named = re.compile(rf"({environment}([\\/]+))generations[\\/]+{generation.name}(?!\d)")
    return named.sub(r"\1current", text)


def prepare(generation: Path) -> None:
    """Let what is activated from a new environment follow updates, and what is started in it stay.

    Args:
        generation: its folder. Anywhere else than among generations there is nothing to follow.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    if not _IN_GENERATION.fullmatch("/".join(generation.parts[-2:])):
        return
    (generation.parents[1] / SHELLS).mkdir(exist_ok=True)
    for name in _SCRIPTS:
        script = executables_in(generation) / name
        if script.is_file():
            # As bytes: on Windows, too, a shell like sh wants its own line ends.
            text = through_stable(script.read_bytes().decode(), generation)
            script.write_bytes(_noted(text, generation.parents[1] / SHELLS, _NOTES.get(name)).encode())
    for root in site_packages(generation)[:1]:
        from importlib import resources  # not among what every start needs

        write_atomic(root / f"{BINDING}.py", (resources.files("tfprov.envs") / "binding.py").read_bytes())
        for name, content in startup(BINDING, "begin").items():
            write_atomic(root / name, content)


def _noted(script: str, shells: Path, note: _Note | None) -> str:
    if note is None:
        return script
    if note.function:
        script = script.replace(note.function, note.function + note.forget.replace("@", shells.name), 1)
    quoted = str(shells).replace("'", "''")
    leave = note.leave.replace("@@", quoted) if "@@" in note.leave else note.leave.replace("@", shells.name)
    return script.rstrip("\n") + "\n" + leave
