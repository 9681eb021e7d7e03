"""Fetches and links conda packages: for environments, and for an interpreter from a channel."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

from packaging.utils import canonicalize_name

from tfprov.conda import channels as places
from tfprov.conda import client, prefix, specs, virtual
from tfprov.conda.client import LinkPackage, Solve
from tfprov.conda.engine import Engine, find_engine
from tfprov.conda.records import CondaLock, Package
from tfprov.digests import sha256_of
from tfprov.envs.locks import held
from tfprov.errors import TfprovError
from tfprov.fetch.addresses import origin_of, with_values
from tfprov.fetch.credentials import Login
from tfprov.fetch.sources import Network
from tfprov.fetch.store import Store
from tfprov.ladder.climb import Policy, Step, climb
from tfprov.ladder.rungs import Rung
from tfprov.lock.records import Lock, LockedFile
from tfprov.pipeline.access import fetch_into_store
from tfprov.pipeline.backends.conda.solving import channels_of, solve, subdir_of, veil_of
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.process import clean_environment
from tfprov.trash import discard

_LINK_SECONDS = 1800.0
_COMPLETE = "conda-meta/tfprov-complete"


def conda_lock(lock: Lock) -> CondaLock:
    """The lock, as the type that locks of conda environments have.

    Raises:
        TfprovError: `internal` when it is another kind of lock.
    """
    if not isinstance(lock, CondaLock):
        raise TfprovError("internal", f"`{lock.path}` is not a conda lock")
    return lock


def reachable(context: Context, files: tuple[LockedFile, ...], packages: tuple[Package, ...]) -> tuple[LockedFile, ...]:
    """The files with values of variables, and with tokens and mirrors of their channels, in their URLs.

    The result contains secrets, so it must only be passed to the fetch stage.

    Args:
        context: of the run.
        files: from the lock; wheels among them get no tokens.
        packages: the conda packages among them, with their channels.
    """
    found = channels_of(context)
    files = with_values(files, context.request.environ)
    packages = tuple(dataclasses.replace(one, channel=veil_of(context).uncover(one.channel)) for one in packages)
    if not any(channel.token or channel.mirrors for channel in found):
        return files
    bases = {
        channel.name: package.channel
        for channel in found
        for package in packages
        if "://" not in channel.name and package.channel.endswith(f"/{channel.name}")
    }
    return tuple(
        file
        if file.is_wheel
        else dataclasses.replace(
            file, url=places.with_token(file.url, found), elsewhere=places.mirrored(file.url, found, bases)
        )
        for file in files
    )


def with_logins(context: Context, network: Network) -> Network:
    """The network, with the logins of the channels."""
    more = tuple(
        Login(origin=origin_of(channel.name), user=channel.login[0], password=channel.login[1])
        for channel in channels_of(context)
        if channel.login is not None
    )
    return dataclasses.replace(network, logins=(*network.logins, *more)) if more else network


def create(context: Context, machine: Machine, lock: CondaLock, path: Path, fetch_files: Callable[[], None]) -> None:
    """Link the locked conda packages into an empty folder, and write conda's history file with the requested specs.

    Args:
        context: of the run.
        machine: to link on.
        lock: what to link.
        path: the folder.
        fetch_files: brings the locked files into the store; called only when an archive is needed and missing.

    Raises:
        TfprovError: why linking failed; the folder must not be used then.
    """
    linking = _Linking(context, machine, lock, path, fetch_files)
    steps = [Step(Rung.NORMAL, linking.link), Step(Rung.FRESH, linking.link_fresh)]
    climb("build", steps, emit=context.emit, skip=context.skip, policy=Policy(tries=1, deadline=context.deadline))
    prefix.own(path, lock.part.packages)
    prefix.write_history(path, lock.part.packages, lock.part.header.specs)


def check_projects(context: Context, lock: CondaLock) -> None:
    """Check that no wheel overwrites a project that a conda package contains; see `prefix.check_projects`."""
    wheels: dict[str, str] = {canonicalize_name(file.name): file.version for file in lock.files if file.is_wheel}
    prefix.check_projects(lock.part.packages, cache_of(context), wheels)


def cache_of(context: Context) -> Path:
    """The folder of unpacked conda packages."""
    return context.home.cache / "conda" / "packages"


@dataclasses.dataclass(frozen=True, slots=True)
class _Linking:
    """Links the packages of a lock into a folder; see `create` for the attributes."""

    context: Context
    machine: Machine
    lock: CondaLock
    path: Path
    fetch_files: Callable[[], None]

    def link(self) -> None:
        context, environ = self.context, clean_environment(self.context.request.environ)
        engine = self._engine()
        cache = context.home.cache / "conda"
        if engine is not None:
            engine.link(self.path, self._archives(), cache=cache, environ=environ, seconds=_LINK_SECONDS)
            return
        client.require_extra()
        client.link(
            self.path,
            self._archives(),
            cache=cache_of(context),
            environ=environ,
            emit=context.emit,
            seconds=_LINK_SECONDS,
        )

    def link_fresh(self) -> None:
        """Link again into an emptied folder, without unpacked packages and with archives whose hash was verified."""
        store, lost = Store.of(self.context.home), False
        for package in self.lock.part.packages:
            discard(cache_of(self.context) / package.stem)
            archive = store.path(package.sha256, package.filename)
            if not archive.is_file() or sha256_of(archive) != package.sha256:
                archive.unlink(missing_ok=True)
                lost = True
        if lost:
            self.fetch_files()
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        self.link()

    def _archives(self) -> tuple[LinkPackage, ...]:
        """The packages with their archives; all are fetched first if one is neither in the store nor unpacked."""
        store, packages = Store.of(self.context.home), self.lock.part.packages
        cache = cache_of(self.context)
        if not all(prefix.is_unpacked(cache / one.stem, one.sha256) or store.has(one.file) for one in packages):
            self.fetch_files()
        found = []
        for package in packages:
            archive = store.path(package.sha256, package.filename)
            path = archive if archive.is_file() else None
            size = path.stat().st_size if path else package.size
            found.append(LinkPackage(package=dataclasses.replace(package, size=size), path=path))
        return tuple(found)

    def _engine(self) -> Engine | None:
        """The installed program that the profile asks to link with; None for the library."""
        loaded = self.context.loaded
        asked = loaded.profile.conda
        if asked.engine == "library":
            return None
        named = loaded.resolve(asked.executable) if asked.executable else None
        environ = clean_environment(self.context.request.environ)
        return find_engine(named, self.machine.facts.conda.value, environ=environ)


def bring_python(context: Context, machine: Machine, minor: str, asked: str | None) -> Path:
    """Install an interpreter from a conda channel, for a virtual environment when there is no other source for one.

    Args:
        context: its profile names the channels.
        machine: to install it for.
        minor: minor version, `3.12`.
        asked: PEP 440 range of the profile; None for any.

    Returns:
        Path of the interpreter, in tfprov's data folder.

    Raises:
        TfprovError: why the channels do not provide one.
    """
    question = Solve(
        channels=channels_of(context),
        subdir=subdir_of(machine.facts),
        specs=(str(specs.of_python((minor,), asked)),),
        virtual=virtual.about_cuda("cpu", None),
    )
    solved = solve(context, machine, question)
    python = next(package for package in solved.packages if package.name == "python")
    folder = context.home.data / "pythons" / f"conda-{python.stem}"
    # Of two runs that install the same one, the second waits and finds it complete, as with uv's Pythons.
    left = -1 if context.left is None else context.left
    with held(folder.with_name(f".{folder.name}.lock"), name=f"Python {python.version}", timeout=left):
        if not (folder / _COMPLETE).is_file():
            _link_python(context, machine, minor, solved.packages, folder)
    return folder / "bin" / "python"


def _link_python(context: Context, machine: Machine, minor: str, packages: tuple[Package, ...], folder: Path) -> None:
    # Packages are linked for this path and cannot be moved. Leftovers of a killed run are deleted first.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    files = reachable(context, tuple(package.file for package in packages), packages)
    fetched = fetch_into_store(context, with_logins(context, machine.network), files)
    client.link(
        folder,
        tuple(LinkPackage(package=package, path=fetched.paths[package.sha256]) for package in packages),
        cache=cache_of(context),
        environ=clean_environment(context.request.environ),
        emit=context.emit,
        seconds=_LINK_SECONDS,
    )
    fetched.flusher.wait()
    prefix.own(folder, packages)
    prefix.write_history(folder, packages, (f"python={minor}",))
    (folder / _COMPLETE).touch()
