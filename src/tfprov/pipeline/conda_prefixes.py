"""Conda environments on disk: the way to the packages, linking them, an interpreter from a channel."""

from __future__ import annotations

import dataclasses
import shutil
from functools import partial
from pathlib import Path

from packaging.utils import canonicalize_name

from tfprov.conda import channels as places
from tfprov.conda import client, prefix, specs, virtual
from tfprov.conda.client import LinkPackage, Solve
from tfprov.conda.engine import Engine, find_engine
from tfprov.conda.records import CondaPart, Package
from tfprov.fetch.addresses import origin_of
from tfprov.fetch.credentials import Login
from tfprov.fetch.fetch import Fetched, fetch
from tfprov.fetch.sources import Network
from tfprov.fetch.store import Store, sha256_of
from tfprov.host.records import Facts
from tfprov.ladder.climb import Policy, Step, climb
from tfprov.ladder.rungs import Rung
from tfprov.lock.records import Lock, LockedFile
from tfprov.pipeline.condas import channels_of, solve, subdir_of
from tfprov.pipeline.run import Run
from tfprov.process import clean_environment

_LINK_SECONDS = 1800.0
_COMPLETE = "conda-meta/tfprov-complete"


def reachable(run: Run, files: tuple[LockedFile, ...], packages: tuple[Package, ...]) -> tuple[LockedFile, ...]:
    """The conda packages among the files with the tokens and mirrors of their channels. For the fetch alone."""
    found = channels_of(run)
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


def with_logins(run: Run, network: Network) -> Network:
    """The network with the users and passwords of the channels."""
    more = tuple(
        Login(origin_of(channel.name), *channel.login) for channel in channels_of(run) if channel.login is not None
    )
    return dataclasses.replace(network, logins=(*network.logins, *more)) if more else network


def make(run: Run, path: Path) -> None:
    """Link the locked conda packages into an empty folder, and say in it what was asked for.

    Raises:
        TfprovError: why not; the folder is to be given up then.
    """
    part = run.get(CondaPart)
    steps = [Step(Rung.NORMAL, partial(_link, run, path)), Step(Rung.FRESH, partial(_link_fresh, run, path))]
    policy = Policy(tries=1, deadline=run.deadline)
    climb("build", steps, emit=run.emit, skip=run.loaded.profile.strategies.skip, policy=policy)
    prefix.own(path, part.packages)
    prefix.write_history(path, part.packages, part.header.specs)


def check_projects(run: Run) -> None:
    """Make sure that no wheel is put over a project of a conda package; see `prefix.check_projects`."""
    wheels: dict[str, str] = {
        canonicalize_name(file.name): file.version for file in run.get(Lock).files if file.is_wheel
    }
    prefix.check_projects(run.get(CondaPart).packages, cache_of(run), wheels)


def cache_of(run: Run) -> Path:
    """Folder of the unpacked conda packages."""
    return run.home.cache / "conda" / "packages"


def _archives(run: Run) -> tuple[LinkPackage, ...]:
    """Where the archives lie; they are fetched first when one is neither in the store nor unpacked."""
    store, packages = Store(run.home.store), run.get(CondaPart).packages
    unpacked = {one.stem: (cache_of(run) / one.stem / "info" / "index.json").is_file() for one in packages}
    if run.find(Fetched) is None and not all(unpacked[one.stem] or store.has(one.file) for one in packages):
        from tfprov.pipeline.stages import FETCH

        run.do(FETCH)
    sizes = {file.filename: file.size for file in run.get(Lock).files}
    found = []
    for package in packages:
        archive = store.path(package.sha256, package.filename)
        size = archive.stat().st_size if archive.is_file() else sizes.get(package.filename)
        found.append(
            LinkPackage(package=dataclasses.replace(package, size=size), path=archive if archive.is_file() else None)
        )
    return tuple(found)


def _link(run: Run, path: Path) -> None:
    environ = clean_environment(run.request.environ)
    engine = _engine(run)
    if engine is not None:
        engine.link(path, _archives(run), cache=run.home.cache / "conda", environ=environ, seconds=_LINK_SECONDS)
        return
    client.require_extra()
    client.link(path, _archives(run), cache=cache_of(run), environ=environ, emit=run.emit, seconds=_LINK_SECONDS)


def _link_fresh(run: Run, path: Path) -> None:
    """Once more, without what was unpacked and with archives whose hash was read again."""
    from tfprov.pipeline.stages import FETCH

    store, lost = Store(run.home.store), False
    for package in run.get(CondaPart).packages:
        shutil.rmtree(cache_of(run) / package.stem, ignore_errors=True)
        archive = store.path(package.sha256, package.filename)
        if not archive.is_file() or sha256_of(archive) != package.sha256:
            shutil.rmtree(archive.parent, ignore_errors=True)
            lost = True
    if lost:
        run.do(FETCH)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    _link(run, path)


def _engine(run: Run) -> Engine | None:
    """The installed program that the profile wants to link with; None for the library."""
    asked = run.loaded.profile.conda
    if asked.engine == "library":
        return None
    named = run.loaded.resolve(asked.executable) if asked.executable else None
    return find_engine(named, run.get(Facts).conda.value, environ=clean_environment(run.request.environ))


def bring_python(run: Run, minor: str, asked: str | None) -> Path:
    """An interpreter of a conda channel, for a virtual environment where nothing else has one.

    Args:
        run: its profile names the channels.
        minor: `3.12`.
        asked: PEP 440 range of the profile.

    Raises:
        TfprovError: why the channels cannot give one.
    """
    question = Solve(
        channels=channels_of(run),
        subdir=subdir_of(run.get(Facts)),
        specs=(str(specs.of_python((minor,), asked)),),
        virtual=virtual.about_cuda("cpu", None),
    )
    solved = solve(run, question)
    python = next(package for package in solved.packages if package.name == "python")
    folder = run.home.data / "pythons" / f"conda-{python.stem}"
    if (folder / _COMPLETE).is_file():
        return folder / "bin" / "python"
    # Linked for this very place; what a killed run left half linked is begun anew.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    store = Store(run.home.store)
    files = reachable(run, tuple(package.file for package in solved.packages), solved.packages)
    fetched = fetch(files, store=store, network=with_logins(run, run.network), emit=run.emit, deadline=run.deadline)
    client.link(
        folder,
        tuple(LinkPackage(package=package, path=fetched.paths[package.sha256]) for package in solved.packages),
        cache=cache_of(run),
        environ=clean_environment(run.request.environ),
        emit=run.emit,
        seconds=_LINK_SECONDS,
    )
    fetched.flusher.wait()
    prefix.own(folder, solved.packages)
    prefix.write_history(folder, solved.packages, (f"python={minor}",))
    (folder / _COMPLETE).touch()
    return folder / "bin" / "python"
