"""Finds the processes that use a generation, so that a generation in use is neither deleted nor moved.

A process uses a generation when its executable, a file that it has mapped or opened or its working directory lies
there, when its command line names a file there, or when VIRTUAL_ENV, CONDA_PREFIX or PATH do. An interpreter that is
started in an environment opens the folder of its generation (see `binding`), and so does `tfprov run`. The system shows
only the variables that a process was started with, so a shell that was activated later cannot be found by them:
activation scripts record its process id in the folder SHELLS beside `current`, and such a shell uses whatever `current`
leads to.

Without root, only the command line of another user's processes can be seen. Processes in another container or on
another machine that shares the folder cannot be seen at all.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tfprov.envs.following import SHELLS, stable
from tfprov.envs.fronts import followed
from tfprov.envs.layout import python_in
from tfprov.envs.records import Holder

OLDER_SHELLS = "tfprov.shells"
"""Folder in a generation in which activation scripts that do not follow the stable path recorded process ids."""

_LONGEST_COMMAND = 60
_CLOCK_SECONDS = 2.0
_ANSWER_SECONDS = 2.0
"""How long the system may take to name the open files of a process."""


def holders(folders: Sequence[Path]) -> dict[Path, tuple[Holder, ...]]:
    """The processes that use each of these generations, except this process.

    Takes some 20 ms for 100 processes, and nothing without folders.

    Args:
        folders: of generations, which lie in `ID/generations/NUMBER`.
    """
    found: dict[Path, list[Holder]] = {folder: [] for folder in folders}
    if folders:
        names = {os.path.normcase(os.path.join(*folder.parts[-3:])): folder for folder in folders}  # noqa: PTH118
        real, shells = functools.cache(followed), _shells(folders)
        for process in _processes():
            if process.pid == os.getpid():
                continue
            used = {
                folder
                for path in (*_named(process.info, real), *_mapped(process), *_opened(process))
                for name, folder in names.items()
                if _lies_in(path, name, folder, process.pid)
            }
            used |= {folder for folder, since in shells.get(process.pid, ()) if _began_before(process, since)}
            for folder in used:
                found[folder].append(Holder(pid=process.pid, command=_command(process)))
    return {folder: tuple(processes) for folder, processes in found.items()}


def running_from(folder: Path) -> tuple[Holder, ...]:
    """The processes that run a Python of an environment, or have files of it mapped, except this process.

    A shell in which it is merely activated does not count: it goes on with whatever stands at the path.

    Args:
        folder: of the environment, links resolved.
    """
    found = []
    python = os.path.realpath(python_in(folder))
    inside = f"{folder}{os.sep}"
    for process in _processes():
        if process.pid == os.getpid():
            continue
        variables, arguments = process.info["environ"] or {}, process.info["cmdline"] or []
        program = next(iter(arguments), "")
        if os.sep in program:
            name = os.path.join(process.info["cwd"] or "", program)  # noqa: PTH118 - any text may stand there
            program = os.path.join(os.path.realpath(os.path.dirname(name)), "")  # noqa: PTH118, PTH120 - likewise
        active = [variables.get("VIRTUAL_ENV", ""), *variables.get("PATH", "").split(os.pathsep)[:1]]
        # `python job.py` in an activated shell: the interpreter of a venv is a link to one outside it.
        by_name = os.sep not in program and (process.info["exe"] or "") == python
        started = by_name and any(os.path.realpath(each) in (str(folder), f"{inside}bin") for each in active if each)
        own = any(path.startswith(inside) for path in (process.info["exe"] or "", program, *_mapped(process, inside)))
        if own or started:
            found.append(Holder(pid=process.pid, command=_command(process)))
    return tuple(found)


def _processes() -> Iterator[Any]:
    """The processes of this system, as far as it shows them: none where /proc is not mounted, as in a plain chroot."""
    import psutil

    with contextlib.suppress(IndexError, FileNotFoundError):  # what psutil raises there
        yield from psutil.process_iter(["exe", "cwd", "environ", "cmdline"])


def _named(known: dict[str, Any], real: Callable[[str], str]) -> Iterator[str]:
    """Paths in what a process says about itself. Values that may not be read are None."""
    variables, arguments = known["environ"] or {}, known["cmdline"] or []
    yield from (known["exe"] or "", known["cwd"] or "")
    yield from variables.get("PATH", "").split(os.pathsep)
    yield from arguments
    # These lead to the active generation through the stable path. The interpreter itself is a link to another one.
    homes = [variables.get("VIRTUAL_ENV", ""), variables.get("CONDA_PREFIX", ""), *map(os.path.dirname, arguments[:1])]
    yield from homes
    yield from (real(home) for home in homes if os.path.isabs(home))  # noqa: PTH117 - a thousand short strings


def _mapped(process: Any, part: str = "/generations/") -> Iterator[str]:
    """Files that a process has mapped, such as extension modules, whose path contains `part`."""
    import psutil

    with contextlib.suppress(psutil.Error, OSError, AttributeError):
        if sys.platform == "linux":
            # psutil reads `smaps`, for which the kernel counts pages.
            text = Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8", errors="surrogateescape")
            yield from {line[line.find("/") :] for line in text.split("\n") if part in line}
        else:
            yield from (each.path for each in process.memory_maps())


def _opened(process: Any) -> Iterator[str]:
    """Files and folders that a process has open."""
    import psutil

    with contextlib.suppress(psutil.Error, OSError):
        if sys.platform == "linux":
            # psutil leaves out folders.
            for handle in os.scandir(f"/proc/{process.pid}/fd"):
                with contextlib.suppress(OSError):
                    yield os.readlink(handle.path)  # noqa: PTH115 - some thousand of them
        elif sys.platform != "win32":
            yield from (each.path for each in process.open_files())
        elif "python" in (process.info["exe"] or "").lower():  # slow there
            yield from _answered(lambda: [each.path for each in process.open_files()])


def _answered(ask: Callable[[], list[str]]) -> list[str]:
    """The answer of the system; none if it takes too long.

    On Windows, to ask for the name of an open pipe waits until somebody reads from it or writes to it. What is open
    there cannot be deleted anyway.
    """
    import psutil

    found: list[str] = []

    def wait() -> None:
        with contextlib.suppress(psutil.Error, OSError):
            found.extend(ask())

    waiting = threading.Thread(target=wait, name="open files", daemon=True)
    waiting.start()
    waiting.join(_ANSWER_SECONDS)
    return list(found)


def _shells(folders: Sequence[Path]) -> dict[int, list[tuple[Path, float]]]:
    """Generations that shells have activated, and when (seconds since the epoch), by process id."""
    found: dict[int, list[tuple[Path, float]]] = {}
    for folder in folders:
        follows = followed(str(stable(folder))) == os.path.realpath(folder)
        for notes in (folder / OLDER_SHELLS, *((folder.parents[1] / SHELLS,) if follows else ())):
            for left in _listed(notes):
                # A shell may be deactivated meanwhile, and systems leave files of their own (`.nfs…`, `.DS_Store`).
                with contextlib.suppress(OSError, ValueError):
                    found.setdefault(int(left.name), []).append((folder, left.stat().st_mtime))
    return found


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _began_before(process: Any, moment: float) -> bool:
    """Whether a process started before it left its id, and is not a later process with the same id."""
    import psutil

    with contextlib.suppress(psutil.Error):
        return bool(process.create_time() < moment + _CLOCK_SECONDS)
    return False


def _lies_in(path: str, name: str, folder: Path, pid: int) -> bool:
    """Whether a path, as a process sees it, lies in a generation."""
    before, found, after = os.path.normcase(path).partition(name)
    if not found or (after and after[0] != os.sep):
        return False
    place = path[: len(before) + len(found)]
    # A process in a container may see the same folder under another path.
    for seen in (f"/proc/{pid}/root{place}", place):
        with contextlib.suppress(OSError, ValueError):
            return os.path.samestat(os.stat(seen), os.stat(folder))  # noqa: PTH116 - `seen` may be no path at all
    return False


def _command(process: Any) -> str:
    words = process.info["cmdline"] or [process.info.get("name") or "?"]
    text = " ".join([os.path.basename(words[0]), *words[1:]])  # noqa: PTH119 - any text may stand there
    text = "".join(one if one.isprintable() else "?" for one in text)
    return text if len(text) <= _LONGEST_COMMAND else f"{text[:_LONGEST_COMMAND]}…"
