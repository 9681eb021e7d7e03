"""Making a bundle: decide, lock and fetch as `up` does, then write everything into one folder or archive."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import tomlkit

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
    Served,
    Tool,
    identity,
)
from tfprov.bundle.write import Source, check_target, entries, write
from tfprov.errors import TfprovError
from tfprov.events import Emit, Note, Progress, StageEnded, StageStarted
from tfprov.fetch.fetch import fetch, sizes
from tfprov.fetch.store import Store, sha256_of
from tfprov.host.records import Facts, Interpreter
from tfprov.lock import pylock
from tfprov.lock.records import Lock, LockedFile, file_name
from tfprov.pipeline import elsewhere
from tfprov.pipeline.locking import platform_of
from tfprov.pipeline.run import PROFILE as PROFILE_STAGE
from tfprov.pipeline.run import Request, Run
from tfprov.pipeline.stages import DECIDE, EXACT
from tfprov.pipeline.toolkit import Kit, kits
from tfprov.pipeline.up import journalled, working_on
from tfprov.plan.tags import marker_environment, supported_tags
from tfprov.profile.records import Loaded, PlatformName


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What kind of bundle.

    Attributes:
        output: absolute path; an archive where it ends in `.tar`, else a folder.
        platforms: beside this one; the lock is made for them too.
        with_python: whether the interpreter of the environment comes along.
        delta: an older bundle whose files are left out; None for a whole bundle.
    """

    output: Path
    platforms: tuple[PlatformName, ...] = ()
    with_python: bool = False
    delta: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundled:
    """A bundle was written.

    Attributes:
        id: SHA-256 of its `bundle.json`.
        bytes: of the files in it.
        bytes_fetched: that came over the network for it.
    """

    path: Path
    id: str
    manifest: Manifest
    bytes: int
    bytes_fetched: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What goes into a bundle.

    Attributes:
        loaded: the profile as the target will have it.
        wheels: paths by hash.
        notes: what could not be had.
    """

    loaded: Loaded
    served: tuple[Served, ...]
    wheels: Mapping[str, Path]
    kits: tuple[Kit, ...]
    python: interpreters.Archived | None
    notes: tuple[str, ...]


def bundle(request: Request, wanted: Wanted, emit: Emit) -> Bundled:
    """Write everything that a machine without network needs for the environment of a profile.

    Raises:
        TfprovError: why it cannot be; nothing is left at the output then.
    """
    check_target(wanted.output)
    base = None if wanted.delta is None else open_bundle(wanted.delta, cwd=request.cwd)
    with tempfile.TemporaryDirectory(prefix="tfprov-bundle-") as name:
        work = Path(name)
        loaded, run = _prepared(request, wanted, work, emit)
        with journalled(run), working_on(run.environment, run.emit):
            run.journal.open(run.home.journals / run.environment.id, now=datetime.now(timezone.utc))
            for stage in (*DECIDE, *EXACT):
                run.do(stage)
            served = _served(run, wanted.platforms)
            wheels, fetched = _fetched(run, [file for _, files in served for file in files])
            with _stage(run.emit, "tools"):
                started, notes = kits(run, [one.platform for one, _ in served], folder=work / "own", known=wheels)
            for kit in started:
                wheels.update(kit.files)
            python, refused = _python(run, wanted, work)
            parts = _Parts(
                loaded=loaded,
                served=tuple(one for one, _ in served),
                wheels=wheels,
                kits=tuple(started),
                python=python,
                notes=(*notes, *refused),
            )
            with _stage(run.emit, "write"):
                return _written(run, wanted, parts, base, fetched)


def _prepared(request: Request, wanted: Wanted, work: Path, emit: Emit) -> tuple[Loaded, Run]:
    """The profile as the target will have it, and the run that decides for it.

    What needs a GPU is proved on the target: to decide and to fetch, none has to be here.
    """
    asked = Run(request, emit)
    asked.do(PROFILE_STAGE)
    if asked.loaded.profile.environment.kind != "venv":
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
        # The lock of the project stays as it is: nobody asked to change it.
        lock = work / file_name(profile.name)
        if asked.lock_path.exists():
            lock.write_bytes(asked.lock_path.read_bytes())
    if profile.smoke.gpu == "now" and profile.tensorflow.accelerator in ("cuda", "rocm"):
        overrides = (*overrides, "smoke.gpu=later")
    if profile.smoke.require_gpus:
        overrides = (*overrides, "smoke.require-gpus=0")
    run = Run(dataclasses.replace(request, overrides=overrides, lock=lock), emit)
    run.do(PROFILE_STAGE)
    loaded = run.loaded.model_copy(
        update={"profile": run.loaded.profile.model_copy(update={"smoke": asked.loaded.profile.smoke})}
    )
    return loaded, run


def _served(run: Run, also: Sequence[PlatformName]) -> list[tuple[Served, tuple[LockedFile, ...]]]:
    """What each platform needs of the lock: for this one, and for those that were asked for.

    Raises:
        TfprovError: `lock-unfit` when the lock does not serve one of them.
    """
    facts, lock = run.get(Facts), run.get(Lock)
    here = elsewhere.name_of(facts)
    found = []
    for name in dict.fromkeys((here, *also)):
        there = elsewhere.facts_on(name, facts)
        chosen = list(lock.files) if name == here else []
        try:
            # For the oldest system of the platform too: it may take another wheel of the same package.
            oldest = _select(lock, there)
            chosen += oldest.files
            target = oldest.target
        except TfprovError:
            if name != here:
                raise
            target = lock.target
        files = tuple({file.sha256: file for file in chosen}.values())
        served = Served(
            platform=name,
            python=target.python,
            package=target.package,
            version=target.version,
            accelerator=target.accelerator,
            wheels=tuple(sorted(file.sha256 for file in files)),
        )
        found.append((served, files))
    return found


def _select(lock: Lock, facts: Facts) -> Lock:
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
    )


def _fetched(run: Run, files: Sequence[LockedFile]) -> tuple[dict[str, Path], int]:
    """The wheels of the environment by hash, verified, and the bytes that came over the network."""
    store = Store(run.home.store)
    with _stage(run.emit, "fetch"):
        known = sizes(tuple({file.sha256: file for file in files}.values()), network=run.network, store=store)
        found = fetch(
            known,
            store=store,
            network=run.network,
            emit=run.emit,
            deadline=run.deadline,
            skip=run.loaded.profile.strategies.skip,
        )
        found.flusher.wait()
    return dict(found.paths), found.bytes_fetched


def _python(run: Run, wanted: Wanted, work: Path) -> tuple[interpreters.Archived | None, tuple[str, ...]]:
    """The interpreter of the environment in an archive, where that was asked for and can be; else why not."""
    if not wanted.with_python:
        return None, ()
    interpreter = run.get(Interpreter)
    name = f"cpython-{interpreter.version}-{elsewhere.name_of(run.get(Facts))}.tar.gz"
    with _stage(run.emit, "python"):
        try:
            return interpreters.archive(Path(interpreter.path), work / name, environ=run.request.environ), ()
        except TfprovError as error:
            if error.code.name != "python-not-movable":
                raise
            why = f"{error.what}: {'; '.join(error.evidence)}"
            run.emit(
                Note(text=f"{why}; the target must have Python {interpreter.version[:4].rstrip('.')}", level="warning")
            )
            return None, (why,)


def _written(run: Run, wanted: Wanted, parts: _Parts, base: Bundle | None, fetched: int) -> Bundled:
    name = parts.loaded.profile.name
    profile, lock = f"{PROFILE}/{name}.toml", f"{PROFILE}/{file_name(name)}"
    scripts = _scripts(parts.loaded)
    sources = _wheels(parts.wheels)
    places = {one.sha256: path for path, one in sources.items()}
    described = [index.describe(path, path.name, sha256) for sha256, path in parts.wheels.items()]
    sources.update({path: Source.of(data) for path, data in index.pages(described).items()})
    # What starts and describes a bundle is in a delta too: it is small, and with it the store may do for the rest.
    always = {
        **{f"{PROFILE}/{path}": Source.of(source.read_bytes()) for path, source in scripts.items()},
        profile: Source.of(portable(parts.loaded, tuple(scripts)).encode()),
        lock: Source.of(run.get(Lock).path.read_bytes()),
        STARTER: Source.of(starting.bootstrap()),
    }
    pythons = _pythons(run, parts.python)
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
    raw = write(wanted.output, manifest, {**sources, **always}, wrote=_meter(run.emit, total))
    return Bundled(path=wanted.output, id=identity(raw), manifest=manifest, bytes=total, bytes_fetched=fetched)


def _pythons(run: Run, python: interpreters.Archived | None) -> list[tuple[BundledPython, Source]]:
    if python is None:
        return []
    described = BundledPython(
        platform=elsewhere.name_of(run.get(Facts)),
        version=python.version,
        path=f"{PYTHONS}/{python.path.name}",
        executable=python.executable,
        needs=python.needs,
    )
    size = python.path.stat().st_size
    return [(described, Source(sha256=sha256_of(python.path), size=size, path=python.path))]


def _wheels(wheels: Mapping[str, Path]) -> dict[str, Source]:
    """The wheels by their path in the bundle.

    Raises:
        TfprovError: `resolver-conflict` when two files of one name differ: an index cannot hold both.
    """
    found: dict[str, Source] = {}
    for sha256, path in wheels.items():
        place = f"{WHEELS}/{path.name}"
        if place in found and found[place].sha256 != sha256:
            raise TfprovError(
                "resolver-conflict",
                f"tfprov and the environment need different files called `{path.name}`",
                evidence=(f"sha256 {sha256}", f"sha256 {found[place].sha256}"),
                hint="take the files of one index for both",
            )
        found[place] = Source(sha256=sha256, size=path.stat().st_size, path=path)
    return found


def _scripts(loaded: Loaded) -> dict[str, Path]:
    """The user's own checks by their path beside the bundled profile."""
    return {
        f"checks/{number}-{Path(name).name}": loaded.resolve(name)
        for number, name in enumerate(loaded.profile.smoke.scripts, start=1)
    }


def portable(loaded: Loaded, scripts: Sequence[str]) -> str:
    """The profile in one file that means the same on a machine without network.

    Requirements files and overrides are written into it. What is about this machine or its network (a path of an
    interpreter, proxies, certificates, a relative place of the environment) is left out.

    Args:
        loaded: the profile.
        scripts: where its checks are now, relative to it.
    """
    document = loaded.profile.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    document.pop("network", None)
    document.get("python", {}).pop("path", None)
    place = document.get("environment", {}).get("path")
    if place is not None and not Path(place).expanduser().is_absolute():
        document["environment"].pop("path")
    packages = {
        "requirements": list(loaded.requirements),
        "constraints": list(loaded.constraints),
    }
    document["packages"] = {key: value for key, value in packages.items() if value}
    if scripts:
        document.setdefault("smoke", {})["scripts"] = list(scripts)
    kept = {key: value for key, value in document.items() if value != {}}
    return f"# Made by `tfprov bundle` from `{loaded.path.name}`.\n" + tomlkit.dumps(kept)


def _meter(emit: Emit, total: int) -> Callable[[int], None]:
    done = 0

    def wrote(count: int) -> None:
        nonlocal done
        done += count
        emit(Progress(stage="write", what="bundle", done=min(done, total), total=total))

    return wrote


@contextlib.contextmanager
def _stage(emit: Emit, name: str) -> Iterator[None]:
    """A step of making a bundle, for whoever watches."""
    started = time.monotonic()
    code: str | None = "internal"
    emit(StageStarted(stage=name))
    try:
        yield
        code = None
    except TfprovError as error:
        code = error.code.name
        raise
    except KeyboardInterrupt:
        code = "interrupted"
        raise
    finally:
        emit(StageEnded(stage=name, seconds=time.monotonic() - started, code=code))
