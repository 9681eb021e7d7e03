"""The worker: the only process that loads py-rattler and conda-lock.

`python -m tfprov.conda.worker` reads one JSON request from standard input and writes JSON lines: notes on the way, then
one `result` or `error`. It exits with `os._exit`: in 28 to 50 of 100 short runs the library crashed when the
interpreter was finalised under its threads (py-rattler 0.28), and threads of a failed install keep downloading.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from tfprov.structured import json_of

WorkerRequest = dict[str, Any]
"""A JSON request written by `client`, so the types of its values are known."""
Tell = Callable[[str], None]


def main() -> None:
    """Answer one request and end the process."""
    # Output of libraries must not end up between the lines of the answer.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _complete_environment()

    def say(line: dict[str, object]) -> None:
        out.write(json.dumps(line) + "\n")
        out.flush()

    try:
        request = json_of(sys.stdin.buffer.read())
        say({"result": asyncio.run(_answer(request, lambda text: say({"note": text})))})
    except BaseException as error:  # a panic of the library is not an Exception
        say({"error": described(error)})
    os._exit(0)


def _complete_environment() -> None:
    """Set variables that the libraries rely on when they are imported: PATH and HOME.

    A user without an entry in the user database, as in a container that runs under an arbitrary id, has no home.
    """
    os.environ.setdefault("PATH", os.defpath)
    try:
        at_home = Path.home().is_absolute()
    except RuntimeError:
        at_home = False
    if not at_home:
        os.environ["HOME"] = "/nonexistent"


async def _answer(request: WorkerRequest, tell: Tell) -> object:
    operation = request["operation"]
    if operation == "solve":
        from tfprov.conda.solver import solve

        return await solve(request, tell)
    if operation == "link":
        from tfprov.conda.linker import link

        return await link(request, tell)
    if operation == "addresses":
        from rattler import Channel

        return {name: str(Channel(name).base_url).rstrip("/") for name in request["names"]}
    lockfile = _lockfile()
    return {"write-lock": lockfile.write, "read-lock": lockfile.read}[operation](request)


def _lockfile() -> ModuleType:
    """The module for locks, without conda-lock's command line if possible.

    The package `conda_lock` imports its command line, with solvers and installers that a lock does not need: half of
    the time that it takes to write or read one (conda-lock 4.0.3).
    """
    package = find_spec("conda_lock")
    if package is not None:
        sys.modules["conda_lock"] = module_from_spec(package)
    try:
        from tfprov.conda import lockfile
    except (ImportError, AttributeError):
        # A release whose models need the whole package.
        for name in [name for name in sys.modules if name.partition(".")[0] == "conda_lock"]:
            del sys.modules[name]
        from tfprov.conda import lockfile
    return lockfile


def described(error: BaseException) -> dict[str, object]:
    """An exception as JSON for the client: type, message, and the `extra` attached where it was raised."""
    return {
        "kind": type(error).__name__,
        "message": str(error),
        "errno": getattr(error, "errno", None) if isinstance(error, OSError) else None,
        "path": str(getattr(error, "filename", "") or "") if isinstance(error, OSError) else "",
        **(getattr(error, "extra", None) or {}),
    }


if __name__ == "__main__":
    main()
