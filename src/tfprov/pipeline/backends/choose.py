"""The protocol of backends, and the only place where one is chosen."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from tfprov.envs.layout import is_conda

if TYPE_CHECKING:
    from tfprov.envs.generations import Environment
    from tfprov.envs.records import Defect
    from tfprov.events import Emit
    from tfprov.fetch.sources import Network
    from tfprov.host.records import Facts, Interpreter
    from tfprov.lock.records import Lock, LockedFile, LockedSource
    from tfprov.pipeline.context import Context
    from tfprov.pipeline.machine import Machine
    from tfprov.pipeline.records import Choice, Locked
    from tfprov.plan.records import Plan

BACKENDS = {
    "venv": "tfprov.pipeline.backends.venv.backend",
    "conda": "tfprov.pipeline.backends.conda.backend",
}
"""The module of each kind of environment; its `BACKEND` is the backend."""


class Backend(Protocol):
    """Locks, creates and inspects environments of one kind. It holds no state.

    Attributes:
        can_be_bundled: whether a bundle can contain an environment, for a machine without a network.
        needs_files: whether `create` may need the locked files; if not, it can run during their download.
        locks_for_other_hosts: whether it can make a lock for another machine (`--host`).
    """

    can_be_bundled: bool
    needs_files: bool
    locks_for_other_hosts: bool

    def lock_name(self, profile: str) -> str:
        """Name of the lock file of a profile.

        Args:
            profile: name of the profile.
        """

    def locked_python(self, path: Path) -> str | None:
        """Minor version of the Python that a lock file is for; None where it does not say, or does not exist."""

    def choose(self, context: Context, machine: Machine) -> Choice:
        """Interpreter, TensorFlow release and variant: those of the lock if it is up to date, else a new choice.

        Raises:
            TfprovError: why nothing fits.
        """

    def expected_files(self, context: Context, machine: Machine, choice: Choice) -> tuple[LockedFile, ...] | None:
        """The files that the lock of a choice has or will have; None if only making the lock would tell."""

    def find_interpreter(self, context: Context, machine: Machine, plan: Plan) -> Interpreter:
        """The interpreter that the plan chose; it is downloaded if this machine does not have it.

        Raises:
            TfprovError: `python-not-found`; `extra-missing`.
        """

    def lock(self, context: Context, machine: Machine, choice: Choice, interpreter: Interpreter) -> Locked:
        """The files for the machine, from the lock on disk, which is made or renewed first if necessary.

        Raises:
            TfprovError: `lock-missing` or `lock-unfit` when the lock must not be changed; the resolver's failure.
        """

    def bind(
        self, context: Context, machine: Machine, locked: Locked, bounds: tuple[str, ...], path: Path
    ) -> Locked | None:
        """Make a lock with bounds in addition to those of the profile.

        Args:
            context: of the run; its lock file is not changed.
            machine: to resolve for.
            locked: the present lock, with its plan and interpreter.
            bounds: PEP 508 lines that the smoke test requires.
            path: where to write the new lock.

        Returns:
            The new lock; None when the lock must not change, or locks of this kind cannot take bounds.

        Raises:
            TfprovError: the resolver's failure.
        """

    def sources(self, context: Context, machine: Machine, lock: Lock) -> tuple[tuple[LockedFile, ...], Network]:
        """The files of a lock as the fetch stage needs them, with tokens and mirrors, and the network to use."""

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
        """Make an environment in an empty folder, complete except for wheels.

        Args:
            context: of the run.
            machine: to make it on.
            locked: the files and the interpreter.
            path: the folder.
            fetch: brings the locked files into the store; called only when a file is needed and missing.
            seeded: whether it gets its own pip, to install with.
        """

    def prepare_install(self, context: Context, locked: Locked) -> Mapping[str, str]:
        """Environment variables for the installer of the wheels.

        Raises:
            TfprovError: a wheel would overwrite something that is not from a wheel.
        """

    def owned_files(self, root: Path) -> frozenset[str]:
        """The files in an environment that do not come from wheels, as paths relative to it."""

    def activated(self, root: Path, name: str, environ: Mapping[str, str]) -> dict[str, str]:
        """All environment variables of a process in an activated environment.

        Args:
            root: folder of the environment.
            name: of the environment, for prompts.
            environ: variables to start from.
        """

    def smoke_variables(self, root: Path, environ: Mapping[str, str]) -> Mapping[str, str]:
        """The variables set by activation that a smoke test needs, because packages do not work without them.

        Args:
            root: folder of the environment.
            environ: variables of this process.
        """

    def activation(self, root: Path, name: str, folder: Path) -> Path:
        """The folder with activation scripts, which have the names that virtualenv uses.

        Args:
            root: folder of the environment.
            name: of the environment, for prompts.
            folder: where scripts may be written if the environment has none.
        """

    def damaged(self, root: Path) -> Iterator[Defect]:
        """Damaged files that do not come from wheels. Reads the content of all of them.

        Args:
            root: folder of the environment.
        """

    def drift(
        self, root: Path, lock: Path, *, python: str, facts: Facts, environ: Mapping[str, str], emit: Emit
    ) -> tuple[Sequence[Defect], Sequence[LockedFile | LockedSource]]:
        """Compare an environment with its lock, except for wheels.

        Args:
            root: folder of the environment.
            lock: its lock file.
            python: version of its interpreter.
            facts: of this machine.
            environ: variables of this process.
            emit: receives notes.

        Returns:
            The differences, and the wheels and sources in the lock, which the caller compares.
        """


def backend_of(kind: str) -> Backend:
    """The backend for a kind of environment (`environment.kind` of a profile, or the `kind` of a seal).

    An unknown kind gets the backend of virtual environments; validation of the profile reports it later.
    """
    return cast("Backend", importlib.import_module(BACKENDS.get(kind, BACKENDS["venv"])).BACKEND)


def backend_at(root: Path) -> Backend:
    """The backend for an environment that tfprov need not have made."""
    return backend_of("conda" if is_conda(root) else "venv")


def lock_of(environment: Environment, kind: str) -> Path | None:
    """The lock file that an environment was made from, beside its profile or in its own folder; None if it is gone.

    Args:
        environment: the environment.
        kind: as for `backend_of`.
    """
    name = backend_of(kind).lock_name(environment.owner.name)
    places = (Path(environment.owner.profile).parent / name, environment.root / name)
    return next((path for path in places if path.is_file()), None)
