"""Compiling the modules of the first import on another processor while the installer unpacks.

The first import of TensorFlow compiles some 2,400 modules one after the other, for four of its six seconds. Unpacking
its wheel keeps one processor busy for as long, and the sources are in the wheel already. So both are done at once.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path

from tfprov import process

_ROOTS = ("tensorflow", "keras._tf_keras.keras")
"""The imports of the smoke test. TensorFlow computes the module name of Keras, so no reader of sources finds it."""
_SECONDS = 120.0


@contextlib.contextmanager
def compiling(
    wheels: Sequence[Path], *, python: Path, work: Path, environ: Mapping[str, str]
) -> Iterator[Callable[[], int]]:
    """Compile while the block runs.

    Best effort: after any failure, the first import compiles the missing modules.

    Args:
        wheels: verified wheels of the environment.
        python: its interpreter.
        work: an empty folder; the caller removes it.
        environ: all environment variables of the child process.

    Yields:
        A function to call once all wheels are installed, which writes the bytecode beside the sources and returns the
        number of files.
    """
    installed, stop, asked = work / "installed", work / "stop", work / "ahead.json"
    request = {
        "wheels": [str(path) for path in wheels],
        "roots": _ROOTS,
        "installed": str(installed),
        "stop": str(stop),
    }
    asked.write_text(json.dumps(request), encoding="utf-8")
    said: list[str] = []

    def work_on() -> None:
        with (
            contextlib.suppress(OSError),
            resources.as_file(resources.files("tfprov.install") / "compile_first.py") as script,
        ):
            argv = (python, "-I", "-W", "ignore", script, asked)
            said.append(process.run(argv, env=environ, timeout=_SECONDS).stdout)

    worker = threading.Thread(target=work_on, name="compiling", daemon=True)
    worker.start()

    def place() -> int:
        installed.touch()
        worker.join()
        count = said[0].strip() if said else ""
        return int(count) if count.isdecimal() else 0

    try:
        yield place
    finally:
        # The child looks for this file after each module.
        with contextlib.suppress(OSError):
            stop.touch()
        worker.join()
