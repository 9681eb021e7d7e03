"""Compiling the modules of the first import while the wheels still arrive.

The first import of TensorFlow compiles some 2,400 modules one after the other, for four of its six seconds. Downloading
and unpacking leave a part of the processors idle, so it is done beside them, module by module as the sources land.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path

from tfprov import process

_ROOTS = ("tensorflow", "keras._tf_keras.keras")
"""The imports of the smoke test. TensorFlow computes the module name of Keras, so no reader of sources finds it."""


class Ahead:
    """A child that compiles what has landed; use it as a context, at the end of which it is gone.

    Best effort: after any failure, the first import compiles the missing modules.
    """

    def __init__(self, work: Path) -> None:
        """Start nothing yet.

        Args:
            work: an empty folder; the caller removes it.
        """
        self._work = work
        self._landed = os.open(work / "landed", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._child: threading.Thread | None = None
        self._said = ""

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *exc: object) -> None:
        # The child looks for this file after each module.
        with contextlib.suppress(OSError):
            (self._work / "stop").touch()
        if self._child is not None:
            self._child.join()
        os.close(self._landed)

    def landed(self, root: Path, paths: Iterable[str]) -> None:
        """Tell of files that are whole, though nothing may be proved of them yet. Safe for several threads.

        Args:
            root: the folder that a wheel is unpacked to. The same files may be told of again in another one.
            paths: relative to it.
        """
        if modules := [path for path in paths if path.endswith(".py")]:
            with contextlib.suppress(OSError):
                # One call of the system a line: readers see whole ones, whoever else writes.
                os.write(self._landed, (json.dumps([str(root), modules]) + "\n").encode())

    def start(self, python: Path, environ: Mapping[str, str]) -> None:
        """Begin to compile.

        Args:
            python: interpreter of the environment.
            environ: all environment variables of the child.
        """
        request = {"roots": _ROOTS, **{name: str(self._work / name) for name in ("landed", "installed", "stop")}}
        asked = self._work / "ahead.json"

        def work() -> None:
            with (
                contextlib.suppress(OSError),
                resources.as_file(resources.files("tfprov.install") / "compile_first.py") as script,
            ):
                asked.write_text(json.dumps(request), encoding="utf-8")
                argv = (python, "-I", "-W", "ignore", script, asked)
                self._said = process.run(argv, env=environ).stdout

        self._child = threading.Thread(target=work, name="compiling", daemon=True)
        self._child.start()

    def place(self) -> int:
        """Write the bytecode beside the sources, once all wheels are installed; the number of files."""
        if self._child is None:
            return 0
        with contextlib.suppress(OSError):
            (self._work / "installed").touch()
        self._child.join()
        count = self._said.strip()
        return int(count) if count.isdecimal() else 0
