"""The stages that make a generation from the locked files: build an empty environment, then install the wheels."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tfprov import trees
from tfprov.envs.layout import python_in
from tfprov.envs.records import Generation
from tfprov.events import Note
from tfprov.fetch.fetch import Fetched
from tfprov.fetch.store import Store
from tfprov.install.ahead import Ahead
from tfprov.install.installers import OWN, Installer, Pip, Uv
from tfprov.install.wheelhouse import Wheelhouse, wheelhouse
from tfprov.ladder.classify import classify_exception
from tfprov.ladder.climb import Policy, Step, climb
from tfprov.ladder.rungs import Rung
from tfprov.pipeline import unpacked, uv
from tfprov.pipeline.context import Context, stage
from tfprov.pipeline.images import image_of
from tfprov.pipeline.machine import Machine
from tfprov.pipeline.records import Installation, Locked
from tfprov.pipeline.stages import create, fetch_files
from tfprov.process import clean_environment
from tfprov.temporary import temporary
from tfprov.trash import to_trash
from tfprov.unpack.unpacking import Unpacking
from tfprov.words import count

_INSTALL_SECONDS = 1800.0


@contextlib.contextmanager
def compiling_ahead() -> Iterator[Ahead]:
    """The compiler for modules of the first import, for `building` to start. It is ended with the block."""
    with temporary("ahead") as work, Ahead(work) as ahead:
        yield ahead


@contextlib.contextmanager
def building(context: Context, machine: Machine, locked: Locked, ahead: Ahead) -> Iterator[Callable[[], Generation]]:
    """Make a new generation without the wheels in a thread while the block runs.

    A backend that needs the fetched files for that (`Backend.needs_files`) makes it only when it is asked for.

    Args:
        context: of the run.
        machine: machine to make it on.
        locked: files that will be installed in it.
        ahead: started, unless the image of another lock has the modules compiled.

    Yields:
        A function that returns the generation when it is made, for `build_environment`. If it is never called, because
        the block failed, the generation is deleted.
    """
    clean = clean_environment(context.request.environ)
    compiling = any(file.is_wheel for file in locked.lock.files) and unpacked.relative_of(context, locked) is None

    def create_and_compile(generation: Generation) -> None:
        if compiling:
            ahead.start(Path(locked.interpreter.path), clean, environment=generation.path)
        create(context, machine, locked, generation.path)

    if context.backend.needs_files:

        def build() -> Generation:
            generation = context.environment.begin()
            create(context, machine, locked, generation.path)
            if compiling:
                ahead.start(python_in(generation.path), clean)
            return generation

        yield build
        return
    try:
        generation = context.environment.begin()
    except OSError as error:
        raise classify_exception(error) from error
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="build") as pool:
        making = pool.submit(create_and_compile, generation)
        wanted = False

        def made() -> Generation:
            nonlocal wanted
            wanted = True
            making.result()
            return generation

        try:
            yield made
        finally:
            if not wanted:
                wait([making])
                with contextlib.suppress(OSError):
                    context.environment.discard(generation)


@stage("build")
def build_environment(context: Context, build: Callable[[], Generation]) -> Generation:  # noqa: ARG001 - a stage has one
    """Wait for the new generation without the wheels.

    Args:
        context: of the run.
        build: the function from `building`.
    """
    return build()


@stage("install")
def install_wheels(
    context: Context,
    machine: Machine,
    locked: Locked,
    *,
    fetched: Fetched,
    generation: Generation,
    unpacking: Unpacking,
    ahead: Ahead,
) -> Installation:
    """Install the locked wheels in a generation.

    Args:
        context: of the run.
        machine: machine to install on.
        locked: files to install.
        fetched: the fetched files.
        generation: an environment without them.
        unpacking: has been given all wheels.
        ahead: compiles their modules; from here on it may write bytecode into the generation.

    Raises:
        TfprovError: every rung has failed.
    """
    environ = {**clean_environment(context.request.environ), **context.backend.prepare_install(context, locked)}
    wheels_locked = tuple(file for file in locked.lock.files if file.is_wheel)
    if not wheels_locked:
        return Installation(locked=locked, generation=generation, fetched=fetched, installer=context.source.kind)
    wanted = unpacked.Installing(
        locked=locked,
        files=wheels_locked,
        environment=generation.path,
        environ=environ,
        image=image_of(context, locked).folder.name,
        relative=unpacked.relative_of(context, locked),
        emit=context.emit,
    )
    ways = _Ways(context=context, machine=machine, fetched=fetched, wanted=wanted)
    with context.environment.scratch() as work:
        wheels = wheelhouse(wheels_locked, fetched.paths, work / "requirements.txt")
        # With an empty cache of its own, so that it does not reuse wheels that were unpacked before.
        own_uv = Uv(uv=uv.uv_executable(), cache=work / "uv")
        steps = [
            Step(Rung.NORMAL, partial(ways.place, unpacking)),
            Step(Rung.FRESH, partial(ways.fresh, unpacking)),
            Step(Rung.OTHER_INSTALLER, partial(ways.by, own_uv, wheels), name="uv"),
            Step(Rung.OTHER_INSTALLER, partial(ways.by, Pip(), wheels), name="pip"),
        ]
        policy = Policy(tries=2, deadline=context.deadline)
        installer = climb("install", steps, emit=context.emit, skip=context.skip, policy=policy)
    ahead.place()
    return Installation(locked=locked, generation=generation, fetched=fetched, installer=installer, ahead=ahead)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ways:
    """The ways to install the wheels; each returns the name of the installer."""

    context: Context
    machine: Machine
    fetched: Fetched
    wanted: unpacked.Installing

    def place(self, ready: Unpacking) -> str:
        unpacked.install(ready, self.wanted)
        return OWN

    def fresh(self, before: Unpacking) -> str:
        # Its threads would go on with the other wheels, and this run would wait for their locks.
        before.close()
        _heal_store(self.context, self.machine, self.wanted.locked)
        unpacked.forget(self.context, self.wanted.files)
        self._empty()
        with unpacked.unpacking(self.context) as anew:
            for file in self.wanted.files:
                unpacked.Into(anew).whole(file, self.fetched.paths[file.sha256])
            return self.place(anew)

    def by(self, installer: Installer, wheels: Wheelhouse) -> str:
        # uv and pip might write outside the environment what tfprov's own installer has refused.
        unpacked.check_wheels(self.fetched.paths[file.sha256] for file in self.wanted.files)
        self._empty()
        python = python_in(self.wanted.environment)
        installer.install(wheels, python=python, environ=self.wanted.environ, timeout=_INSTALL_SECONDS)
        return installer.name

    def _empty(self) -> None:
        # The next installer gets an empty environment, because leftovers of a failed one cannot be trusted. The old one
        # is renamed first: the child that compiles modules may be writing bytecode of its own start-up there.
        path = self.wanted.environment
        left = to_trash(path)
        path.mkdir()
        create(self.context, self.machine, self.wanted.locked, path)
        with contextlib.suppress(OSError):
            trees.delete(left)


def _heal_store(context: Context, machine: Machine, locked: Locked) -> None:
    """Verify the locked files in the store by their hashes, and fetch damaged ones again.

    A store that was restored from a backup or a CI cache, or is on a failing disk, may have files with the right name
    and size but other content.
    """
    damaged = Store.of(context.home).drop_damaged(locked.lock.files)
    if damaged:
        names = ", ".join(f"`{file.filename}`" for file in damaged[:3])
        text = f"the store has {count(len(damaged), 'damaged file')} ({names}): fetching anew"
        context.emit(Note(text=text, level="warning"))
        fetch_files(context, machine, locked)


def drop_unpacked(context: Context, locked: Locked) -> None:
    """Delete the image and the trees of a lock's wheels.

    Their files may be hard-linked into environments, so that a program which wrote there has altered them as well.
    """
    image_of(context, locked).drop()
    unpacked.forget(context, locked.lock.files)
