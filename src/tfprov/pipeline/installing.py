"""The stages that make a generation of the locked files: an empty environment, then the wheels in it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
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
from tfprov.paths import temporary, to_trash
from tfprov.pipeline import unpacked, uv
from tfprov.pipeline.context import Context, stage
from tfprov.pipeline.images import image_of
from tfprov.pipeline.machine import Machine
from tfprov.pipeline.records import Installation, Locked
from tfprov.pipeline.stages import create, fetch_files
from tfprov.process import clean_environment
from tfprov.unpack.unpacking import Unpacking

_INSTALL_SECONDS = 1800.0


@contextlib.contextmanager
def compiling_ahead() -> Iterator[Ahead]:
    """What compiles the modules of the first import until the block ends, once `building` has an interpreter for it."""
    with temporary("ahead") as work, Ahead(work) as ahead:
        yield ahead


@contextlib.contextmanager
def building(context: Context, machine: Machine, locked: Locked, ahead: Ahead) -> Iterator[Callable[[], Generation]]:
    """Make a new generation, without the wheels, while the block runs.

    Args:
        context: of the run.
        machine: to make it on.
        locked: what will be in it.
        ahead: is started, unless another image has the modules compiled.

    Yields:
        What `build_environment` calls to have it. Where nobody does, because the block failed, it is deleted again.
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
    """A new generation without the wheels.

    Args:
        context: of the run.
        build: of `building`.
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
    """The generation with the locked wheels in it.

    Args:
        context: of the run.
        machine: to install on.
        locked: what to install.
        fetched: its files.
        generation: an environment without them.
        unpacking: has been told of all wheels.
        ahead: hears of what it unpacks.
    """
    path = generation.path
    environ = {**clean_environment(context.request.environ), **context.backend.prepare_install(context, locked)}
    wheels_locked = tuple(file for file in locked.lock.files if file.is_wheel)
    if not wheels_locked:
        return Installation(locked=locked, generation=generation, fetched=fetched, installer=context.source.kind)

    wanted = unpacked.Installing(
        locked=locked,
        files=wheels_locked,
        environment=path,
        environ=environ,
        image=image_of(context, locked).folder.name,
        relative=unpacked.relative_of(context, locked),
        emit=context.emit,
    )

    def place(ready: Unpacking) -> str:
        unpacked.install(ready, wanted)
        return OWN

    def empty() -> None:
        # What a failed installer left behind is not trusted: the next one gets an empty environment. Renamed first: the
        # interpreter that compiles meanwhile may just be writing bytecode of its own start there.
        left = to_trash(path)
        path.mkdir()
        create(context, machine, locked, path)
        with contextlib.suppress(OSError):
            trees.delete(left)

    def fresh() -> str:
        _heal_store(context, machine, locked)
        unpacked.forget(context, wheels_locked)
        empty()
        with unpacked.unpacking(context) as anew:
            for file in wheels_locked:
                unpacked.Into(anew).whole(file, fetched.paths[file.sha256])
            return place(anew)

    def by(installer: Installer, wheels: Wheelhouse) -> str:
        # What was refused here would be written anywhere by others.
        unpacked.check_wheels(fetched.paths[file.sha256] for file in wheels_locked)
        empty()
        installer.install(wheels, python=python_in(path), environ=environ, timeout=_INSTALL_SECONDS)
        return installer.name

    with context.environment.scratch() as work:
        wheels = wheelhouse(wheels_locked, fetched.paths, work / "requirements.txt")
        steps = [
            Step(Rung.NORMAL, partial(place, unpacking)),
            Step(Rung.FRESH, fresh),
            # With a cache of its own: what was unpacked by somebody else is not asked for a second time.
            Step(Rung.OTHER_INSTALLER, partial(by, Uv(uv=uv.uv_executable(), cache=work / "uv"), wheels), name="uv"),
            Step(Rung.OTHER_INSTALLER, partial(by, Pip(), wheels), name="pip"),
        ]
        policy = Policy(tries=2, deadline=context.deadline)
        installer = climb("install", steps, emit=context.emit, skip=context.skip, policy=policy)
    ahead.place()
    return Installation(locked=locked, generation=generation, fetched=fetched, installer=installer, ahead=ahead)


def _heal_store(context: Context, machine: Machine, locked: Locked) -> None:
    """Read the locked files of the store, and fetch those again that have other bytes than when they came.

    A store that was restored from a backup or a CI cache, or lies on a failing disk, may hold such files; their sizes
    and names say nothing.
    """
    damaged = Store.of(context.home).drop_damaged(locked.lock.files)
    if damaged:
        names = ", ".join(f"`{file.filename}`" for file in damaged[:3])
        text = f"{len(damaged)} files of the store were damaged ({names}): fetching anew"
        context.emit(Note(text=text, level="warning"))
        fetch_files(context, machine, locked)


def drop_unpacked(context: Context, locked: Locked) -> None:
    """Forget what was unpacked. Its files are linked into environments, so whoever writes there writes here."""
    image_of(context, locked).drop()
    unpacked.forget(context, locked.lock.files)
