"""The protocol of backends, and the one place where one is chosen."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

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
"""Module of each kind of environment; it has a `BACKEND`."""


class Backend(Protocol):
    """What makes environments of one kind, and knows them on disk. It holds no state.

    Attributes:
        can_be_bundled: whether an environment can be brought to a machine without network.
        needs_files: whether `create` may ask for the locked files; if not, it can go on beside their download.
        locks_for_other_hosts: whether a lock can be made for the machine of `--host`.
    """

    can_be_bundled: bool
    needs_files: bool
    locks_for_other_hosts: bool

    def lock_name(self, profile: str) -> str:
        """Name of the lock file of a profile."""
        ...

    def locked_python(self, path: Path) -> str | None:
        """Minor version of the Python that a lock file is for; None where it does not say, or is not there."""
        ...

    def choose(self, context: Context, machine: Machine) -> Choice:
        """Interpreter, release and variant: bound to an up-to-date lock where there is one, else chosen anew.

        Raises:
            TfprovError: why nothing fits.
        """
        ...

    def expected_files(self, context: Context, machine: Machine, choice: Choice) -> tuple[LockedFile, ...] | None:
        """The files that the lock of a choice holds, or will hold; None where that is not known without making it."""
        ...

    def find_interpreter(self, context: Context, machine: Machine, plan: Plan) -> Interpreter:
        """The interpreter of the plan, brought if it is not there."""
        ...

    def lock(self, context: Context, machine: Machine, choice: Choice, interpreter: Interpreter) -> Locked:
        """The files for the machine, from the lock on disk; the lock is made or renewed first where that is needed.

        Raises:
            TfprovError: `lock-missing` or `lock-unfit` where it may not be; what the resolver said.
        """
        ...

    def bind(
        self, context: Context, machine: Machine, locked: Locked, bounds: tuple[str, ...], path: Path
    ) -> Locked | None:
        """The locked files with more bounds than the profile has; None when this kind of lock is not bound.

        Args:
            context: its own lock stays as it is.
            machine: to resolve for.
            locked: what the bounds are for.
            bounds: PEP 508 lines that the smoke test asks for.
            path: where to write the new lock.

        Raises:
            TfprovError: what the resolver said.
        """
        ...

    def sources(self, context: Context, machine: Machine, lock: Lock) -> tuple[tuple[LockedFile, ...], Network]:
        """The files of a lock as they can be fetched now, with tokens and mirrors, and the way to them."""
        ...

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
        """Make an environment in an empty folder, with all that is not a wheel in it.

        Args:
            context: of the run.
            machine: to make it on.
            locked: what belongs into it.
            path: the folder.
            fetch: brings the locked files into the store, when one is needed that is not here.
            seeded: whether it gets a pip of its own, to install with.
        """
        ...

    def prepare_install(self, context: Context, locked: Locked) -> Mapping[str, str]:
        """Variables for the installer of the wheels.

        Raises:
            TfprovError: a wheel would be installed over something else.
        """
        ...

    def owned_files(self, root: Path) -> frozenset[str]:
        """Paths relative to an environment that something else than a wheel brought."""
        ...

    def activated(self, root: Path, name: str, environ: Mapping[str, str]) -> dict[str, str]:
        """The variables of a process in an activated environment.

        Args:
            root: the environment.
            name: of the environment, for prompts.
            environ: variables to start from.
        """
        ...

    def smoke_variables(self, root: Path, environ: Mapping[str, str]) -> Mapping[str, str]:
        """Variables that activation sets and that a smoke test needs: without them its packages would not work.

        Args:
            root: the environment.
            environ: variables of this process.
        """
        ...

    def activation(self, root: Path, name: str, folder: Path) -> Path:
        """The folder with activation scripts, by the names that virtualenv gives them.

        Args:
            root: the environment.
            name: of the environment, for prompts.
            folder: where one may be written.
        """
        ...

    def damaged(self, root: Path) -> Iterator[Defect]:
        """Files that are not as what brought them left them, beside those of wheels. Reads everything."""
        ...

    def drift(
        self, root: Path, lock: Path, *, python: str, facts: Facts, environ: Mapping[str, str], emit: Emit
    ) -> tuple[Sequence[Defect], Sequence[LockedFile | LockedSource]]:
        """What differs from the lock beside the wheels, and the wheels that it holds or has built.

        Args:
            root: the environment.
            lock: its lock file.
            python: version of its interpreter.
            facts: of this machine.
            environ: variables of this process.
            emit: receives notes.
        """
        ...


def backend_of(kind: str) -> Backend:
    """What makes environments of a kind (`environment.kind`, or the `kind` of a seal).

    A kind that is not known is left to the check of the profile; until then it counts as a virtual environment.
    """
    return cast("Backend", importlib.import_module(BACKENDS.get(kind, BACKENDS["venv"])).BACKEND)


def backend_at(root: Path) -> Backend:
    """What knows an environment that tfprov need not have made: a conda environment has a folder of records."""
    return backend_of("conda" if (root / "conda-meta").is_dir() else "venv")


def lock_of(environment: Environment, kind: str) -> Path | None:
    """The lock file that an environment was made from, when it is still there."""
    name = backend_of(kind).lock_name(environment.owner.name)
    places = (Path(environment.owner.profile).parent / name, environment.root / name)
    return next((path for path in places if path.is_file()), None)
