"""Examines environments without changing them, and repairs them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from packaging.version import Version

from tfprov.adopt.judge import findings, leak_of_base
from tfprov.adopt.read import read, sees_base, settings_of
from tfprov.envs import documents, manifest, rollbacks
from tfprov.envs.bytecode import cut_bytecode, settles
from tfprov.envs.generations import Environment
from tfprov.envs.integrity import bad_files, foreign_files, installed
from tfprov.envs.layout import python_in
from tfprov.envs.records import Defect, Generation, Seal
from tfprov.errors import CODES, TfprovError
from tfprov.events import Emit, Note
from tfprov.host.facts import gather
from tfprov.host.records import Facts
from tfprov.host.system import home_folder, running_system
from tfprov.lock.records import LockedFile, LockedSource
from tfprov.paths import home
from tfprov.pipeline.backends.choose import Backend, backend_at, backend_of, lock_of
from tfprov.pipeline.context import Request
from tfprov.pipeline.environments import backend_for, find, verified
from tfprov.pipeline.named import of_nobody
from tfprov.pipeline.reckoning import SEEDS
from tfprov.pipeline.records import Outcome
from tfprov.pipeline.standing import Standing
from tfprov.pipeline.up import up
from tfprov.visual_cpp import BRINGS
from tfprov.words import first_of, quoted

_ABSENT_LIBRARY = "windows-dll-load"
_NAMED = 6
"""How many findings the error names; the full list is the command's own output."""


def examine(name: str, *, cwd: Path, environ: Mapping[str, str], emit: Emit) -> tuple[Defect, ...]:
    """Find the defects of a profile's environment, worst first. Reads every installed file and changes nothing.

    Raises:
        TfprovError: `environment-missing`, or what is wrong with the profile.
    """
    environment = find(name, cwd=cwd, environ=environ)
    generation = verified(environment, name, moved=True)
    seal = generation.sealed
    facts = gather(environ, cache=home(environ).cache / "interpreters.json")
    backend = backend_for(generation)
    found = (
        *_place(environment, generation),
        *_interpreter(generation.path, emit, version=seal.python_version),
        *_damaged(generation.path, backend, emit),
        *_unrecorded(environment, generation),
        *_unreadable(generation.path, environ),
        *_drift(generation.path, environment, seal, facts, environ=environ, emit=emit),
        *_foreign(generation.path, backend, emit),
        *_machine(generation, environ),
        *_leaks(facts),
    )
    typed = name if environment.owner.is_known else ""
    return tuple(replace(one, fix=_typed(one.fix, typed)) for one in found)


def _typed(fix: str, name: str) -> str:
    """The fix with the profile in its commands, as the user named it, so that they can be pasted."""
    return re.sub(r"`tfprov (?:up|repair)", lambda command: f"{command[0]} {quoted(name)}", fix) if name else fix


def examine_foreign(path: Path, *, environ: Mapping[str, str], emit: Emit) -> tuple[Defect, ...]:
    """Find the defects of any environment, made by tfprov or not, worst first. Changes nothing.

    Args:
        path: its folder, or its interpreter.
        environ: variables of this process.
        emit: receives progress.

    Raises:
        TfprovError: `environment-missing` when there is no environment.
    """
    found = read(path, home=home_folder(environ, running_system().value), own=True)
    root = found.root
    backend = backend_at(root)
    emit(Note(text="reading what is written about its packages", level="detail"))
    judged = findings(found, thorough=False)
    known = {(one.code, one.path) for one in judged}
    more = (*_interpreter(root, emit), *_damaged(root, backend, emit), *_foreign(root, backend, emit))
    is_own = (root / manifest.SEAL).exists()
    facts = gather(environ)
    fix = _DRIFT_FIX if is_own else f"`tfprov adopt {quoted(str(found.named))}` recreates it"
    return (
        *(replace(one, fix=fix) for one in judged if one.kind == "damage"),
        *(one if is_own else replace(one, fix=fix) for one in more if (one.code, one.path) not in known),
        *(one for one in judged if one.kind != "damage"),
        *_leaks(facts),
        *(() if is_own else _absent_libraries(facts)),
    )


def repair(name: str, *, cwd: Path, environ: Mapping[str, str], emit: Emit) -> Outcome:
    """Make a new, verified generation in which every file is as in its wheel; damaged files come from the store.

    Where nothing is damaged, it does what `up` does: nothing at all, if the profile asks for nothing else.

    Raises:
        TfprovError: why it cannot be made; the active generation is then unchanged.
    """
    try:
        found = examine(name, cwd=cwd, environ=environ, emit=emit)
        is_damaged = any(one.kind == "damage" for one in found)
    except TfprovError:
        is_damaged = True  # or worse: the run says what it is
    return up(Request(profile=name, cwd=cwd, environ=environ, recreate=is_damaged, thorough=True), emit)


def as_error(findings: tuple[Defect, ...], name: str) -> TfprovError | None:
    """The findings as one error; None if they are advice only, and the environment itself is as it should be."""
    wrong = [one for one in findings if one.kind != "advice"]
    if not wrong:
        return None
    first = wrong[0]
    evidence = [
        f"{one.code}: `{one.path}`{others}: {one.found}, expected {one.expected}" for one, others in Defect.alike(wrong)
    ]
    return TfprovError(
        first.code,
        f"`{name}` is not as it should be: {CODES[first.code].meaning}",
        evidence=first_of(evidence, _NAMED),
        hint=first.fix,
    )


def _place(environment: Environment, generation: Generation) -> Iterator[Defect]:
    """Defects of the environment's place: moved since it was made, or without the record of its profile."""
    if environment.moved(generation):
        yield Defect(
            code="environment-moved",
            path=str(generation.path),
            expected=f"`{generation.seal.place if generation.seal else ''}`",
            found="moved, and its commands name the old place",
            fix="run `tfprov up` to rebuild it from its image",
        )
    if documents.read_owner(environment.root) is None:
        yield Defect(
            code="file-damaged",
            path=str(environment.root / documents.OWNER),
            expected="the record of the profile that it was made of",
            found="damaged, or gone",
            fix="run `tfprov up`" if environment.owner.is_known else of_nobody(environment).hint,
        )


def _interpreter(root: Path, emit: Emit, *, version: str | None = None) -> Iterator[Defect]:
    """Defects of the interpreter: missing, other than the environment was made from, or with packages of its base.

    Args:
        root: folder of the environment.
        emit: receives progress.
        version: version of Python that it was made with; None for the one in `pyvenv.cfg`.
    """
    emit(Note(text="looking at the interpreter", level="detail"))
    python = python_in(root)
    settings = settings_of(root / "pyvenv.cfg")
    fix = "run `tfprov repair`; when that interpreter is gone, another one that fits is taken"
    broken = partial(Defect, code="python-broken", path=str(python), fix=fix)
    if not python.exists():
        target = str(python.readlink()) if python.is_symlink() else str(python)
        yield broken(expected=f"`{target}`", found="gone")
        return
    if not settles(root):
        yield broken(path=str(root / "pyvenv.cfg"), expected="a file", found="a pipe or a device: Python waits for it")
    base, made = settings.get("executable") or str(python.resolve()), version or settings.get("version")
    told = Path(base)
    if os.name == "nt":
        # On Windows, `python.exe` is a copy that starts the interpreter in the folder that `pyvenv.cfg` names.
        if not told.exists():
            yield broken(expected=f"`{told}`", found="gone")
    elif made and told.exists() and told.resolve() != python.resolve():
        yield broken(expected=f"`{told}`", found=f"`{python.resolve()}`")
    if sees_base(settings):
        yield replace(leak_of_base(root), fix="make an environment without them")


def _damaged(root: Path, backend: Backend, emit: Emit) -> Iterator[Defect]:
    emit(Note(text="reading every file", level="detail"))
    # Files of conda packages are checked against conda's records: the RECORD of a project in such a package may be out
    # of date.
    owned = backend.owned_files(root)
    yield from backend.damaged(root)
    for bad in bad_files(root, workers=os.cpu_count() or 1):
        if bad.path in owned:
            continue
        yield Defect(
            code="file-damaged",
            path=bad.path,
            expected=f"{bad.expected} ({bad.project})",
            found=bad.found,
            fix="run `tfprov repair`",
        )


def _unrecorded(environment: Environment, generation: Generation) -> Iterator[Defect]:
    """Damage to what no package has a hash of: activation scripts, settings, the list of files itself, folders."""
    if generation.sealed.adopted:
        return
    unrecorded, damage = manifest.unrecorded(generation.path), environment.damage(generation)
    differs = partial(Defect, code="file-damaged", fix="run `tfprov repair`")
    for found, paths in (("missing", damage.missing), ("altered", damage.altered)):
        for path in paths:
            # What pip writes about a package goes with it, which is drift.
            if path in unrecorded and ".dist-info/" not in path:
                yield differs(path=path, expected="as it was when the environment was verified", found=found)
    for path in manifest.closed_folders(generation.path):
        yield differs(path=path, expected="a folder that its owner may read", found="without that permission")


def _unreadable(root: Path, environ: Mapping[str, str]) -> Iterator[Defect]:
    """Truncated bytecode, which makes imports fail. Python before 3.14 leaves it behind when the disk is full."""
    for path in cut_bytecode(root, environ=environ):
        yield Defect(
            code="file-damaged",
            path=path,
            expected="the whole of a compiled module",
            found="a part of it, or no file at all",
            fix="run `tfprov repair`, or delete it",
        )


def _foreign(root: Path, backend: Backend, emit: Emit) -> Iterator[Defect]:
    emit(Note(text="looking for files that no package owns", level="detail"))
    owned = backend.owned_files(root)
    for path in foreign_files(root):
        if path in owned:
            continue
        yield Defect(
            code="foreign-file",
            path=path,
            expected="no such file, or a package that owns it",
            found="owned by no package",
            fix="remove it, or make a package of it; `tfprov repair` makes an environment without it",
        )


def _drift(
    root: Path, environment: Environment, seal: Seal, facts: Facts, *, environ: Mapping[str, str], emit: Emit
) -> Iterator[Defect]:
    """Packages that differ from the lock; after a rollback, advice that the lock is for another generation instead."""
    lock, backend = lock_of(environment, seal.kind), backend_of(seal.kind)
    if lock is None:
        return
    back = rollbacks.read(environment.root, environment.active())
    if back is not None:
        yield Defect(
            code="rolled-back",
            path=lock.name,
            expected=f"generation {back.before}, which profile and lock ask for",
            found=f"generation {back.number}, which it was rolled back to",
            fix="`tfprov up --no-keep-rollback` goes forward again",
            kind="advice",
        )
        return
    try:
        beside, wheels = backend.drift(root, lock, python=seal.python_version, facts=facts, environ=environ, emit=emit)
    except TfprovError as error:
        # Since then, the lock was made again for another interpreter or machine.
        expected = f"a lock that fits Python {seal.python_version} on this machine"
        fix = "`tfprov up` makes what the lock asks for now"
        yield Defect(code=error.code.name, path=str(lock), expected=expected, found=error.what, fix=fix, kind="change")
        return
    yield from beside
    yield from _wheel_drift(root, wheels, owned=backend.owned_files(root))


_DRIFT_FIX = "run `tfprov repair` to go back to the lock, or name it in the profile to keep it"


def _wheel_drift(root: Path, files: Sequence[LockedFile | LockedSource], *, owned: frozenset[str]) -> Iterator[Defect]:
    here = {
        one.name: one.version
        for one in installed(root)
        if (one.metadata / "METADATA").relative_to(root).as_posix() not in owned
    }
    differs = partial(Defect, code="package-drift", fix=_DRIFT_FIX)
    for file in files:
        version = here.get(file.name)
        if version is None:
            yield differs(path=file.name, expected=file.version or "installed", found="missing")
        # A lock may have a source without a version: then only its build knows it.
        elif file.version and not _same(version, file.version):
            yield differs(path=file.name, expected=file.version, found=version)
    locked = {file.name for file in files}
    for name, version in here.items():
        if name not in locked and name not in SEEDS:
            yield differs(path=name, expected="not in the lock", found=version)


def _same(left: str, right: str) -> bool:
    try:
        return Version(left) == Version(right)
    except ValueError:
        return left == right


def _machine(generation: Generation, environ: Mapping[str, str]) -> Iterator[Defect]:
    """How this machine differs from those that the generation was proved on."""
    for change in Standing(environ).changes(generation):
        yield Defect(
            code=change.code,
            path=change.what,
            expected=change.was,
            found=change.now,
            fix="run `tfprov up` to prove the environment here again",
            kind="change",
        )


def _leaks(facts: Facts) -> Iterator[Defect]:
    """Settings of this machine that interfere with programs in the environment; tfprov's own commands ignore them."""
    for hazard in facts.hazards.value:
        if hazard.code == _ABSENT_LIBRARY:
            continue
        yield Defect(
            code=hazard.code,
            path=hazard.name,
            expected="unset",
            found=hazard.value,
            fix=f"clean it: {hazard.why}",
            kind="advice",
        )


def _absent_libraries(facts: Facts) -> Iterator[Defect]:
    """Libraries that this Windows lacks, which matter to an environment that was not verified without them."""
    for hazard in facts.hazards.value:
        if hazard.code == _ABSENT_LIBRARY:
            yield Defect(
                code=hazard.code,
                path=hazard.name,
                expected=hazard.value,
                found="missing",
                fix=f"install Microsoft's Visual C++ runtime, or `{BRINGS}` into this environment: {hazard.why}",
                kind="advice",
            )
