"""Fronts: the stable path on Windows, a small environment that hands every process over to the active generation.

Windows lets few users make symbolic links and cannot replace a folder in one step. So `current` and `environment.path`
are real folders there: with the interpreter, the activation scripts and the commands of the active generation, but
without its packages. One line of their `pyvenv.cfg` names their target: for `current` a generation, for
`environment.path` the folder `current`. Every process that is started from a front reads it (see `binding`) and goes on
in the generation. Replacing that file, in one step, is the switch; everything else in the folder serves every
generation, except for commands that were added or removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path

from tfprov.envs import commands
from tfprov.envs.layout import BINDING, LEADS_TO, executables_in, python_in, startup
from tfprov.paths import beside
from tfprov.renames import read, replace
from tfprov.trash import to_trash, trash_in, trash_name
from tfprov.trees import is_junction
from tfprov.writing import write_atomic

_SETTINGS = "pyvenv.cfg"
_LIBRARY = ("Lib", "site-packages")
# What an environment contains of its interpreter: programs with these prefixes, and the libraries they load.
_INTERPRETER = ("python", "vcruntime", "msvcp", "libffi", "libcrypto", "libssl", "sqlite3")
_ACTIVATION = ("activate", "deactivate", "pydoc.bat")
# Scripts that look for the packages relative to their own folder.
_LEFT_OUT = ("activate_this.py",)


def target(front: Path) -> Path | None:
    """The target of a front, as written in its `pyvenv.cfg`; None if the folder is not a front.

    One in which there are links is none: what is written to it would be written, and deleted, elsewhere. Such a folder
    may have come with somebody else's project.
    """
    settings = front / _SETTINGS
    try:
        if any(map(_is_elsewhere, (settings, executables_in(front), front / _LIBRARY[0], front.joinpath(*_LIBRARY)))):
            return None
        text = read(settings).decode("utf-8", "surrogateescape") if settings.is_file() else ""
    except (OSError, ValueError):
        return None
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key.strip() == LEADS_TO and value.strip():
            return Path(value.strip())
    return None


def _is_elsewhere(path: Path) -> bool:
    """Whether a path is a link or a junction; False where nothing exists."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISLNK(status.st_mode) or is_junction(status)


def write(front: Path, leads_to: Path, generation: Path) -> None:
    """Make a front, or point an existing one at another target, with everything else in place before the switch.

    Args:
        front: path of a front, or of nothing.
        leads_to: `current`, or the generation relative to the folder of `current`.
        generation: the verified generation at the end of the chain.

    Raises:
        OSError: the disk is full, the folder cannot be written, or a program in it is in use and cannot be replaced.
    """
    if target(front) is not None:
        before = set(_commands(front))
        wanted = _fill(front, generation)
        write_atomic(front / _SETTINGS, _settings(leads_to, generation))
        for name in before - wanted:
            _drop(executables_in(front) / name)
        _sweep(executables_in(front))
        # Some tools cache the interpreter's properties by its time, and have to ask it again.
        with contextlib.suppress(OSError):
            os.utime(python_in(front))
        return
    new = beside(front, ".tmp")
    try:
        _fill(new, generation, place=front)
        write_atomic(new / _SETTINGS, _settings(leads_to, generation))
        replace(new, front)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def remove(front: Path) -> None:
    """Delete a front with everything in it.

    Raises:
        OSError: something in it is in use; the front is unchanged.
    """
    shutil.rmtree(to_trash(front), ignore_errors=True)


def followed(path: str) -> str:
    """Where a path leads through links and fronts; for a front's command folder, the generation's command folder."""
    real = os.path.realpath(path)
    if os.name != "nt":
        return real
    place = Path(real)
    inside = place.name if place.name == executables_in(place).name else ""
    place = place.parent if inside else place
    while (found := target(place)) is not None:
        place = place.parent / found
    return str(place / inside)


def is_current(front: Path, leads_to: Path, generation: Path) -> bool:
    """Whether a front has this target and the interpreter settings of this generation."""
    try:
        return read(front / _SETTINGS) == _settings(leads_to, generation)
    except OSError:
        return False


def _settings(leads_to: Path, generation: Path) -> bytes:
    own = (generation / _SETTINGS).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    lines = [line for line in own if line.partition("=")[0].strip() != LEADS_TO]
    return "\n".join((*lines, f"{LEADS_TO} = {leads_to}", "")).encode("utf-8", "surrogateescape")


def _fill(front: Path, generation: Path, *, place: Path | None = None) -> set[str]:
    """Write everything but `pyvenv.cfg`, which would switch the front; returns the names of all commands."""
    folder = executables_in(front)
    folder.mkdir(parents=True, exist_ok=True)
    library = front.joinpath(*_LIBRARY)
    library.mkdir(parents=True, exist_ok=True)
    from importlib import resources  # imported here: most commands do not need it

    _put(library / f"{BINDING}.py", (resources.files("tfprov.envs") / "binding.py").read_bytes())
    for name, content in startup(BINDING, "begin").items():
        _put(library / name, content)
    names = set()
    for path in executables_in(generation).iterdir():
        if not path.is_file() or path.name in _LEFT_OUT:
            continue
        content = commands.in_reach(path)
        name = path.name.lower()
        # A package may have a command with such a name, such as `python-argcomplete-check-easy-install-script`.
        of_python = name.startswith(_INTERPRETER) and commands.interpreter_of(content) is None
        if not (of_python or name.startswith(_ACTIVATION)):
            content = _command(path.name, content, generation, place or front)
        names.add(path.name)
        _put(folder / path.name, content)
    return names


def _command(name: str, content: bytes, generation: Path, front: Path) -> bytes:
    """The content of a front's command: a script for the front's interpreter, or a launcher of the native program."""
    if commands.interpreter_of(content) is not None:
        return commands.moved(content, was=str(generation), now=str(front))
    if not name.lower().endswith((".exe", ".com")):
        return content.replace(os.fsencode(generation), os.fsencode(front))
    # This imports some fifty modules, which a run that finds its environment verified does not need.
    from installer.scripts import Script
    from installer.utils import get_launcher_kind

    starter = Script(Path(name).stem, BINDING, "start", "console")
    return starter.generate(str(python_in(front)), get_launcher_kind())[1]


def _commands(front: Path) -> list[str]:
    return [path.name for path in executables_in(front).iterdir() if not path.name.startswith(".")]


def _put(path: Path, content: bytes) -> None:
    """Write a file atomically unless it has this content already. A program that is running is renamed first."""
    if commands.in_reach(path) == content:
        return
    temporary = beside(path, ".tmp")
    try:
        temporary.write_bytes(content)
        temporary.chmod(0o755)
        try:
            temporary.replace(path)
        except PermissionError:
            # Windows cannot replace a running program, but can rename it.
            replace(path, trash_name(path))
            replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _drop(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        with contextlib.suppress(OSError):
            to_trash(path)


def _sweep(folder: Path) -> None:
    """Delete programs that were renamed while they ran and have ended since."""
    for left in trash_in(folder):
        with contextlib.suppress(OSError):
            left.unlink()
