"""Compiles the modules of the first import while wheels are still being downloaded.

The first import of TensorFlow compiles some 2,400 modules one after another, which takes four of its six seconds.
Downloading and unpacking leave some processors idle, so modules are compiled meanwhile, as their sources land. What is
left then is compiled beside the smoke test, which uses one processor.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import CancelledError
from importlib import resources
from pathlib import Path

from tfprov import process
from tfprov.locks import STUCK_SECONDS
from tfprov.structured import whole_number

_ROOTS = ("tensorflow", "keras._tf_keras.keras")
"""The smoke test's imports. TensorFlow computes the module name of Keras, so parsing sources does not find it."""
_SLICE_SECONDS = 1.0
_MOST_SLICES = int(STUCK_SECONDS / _SLICE_SECONDS)
"""How many slices the child has to end; counted and not measured, so that a suspended machine is not taken for it."""


class Ahead:
    """A child process that compiles the modules that have landed. A context manager, which ends the child on exit.

    Best effort: after a failure, the first import compiles the modules that are missing.
    """

    def __init__(self, work: Path) -> None:
        """Prepare; `start` starts the child.

        Args:
            work: an empty folder; the caller removes it.
        """
        self._work = work
        self._landed = os.open(work / "landed", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._child: threading.Thread | None = None
        self._needless = threading.Event()
        self._said = ""

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *exc: object) -> None:
        self.finish()
        os.close(self._landed)

    def landed(self, root: Path, paths: Iterable[str]) -> None:
        """Report files that are complete, even if their wheel has not been verified yet. Thread-safe.

        Args:
            root: the folder that a wheel is unpacked into. The same files may be reported again in another folder.
            paths: relative to it.
        """
        if modules := [path for path in paths if path.endswith(".py")]:
            with contextlib.suppress(OSError):
                # One system call per line, so that the reader never sees part of a line.
                os.write(self._landed, (json.dumps([str(root), modules]) + "\n").encode())

    def start(self, python: Path, environ: Mapping[str, str], *, environment: Path | None = None) -> None:
        """Start compiling.

        Args:
            python: interpreter of the environment.
            environ: all environment variables of the child.
            environment: a virtual environment that is being made with that interpreter; None for its own packages.
        """
        request = {
            "roots": _ROOTS,
            "environment": None if environment is None else str(environment),
            "starter": os.getpid(),
            **{name: str(self._work / name) for name in ("landed", "installed", "stop")},
        }
        asked = self._work / "ahead.json"

        def work() -> None:
            with (
                # A RuntimeError where no more threads can be started.
                contextlib.suppress(OSError, RuntimeError, CancelledError),
                process.endable(self._needless),
                resources.as_file(resources.files("tfprov.install") / "compile_first.py") as script,
            ):
                asked.write_text(json.dumps(request), encoding="utf-8")
                argv = (python, "-I", "-W", "ignore", script, asked)
                self._said = process.run(argv, env=environ).stdout

        self._child = threading.Thread(target=work, name="compiling", daemon=True)
        self._child.start()

    def place(self) -> None:
        """Let it write bytecode beside the sources from now on: all wheels are installed."""
        with contextlib.suppress(OSError):
            (self._work / "installed").touch()

    def finish(self) -> int:
        """End it, also if it is stuck; the number of files that it wrote. Nothing is written after that."""
        # The child looks for this file after each module.
        with contextlib.suppress(OSError):
            (self._work / "stop").touch()
        if self._child is not None:
            for _ in range(_MOST_SLICES):
                self._child.join(_SLICE_SECONDS)
                if not self._child.is_alive():
                    break
            self._needless.set()
            self._child.join()
        return whole_number(self._said.strip()) or 0
