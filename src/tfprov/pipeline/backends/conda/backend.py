"""The backend of conda environments. Methods import what they need: some callers only ask for the name of a lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tfprov.conda.records import file_name
from tfprov.digests import sha256_of

if TYPE_CHECKING:
    from tfprov.conda.records import Package
    from tfprov.envs.records import Defect
    from tfprov.events import Emit
    from tfprov.fetch.sources import Network
    from tfprov.host.records import Facts, Interpreter
    from tfprov.lock.records import Lock, LockedFile, LockedSource
    from tfprov.pipeline.context import Context
    from tfprov.pipeline.machine import Machine
    from tfprov.pipeline.records import Choice, Locked
    from tfprov.plan.records import Plan


class CondaBackend:
    """Conda environments; the methods are documented in `Backend`."""

    can_be_bundled = False
    needs_files = True
    locks_for_other_hosts = True

    def lock_name(self, profile: str) -> str:
        return file_name(profile)

    def locked_python(self, path: Path) -> str | None:
        return None

    def choose(self, context: Context, machine: Machine) -> Choice:
        from tfprov.pipeline.backends.conda import locking

        return locking.choose(context, machine)

    def expected_files(self, context: Context, machine: Machine, choice: Choice) -> tuple[LockedFile, ...] | None:
        from tfprov.pipeline.backends.conda import locking

        return locking.expected_files(context, machine, choice)

    def find_interpreter(self, context: Context, machine: Machine, plan: Plan) -> Interpreter:
        """A placeholder with the minor version: the lock says which Python, and it is linked with the environment."""
        from tfprov.conda.client import require_extra
        from tfprov.host.records import Interpreter

        require_extra()
        return Interpreter(path="conda", version=plan.decision.python.version, found_by="conda")

    def lock(self, context: Context, machine: Machine, choice: Choice, interpreter: Interpreter) -> Locked:
        from tfprov.pipeline.backends.conda import locking

        return locking.lock(context, machine, choice)

    def bind(
        self, context: Context, machine: Machine, locked: Locked, bounds: tuple[str, ...], path: Path
    ) -> Locked | None:
        """None: the wheels in a conda lock were resolved for its conda packages, so it takes no further bounds."""
        return None

    def sources(self, context: Context, machine: Machine, lock: Lock) -> tuple[tuple[LockedFile, ...], Network]:
        from tfprov.pipeline.backends.conda import linking

        packages = linking.conda_lock(lock).part.packages
        return linking.reachable(context, lock.files, packages), linking.with_logins(context, machine.network)

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
        """`seeded` has no effect: the pip of the environment is a conda package."""
        from tfprov.pipeline.backends.conda import linking

        linking.create(context, machine, linking.conda_lock(locked.lock), path, fetch)

    def prepare_install(self, context: Context, locked: Locked) -> Mapping[str, str]:
        from tfprov.pipeline.backends.conda import linking

        linking.check_projects(context, linking.conda_lock(locked.lock))
        # A channel may mark its Python as externally managed (PEP 668), but this environment belongs to tfprov.
        return {"UV_BREAK_SYSTEM_PACKAGES": "true"}

    def owned_files(self, root: Path) -> frozenset[str]:
        from tfprov.conda import prefix

        return prefix.owned_files(root)

    def activated(self, root: Path, name: str, environ: Mapping[str, str]) -> dict[str, str]:
        from tfprov.conda import activation

        return activation.variables(root, name, environ)

    def smoke_variables(self, root: Path, environ: Mapping[str, str]) -> Mapping[str, str]:
        from tfprov.conda import activation
        from tfprov.process import clean_environment

        clean = clean_environment(environ)
        found = activation.variables(root, root.parents[1].name, clean)
        return {name: value for name, value in found.items() if clean.get(name) != value}

    def activation(self, root: Path, name: str, folder: Path) -> Path:
        """Write the only script, for POSIX shells; `activated` sets the variables of its packages as well."""
        from tfprov.conda.activation import script
        from tfprov.writing import write_atomic

        write_atomic(folder / "activate", script(root, name).encode())
        return folder

    def damaged(self, root: Path) -> Iterator[Defect]:
        from tfprov.conda import prefix
        from tfprov.envs.records import Defect

        for broken in prefix.bad_files(root):
            yield Defect(
                code="file-damaged",
                path=broken.path,
                expected=f"{broken.expected} (conda package {broken.package})",
                found=broken.found,
                fix="run `tfprov repair`",
            )

    def drift(
        self, root: Path, lock: Path, *, python: str, facts: Facts, environ: Mapping[str, str], emit: Emit
    ) -> tuple[Sequence[Defect], Sequence[LockedFile | LockedSource]]:
        from tfprov.conda.client import read_lock
        from tfprov.paths import home
        from tfprov.pipeline.backends.conda.solving import subdir_of
        from tfprov.process import clean_environment

        part, wheels = read_lock(
            lock,
            subdir=subdir_of(facts),
            environ=clean_environment(environ),
            cache=home(environ).cache / "conda" / "locks",
            digest=sha256_of(lock),
            emit=emit,
        )
        return _drifted(root, part.packages), wheels


def _drifted(root: Path, packages: Sequence[Package]) -> list[Defect]:
    from tfprov.conda import prefix
    from tfprov.envs.records import Defect

    here = {record.name: f"{record.version} {record.build}" for record in prefix.records(root)}
    locked = {package.name: f"{package.version} {package.build}" for package in packages}
    return [
        Defect(
            code="package-drift",
            path=name,
            expected=locked.get(name, "not in the lock"),
            found=here.get(name, "missing"),
            fix="run `tfprov repair` to go back to the lock, or name it in the profile to keep it",
        )
        for name in sorted({*here, *locked})
        if here.get(name) != locked.get(name)
    ]


BACKEND = CondaBackend()
