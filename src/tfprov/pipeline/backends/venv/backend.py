"""The backend of virtual environments. Methods import what they need: some callers only ask for the name of a lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tfprov.envs.layout import executables_in
from tfprov.lock.records import file_name

if TYPE_CHECKING:
    from tfprov.envs.records import Defect
    from tfprov.events import Emit
    from tfprov.fetch.sources import Network
    from tfprov.host.records import Facts, Interpreter
    from tfprov.lock.records import Lock, LockedFile, LockedSource
    from tfprov.pipeline.context import Context
    from tfprov.pipeline.machine import Machine
    from tfprov.pipeline.records import Choice, Locked
    from tfprov.plan.records import Plan


class VenvBackend:
    """Virtual environments; the methods are documented in `Backend`."""

    can_be_bundled = True
    needs_files = False
    locks_for_other_hosts = False

    def lock_name(self, profile: str) -> str:
        return file_name(profile)

    def locked_python(self, path: Path) -> str | None:
        from tfprov.lock import pylock

        header = pylock.read_header(path)
        return header.target.python if header else None

    def choose(self, context: Context, machine: Machine) -> Choice:
        from tfprov.pipeline.backends.venv import candidates

        return candidates.choose(context, machine)

    def expected_files(self, context: Context, machine: Machine, choice: Choice) -> tuple[LockedFile, ...] | None:
        from tfprov.pipeline.backends.venv.expected import expected_files

        return expected_files(context, machine, choice)

    def find_interpreter(self, context: Context, machine: Machine, plan: Plan) -> Interpreter:
        from tfprov.pipeline.backends.venv.interpreter import find_interpreter

        return find_interpreter(context, machine, plan)

    def lock(self, context: Context, machine: Machine, choice: Choice, interpreter: Interpreter) -> Locked:
        from tfprov.pipeline.backends.venv import locking

        return locking.lock(context, machine, choice, interpreter)

    def bind(
        self, context: Context, machine: Machine, locked: Locked, bounds: tuple[str, ...], path: Path
    ) -> Locked | None:
        from tfprov.pipeline.backends.venv import binding

        return binding.bind(context, machine, locked, bounds, path)

    def sources(self, context: Context, machine: Machine, lock: Lock) -> tuple[tuple[LockedFile, ...], Network]:
        from tfprov.fetch.addresses import with_values

        return with_values(lock.files, context.request.environ), machine.network

    def create(
        self,
        context: Context,
        machine: Machine,
        locked: Locked,
        path: Path,
        *,
        fetch: Callable[[], None],
        seeded: bool,
    ) -> None:
        from tfprov.envs import venv
        from tfprov.pipeline.uv import uv_executable

        venv.create(
            path,
            python=Path(locked.interpreter.path),
            version=locked.interpreter.version,
            prompt=context.loaded.profile.name,
            cache=context.tool_caches / "virtualenv",
            uv=uv_executable(),
            environ=context.request.environ,
            with_pip=seeded,
        )

    def prepare_install(self, context: Context, locked: Locked) -> Mapping[str, str]:
        return {}

    def owned_files(self, root: Path) -> frozenset[str]:
        return frozenset()

    def activated(self, root: Path, name: str, environ: Mapping[str, str]) -> dict[str, str]:
        changed = {key: value for key, value in environ.items() if key != "PYTHONHOME"}
        changed["VIRTUAL_ENV"] = str(root)
        changed["PATH"] = os.pathsep.join((str(executables_in(root)), environ.get("PATH", os.defpath)))
        return changed

    def smoke_variables(self, root: Path, environ: Mapping[str, str]) -> Mapping[str, str]:
        return {}

    def activation(self, root: Path, name: str, folder: Path) -> Path:
        return executables_in(root)

    def damaged(self, root: Path) -> Iterator[Defect]:
        return iter(())

    def drift(
        self, root: Path, lock: Path, *, python: str, facts: Facts, environ: Mapping[str, str], emit: Emit
    ) -> tuple[Sequence[Defect], Sequence[LockedFile | LockedSource]]:
        from tfprov.lock import pylock
        from tfprov.plan.tags import marker_environment, supported_tags

        found = pylock.read(
            lock, environment=marker_environment(python, "cpython", facts), tags=supported_tags(python, False, facts)
        )
        return (), (*found.files, *found.sources)


BACKEND = VenvBackend()
