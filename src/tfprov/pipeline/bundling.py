"""Makes bundles: decides, locks and fetches as `up` does, then writes everything to one folder or archive."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfprov import __version__
from tfprov.bundle import index, interpreters, starting
from tfprov.bundle.opened import Bundle, open_bundle
from tfprov.bundle.records import (
    FORMAT,
    PROFILE,
    PYTHONS,
    STARTER,
    WHEELS,
    BundledPython,
    Manifest,
    ServedPlatform,
    Tool,
    identity,
)
from tfprov.bundle.starter import this_platform
from tfprov.bundle.write import Content, check_target, entries, meter, write
from tfprov.contents import content_of
from tfprov.digests import sha256_of
from tfprov.errors import TfprovError
from tfprov.events import Emit, Note
from tfprov.fetch.fetch import sizes
from tfprov.fetch.store import Store
from tfprov.host.records import Facts
from tfprov.lock import pylock
from tfprov.lock.records import Lock, LockedFile, file_name
from tfprov.pipeline import other_platforms, portable, sources, stages
from tfprov.pipeline.access import fetch_into_store
from tfprov.pipeline.backends.venv.attesting import attest_others
from tfprov.pipeline.backends.venv.lock_on_disk import platform_of
from tfprov.pipeline.context import Context, Request, read_profile, step
from tfprov.pipeline.machine import Machine
from tfprov.pipeline.own_wheels import Kit, kits
from tfprov.pipeline.records import Locked
from tfprov.plan.tags import marker_environment, supported_tags
from tfprov.profile.records import Loaded, PlatformName
from tfprov.temporary import sweep_temporary, temporary


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRequest:
    """Options of a bundle.

    Attributes:
        output: absolute path to write to; an archive if it ends in `.tar`, else a folder.
        platforms: platforms to serve in addition to this one; the lock is made for them too.
        with_python: whether to include the interpreter of the environment.
        delta: an older bundle whose files are left out; None for a complete bundle.
    """

    output: Path
    platforms: tuple[PlatformName, ...] = ()
    with_python: bool = False
    delta: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundled:
    """A bundle that was written.

    Attributes:
        path: its folder or archive.
        id: SHA-256 of its `bundle.json`.
        manifest: content of its `bundle.json`.
        bytes: total size of the files in it.
        bytes_fetched: bytes that were downloaded for it.
    """

    path: Path
    id: str
    manifest: Manifest
    bytes: int
    bytes_fetched: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """Contents of a bundle.

    Attributes:
        loaded: the profile for the target machine.
        served: the platforms that the bundle serves, this one first.
        wheels: paths of all wheels by hash.
        kits: the wheels that start tfprov itself.
        python: the interpreter; None if the bundle has none.
        notes: what could not be included, and why.
    """

    loaded: Loaded
    served: tuple[ServedPlatform, ...]
    wheels: Mapping[str, Path]
    kits: tuple[Kit, ...]
    python: interpreters.Archived | None
    notes: tuple[str, ...]


def bundle(request: Request, wanted: BundleRequest, emit: Emit) -> Bundled:
    """Write a bundle of everything that a machine without a network needs for the environment of a profile.

    Raises:
        TfprovError: why it cannot be made; nothing is left at the output path then.
    """
    check_target(wanted.output)
    base = None if wanted.delta is None else open_bundle(wanted.delta, cwd=request.cwd)
    sweep_temporary(now=time.time())
    with temporary("bundle") as work:
        loaded, context = _prepared(request, wanted, work, emit)
        with context.journalled(), context.alone():
            context.open_journal()
            machine = stages.gather_facts(context)
            choice = stages.make_plan(context, machine)
            interpreter = stages.find_interpreter(context, machine, choice.plan)
            locked = stages.lock_files(context, machine, choice, interpreter)
            locked = sources.with_wheels(context, machine, portable.without_links(locked))
            # If the profile locks for several platforms, the bundle serves all of them, too.
            also = dict.fromkeys((*wanted.platforms, *loaded.profile.lock.platforms))
            served = _served(machine.facts, locked.lock, tuple(also), folder=context.lock_folder)
            carried = {file.sha256: file for _, files in served for file in files}
            # On the target machine they are local files, about which nobody is asked.
            attest_others(context, machine, dataclasses.replace(locked.lock, files=tuple(carried.values())))
            wheels, fetched = _fetched(context, machine, list(carried.values()))
            platforms = [one.platform for one, _ in served]
            with step(context, "tools"):
                started, notes = kits(context, machine, platforms, folder=work / "own", known=wheels)
            for kit in started:
                wheels.update(kit.files)
            python, refused = _python(context, locked, wanted, work)
            parts = _Parts(
                loaded=loaded,
                served=tuple(one for one, _ in served),
                wheels=wheels,
                kits=tuple(started),
                python=python,
                notes=(*notes, *refused),
            )
            with step(context, "write"):
                return _written(context, locked.lock, wanted, parts, base=base, fetched=fetched)


def _prepared(request: Request, wanted: BundleRequest, work: Path, emit: Emit) -> tuple[Loaded, Context]:
    """The profile for the target machine, and the context of the run that decides and fetches for it.

    In the context, the smoke test requires no GPU: this machine need not have one, and the target proves its own.
    """
    asked = Context(request, emit)
    read_profile(asked)
    if not asked.backend.can_be_bundled:
        raise TfprovError(
            "not-supported",
            "conda environments cannot be bundled by this version",
            hint='use `environment.kind = "venv"`',
        )
    profile = asked.loaded.profile
    more = tuple(name for name in wanted.platforms if name not in profile.lock.platforms)
    overrides = request.overrides
    lock = None
    if more:
        listed = json.dumps([*profile.lock.platforms, *more])
        overrides = (*overrides, f"lock.platforms={listed}")
        # A bundle for more platforms must not change the project's lock, so a copy of it is extended.
        lock = work / file_name(profile.name)
        if asked.lock_path.exists():
            lock.write_bytes(content_of(asked.lock_path))
    if profile.smoke.gpu == "now" and profile.tensorflow.accelerator in ("cuda", "rocm"):
        overrides = (*overrides, "smoke.gpu=later")
    if profile.smoke.require_gpus:
        overrides = (*overrides, "smoke.require-gpus=0")
    context = Context(dataclasses.replace(request, overrides=overrides, lock=lock), emit)
    read_profile(context)
    loaded = context.loaded.model_copy(
        update={"profile": context.loaded.profile.model_copy(update={"smoke": asked.loaded.profile.smoke})}
    )
    return loaded, context


def _served(
    facts: Facts, lock: Lock, also: Sequence[PlatformName], *, folder: Path
) -> list[tuple[ServedPlatform, tuple[LockedFile, ...]]]:
    """The locked files that this platform and each of the requested ones need.

    Args:
        facts: about this machine.
        lock: the lock for it.
        also: further platforms.
        folder: the folder that paths in the lock are relative to.

    Raises:
        TfprovError: `lock-unfit` when the lock does not serve one of them.
    """
    here = other_platforms.name_of(facts)
    found = []
    for name in dict.fromkeys((here, *also)):
        there = other_platforms.facts_on(name, facts)
        chosen = list(lock.files) if name == here else []
        try:
            # Also for the oldest system of the platform, which may need another wheel of the same package.
            oldest = _select(lock, there, folder)
            chosen += (*oldest.files, *_built(lock, oldest, name, is_here=name == here))
            target = oldest.target
        except TfprovError:
            if name != here:
                raise
            target = lock.target
        files = tuple({file.sha256: file for file in chosen}.values())
        served = ServedPlatform(
            platform=name,
            python=target.python,
            package=target.package,
            version=target.version,
            accelerator=target.accelerator,
            wheels=tuple(sorted(file.sha256 for file in files)),
        )
        found.append((served, files))
    return found


def _built(lock: Lock, other: Lock, name: PlatformName, *, is_here: bool) -> Iterator[LockedFile]:
    """The wheels that were built on this machine from the sources that a platform needs.

    Raises:
        TfprovError: `not-supported` for another platform when one of them contains compiled code.
    """
    for source in other.sources:
        wheel = next(file for file in lock.files if file.name == source.name)
        if not is_here and not sources.is_portable(wheel):
            raise TfprovError(
                "not-supported",
                f"`{source.title}` has no wheel for {name}, and can be built only there",
                hint=f"make the bundle on {name}",
            )
        yield wheel


def _select(lock: Lock, facts: Facts, folder: Path) -> Lock:
    python = lock.target.python
    header = pylock.read_header(lock.path)
    platform = platform_of(facts)
    if header is None or header.target_on(platform) is None:
        raise TfprovError("lock-unfit", f"`{lock.path.name}` does not serve {platform}")
    return pylock.read(
        lock.path,
        environment=marker_environment(python, "cpython", facts),
        tags=supported_tags(python, False, facts),
        platform=platform,
        folder=folder,
    )


def _fetched(context: Context, machine: Machine, files: Sequence[LockedFile]) -> tuple[dict[str, Path], int]:
    """Fetch the wheels of the environment; returns their verified paths by hash, and the number of bytes downloaded."""
    with step(context, "fetch"):
        known = sizes(files, network=machine.network, store=Store.of(context.home))
        found = fetch_into_store(context, machine.network, known)
        found.flusher.wait()
    return dict(found.paths), found.bytes_fetched


def _python(
    context: Context, locked: Locked, wanted: BundleRequest, work: Path
) -> tuple[interpreters.Archived | None, tuple[str, ...]]:
    """Archive the interpreter of the environment if that was requested.

    Returns:
        The archive, or None with the reason if the interpreter cannot be moved; None without a reason if no interpreter
        was requested.
    """
    if not wanted.with_python:
        return None, ()
    interpreter = locked.interpreter
    name = f"cpython-{interpreter.version}-{this_platform()}.tar.gz"
    with step(context, "python"):
        try:
            return interpreters.archive(Path(interpreter.path), work / name, environ=context.request.environ), ()
        except TfprovError as error:
            if error.code.name != "python-not-movable":
                raise
            why = f"{error.what}: {'; '.join(error.evidence)}"
            context.emit(
                Note(text=f"{why}; the target must have Python {interpreter.version[:4].rstrip('.')}", level="warning")
            )
            return None, (why,)


def _written(
    context: Context, locked: Lock, wanted: BundleRequest, parts: _Parts, *, base: Bundle | None, fetched: int
) -> Bundled:
    name = parts.loaded.profile.name
    profile, lock = f"{PROFILE}/{name}.toml", f"{PROFILE}/{file_name(name)}"
    scripts = _scripts(parts.loaded)
    sources = _wheels(parts.wheels)
    places = {one.sha256: path for path, one in sources.items()}
    described = [index.describe(path, path.name, sha256) for sha256, path in parts.wheels.items()]
    sources.update({path: Content.of(data) for path, data in index.pages(described).items()})
    # A delta contains the starter, profile and lock as well: they are small, and with them the target's store may be
    # enough for the rest.
    always = {
        **{f"{PROFILE}/{path}": Content.of(content_of(source)) for path, source in scripts.items()},
        profile: Content.of(portable.profile(parts.loaded, locked, tuple(scripts)).encode()),
        lock: Content.of(portable.lock(parts.loaded, locked, f"../{WHEELS}").encode()),
        STARTER: Content.of(starting.bootstrap()),
    }
    pythons = _pythons(parts.python, parts.served[0].platform)
    sources.update({one.path: source for one, source in pythons})
    known = frozenset(one.sha256 for one in base.manifest.files) if base else frozenset()
    files = sorted((*entries(sources, known=known), *entries(always)), key=lambda entry: entry.path)
    manifest = Manifest(
        format=FORMAT,
        tfprov=__version__,
        name=name,
        profile=profile,
        lock=lock,
        served=parts.served,
        tools=tuple(
            Tool(platform=kit.platform, python=kit.python, wheels=tuple(sorted(places[each] for each in kit.files)))
            for kit in parts.kits
        ),
        pythons=tuple(one for one, _ in pythons),
        files=tuple(files),
        base=base.id if base else "",
        notes=parts.notes,
    )
    total = sum(entry.size for entry in files if entry.here)
    raw = write(wanted.output, manifest, {**sources, **always}, wrote=meter(context.emit, total))
    return Bundled(path=wanted.output, id=identity(raw), manifest=manifest, bytes=total, bytes_fetched=fetched)


def _pythons(python: interpreters.Archived | None, here: PlatformName) -> list[tuple[BundledPython, Content]]:
    if python is None:
        return []
    described = BundledPython(
        platform=here,
        version=python.version,
        path=f"{PYTHONS}/{python.path.name}",
        executable=python.executable,
        needs=python.needs,
    )
    size = python.path.stat().st_size
    return [(described, Content(sha256=sha256_of(python.path), size=size, path=python.path))]


def _wheels(wheels: Mapping[str, Path]) -> dict[str, Content]:
    """The wheels by their path in the bundle.

    Raises:
        TfprovError: `resolver-conflict` when two different files have the same name, since an index cannot serve both.
    """
    found: dict[str, Content] = {}
    for sha256, path in wheels.items():
        place = f"{WHEELS}/{path.name}"
        if place in found and found[place].sha256 != sha256:
            raise TfprovError(
                "resolver-conflict",
                f"tfprov and the environment need different files called `{path.name}`",
                evidence=(f"sha256 {sha256}", f"sha256 {found[place].sha256}"),
                hint="take the files of one index for both",
            )
        found[place] = Content(sha256=sha256, size=path.stat().st_size, path=path)
    return found


def _scripts(loaded: Loaded) -> dict[str, Path]:
    """The user's smoke scripts by their path relative to the bundled profile."""
    return {
        f"checks/{number}-{Path(name).name}": loaded.resolve(name)
        for number, name in enumerate(loaded.profile.smoke.scripts, start=1)
    }
