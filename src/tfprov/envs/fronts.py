"""The stable path on Windows: a small environment that hands every process over to the one in use.

Windows lets few users make symbolic links and puts no folder in the place of another in one step. So `current` and
`environment.path` are real folders there: with the interpreter, the activation scripts and the commands of the
generation in use, but without its packages. One line of their `pyvenv.cfg` says what they lead to: `current` to a
generation, `environment.path` to `current`. Every process that is started in one reads it (see `binding`) and goes on
in the generation. The file is replaced in one step, and that is the switch; what else is in the folder serves every
generation, but for commands that came or went.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from tfprov.envs import commands
from tfprov.envs.layout import BINDING, LEADS_TO, executables_in, python_in, startup
from tfprov.paths import to_trash, trash_in, trash_name, write_atomic
from tfprov.renames import replace

_SETTINGS = "pyvenv.cfg"
_LIBRARY = ("Lib", "site-packages")
# What an environment has of its interpreter: programs by this beginning, and files that these load.
_INTERPRETER = ("python", "vcruntime", "msvcp", "libffi", "libcrypto", "libssl", "sqlite3")
_ACTIVATION = ("activate", "deactivate", "pydoc.bat")
# They find the packages from the folder that they lie in.
_LEFT_OUT = ("activate_this.py",)


def target(front: Path) -> Path | None:
    """What a front leads to, as it stands in it; None where the folder is none."""
    try:
        text = (front / _SETTINGS).read_text(encoding="utf-8", errors="surrogateescape")
    except (OSError, ValueError):
        return None
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key.strip() == LEADS_TO and value.strip():
            return Path(value.strip())
    return None


def write(front: Path, leads_to: Path, generation: Path) -> None:
    """Make a front, or let one lead to something else; in either case by one step, after everything else.

    Args:
        front: nothing, or a front.
        leads_to: `current`, or the generation relative to the folder of `current`.
        generation: the verified one that it leads to in the end.

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
        _renew(front)
        return
    new = front.with_name(f".{front.name}.{os.getpid()}.tmp")
    shutil.rmtree(new, ignore_errors=True)
    try:
        _fill(new, generation, place=front)
        write_atomic(new / _SETTINGS, _settings(leads_to, generation))
        new.rename(front)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def remove(front: Path) -> None:
    """Delete a front, whatever it holds.

    Raises:
        OSError: something in it is in use; it is as it was.
    """
    shutil.rmtree(to_trash(front), ignore_errors=True)


def followed(path: str) -> str:
    """Where a path leads, through links and fronts; a front's folder of commands, to that of the generation."""
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
    """Whether a front leads where it should, by the interpreter of that generation."""
    try:
        return (front / _SETTINGS).read_bytes() == _settings(leads_to, generation)
    except OSError:
        return False


def _settings(leads_to: Path, generation: Path) -> bytes:
    own = (generation / _SETTINGS).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    lines = [line for line in own if line.partition("=")[0].strip() != LEADS_TO]
    return "\n".join((*lines, f"{LEADS_TO} = {leads_to}", "")).encode("utf-8", "surrogateescape")


def _fill(front: Path, generation: Path, *, place: Path | None = None) -> set[str]:
    """Everything but the settings, which lead to it; the names of all commands."""
    folder = executables_in(front)
    folder.mkdir(parents=True, exist_ok=True)
    library = front.joinpath(*_LIBRARY)
    library.mkdir(parents=True, exist_ok=True)
    from importlib import resources  # not among what every start needs

    _put(library / f"{BINDING}.py", (resources.files("tfprov.envs") / "binding.py").read_bytes())
    for name, content in startup(BINDING, "begin").items():
        _put(library / name, content)
    names = set()
    for path in executables_in(generation).iterdir():
        if not path.is_file() or path.name in _LEFT_OUT:
            continue
        content = commands.in_reach(path)
        if not path.name.lower().startswith((*_INTERPRETER, *_ACTIVATION)):
            content = _command(path.name, content, generation, place or front)
        names.add(path.name)
        _put(folder / path.name, content)
    return names


def _command(name: str, content: bytes, generation: Path, front: Path) -> bytes:
    """A command that runs by the interpreter of the front, or starts the program of the generation."""
    if commands.interpreter_of(content) is not None:
        return commands.moved(content, was=str(generation), now=str(front))
    if not name.lower().endswith((".exe", ".com")):
        return content.replace(os.fsencode(generation), os.fsencode(front))
    # With it come some fifty modules, which a run that finds its environment verified has no use for.
    from installer.scripts import Script
    from installer.utils import get_launcher_kind

    starter = Script(Path(name).stem, BINDING, "start", "console")
    return starter.generate(str(python_in(front)), get_launcher_kind())[1]


def _commands(front: Path) -> list[str]:
    return [path.name for path in executables_in(front).iterdir() if not path.name.startswith(".")]


def _put(path: Path, content: bytes) -> None:
    """Whole or not at all; nothing where it is there already. A program that runs is put aside."""
    if commands.in_reach(path) == content:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.chmod(0o755)
        try:
            temporary.replace(path)
        except PermissionError:
            # Windows replaces no program that runs, but lets it be renamed.
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
    """Delete what was put aside and runs no more."""
    for left in trash_in(folder):
        with contextlib.suppress(OSError):
            left.unlink()


def _renew(front: Path) -> None:
    """Let tools that keep what an interpreter said about itself, by its time, ask again."""
    with contextlib.suppress(OSError):
        os.utime(python_in(front))
