"""Finds the Python interpreters of this machine: searches every place that installers use, and runs each executable.

Shims mislead: pyenv's `python3.9` exits with 127 when that version is not selected, and mise's is a link to mise
itself. So the folders of the version managers are read instead of their shims, and an interpreter's own answer decides.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tfprov.host.answers import AnswerCache, CannotUseError, ExhaustedError, ask, same_file
from tfprov.host.places import Executable, base_of_environment, executables, file_identity, named_executable
from tfprov.host.records import Interpreter, Libc, Problem
from tfprov.host.system import ROOT, exists, musl_of, running_system
from tfprov.structured import whole_number


def discover(
    environ: Mapping[str, str], *, also: Path | None = None, cache: Path | None = None, root: Path = ROOT
) -> tuple[Interpreter, ...]:
    """Every interpreter on this machine, newest first; unusable ones come last, with the reason.

    Runs each of them once (a few at a time, each with a time limit), except those in `cache`. Interpreters of virtual
    environments are replaced by those that the environments were made from.

    Args:
        environ: its PATH and the variables of version managers say where to search.
        also: an interpreter that the user names; it comes first, even when it cannot be used.
        cache: file with earlier answers, by path, time of change and size. Read and rewritten; a damaged or read-only
            file does no harm.
        root: folder that contains the system's own folders.
    """
    system = running_system().value
    found: dict[str, Executable] = {}
    files: set[tuple[int, int]] = set()
    for executable in executables(environ, system=system, root=root):
        identity = file_identity(executable.path)
        if str(executable.path) not in found and identity is not None and identity not in files:
            files.add(identity)
            found[str(executable.path)] = executable
    # The interpreter that the profile names is taken literally: the user may mean a shim or a link.
    named = None if also is None else named_executable(also)
    if named is not None:
        found.pop(str(named.path), None)
    known = AnswerCache.load(cache)
    told = _ask_all([*([named] if named else []), *found.values()], environ, known)
    known.save(cache)
    first = told[: 1 if named else 0]
    rest: dict[str, Interpreter] = {}
    for interpreter in told[len(first) :]:
        if not interpreter.virtual and interpreter.path not in {one.path for one in first}:
            rest.setdefault(interpreter.path, interpreter)
    return (*first, *sorted(rest.values(), key=_newest_first))


def _ask_all(asked: list[Executable], environ: Mapping[str, str], known: AnswerCache) -> list[Interpreter]:
    def ask(executable: Executable) -> Interpreter | None:
        try:
            return _interpreter(executable, environ, known)
        except ExhaustedError:
            return None

    told: list[Interpreter | None] = [None for _ in asked]
    # Starting a Python is mostly waiting for the disk and the kernel: four at a time pay even on two processors. A
    # RuntimeError means that no thread can be started.
    with contextlib.suppress(RuntimeError), ThreadPoolExecutor(max_workers=4) as pool:
        told = list(pool.map(ask, asked))
    # A lack of processes, files or memory is not the interpreter's fault: run those once more, one at a time.
    return [
        _interpreter(executable, environ, known, is_last=True) if one is None else one
        for executable, one in zip(asked, told, strict=True)
    ]


def probe(path: Path, *, found_by: str, environ: Mapping[str, str]) -> Interpreter:
    """Examine one interpreter now. For a path that cannot be used, `problem` in the result says why."""
    return _interpreter(replace(named_executable(path), found_by=found_by), environ, AnswerCache({}), is_last=True)


def _interpreter(
    executable: Executable, environ: Mapping[str, str], known: AnswerCache, *, is_last: bool = False
) -> Interpreter:
    """The interpreter behind an executable.

    Raises:
        ExhaustedError: the machine cannot start another process now; not raised with `is_last`.
    """
    try:
        answer = ask(executable.path, environ, known, is_last=is_last)
    except CannotUseError as error:
        return Interpreter(
            path=str(executable.path),
            version="",
            found_by=executable.found_by,
            problem=Problem(code="python-broken", why=str(error)),
        )
    path = executable.path
    if answer.executable and not same_file(path, answer.executable):
        # A wrapper or a shim: the interpreter is the program that it started.
        path = Path(os.path.realpath(answer.executable))
    virtual = base_of_environment(path) is not None
    interpreter = Interpreter(
        path=str(path),
        version=answer.version,
        implementation=answer.implementation,
        bits=answer.bits,
        machine=answer.machine,
        free_threaded=answer.free_threaded,
        virtual=virtual,
        externally_managed=not virtual and exists(Path(answer.library) / "EXTERNALLY-MANAGED"),
        found_by=executable.found_by,
        libc=Libc(kind="glibc", version=answer.glibc) if answer.glibc else musl_of(path),
    )
    if answer.lacks:
        lacks = " and ".join(f"`{name}`" for name in answer.lacks)
        why = f"it was built without {lacks}, which TensorFlow needs"
        return replace(interpreter, problem=Problem(code="python-broken", why=why))
    return interpreter


def _newest_first(interpreter: Interpreter) -> tuple[bool, tuple[int, ...], bool, bool, bool, int, str]:
    numbers = tuple(-(whole_number(number) or 0) for number in re.findall(r"\d+", interpreter.version)[:3])
    return (
        interpreter.problem is not None,
        numbers,
        # A final release before a release candidate of the same number.
        not re.fullmatch(r"[\d.]*", interpreter.version),
        interpreter.implementation != "cpython",
        interpreter.free_threaded,
        -interpreter.bits,
        interpreter.path,
    )
