"""The stage that builds wheels from the sources in a lock, each once per store."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import parse_wheel_filename

from tfprov.digests import sha256_of
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.fetch.addresses import expand_all, with_values
from tfprov.fetch.built import BuiltWheels
from tfprov.fetch.fetch import sizes
from tfprov.fetch.store import Store
from tfprov.host.records import Facts, Interpreter
from tfprov.lock.records import LockedFile, LockedSource
from tfprov.lock.renew import versions_in
from tfprov.paths import inside
from tfprov.pipeline.access import IndexAccess, fetch_into_store, index_access, of_git
from tfprov.pipeline.backends.venv.lock_on_disk import platform_of
from tfprov.pipeline.backends.venv.resolving import Selection, ask_resolver
from tfprov.pipeline.context import Context, stage
from tfprov.pipeline.from_bundle import require_local
from tfprov.pipeline.machine import Machine
from tfprov.pipeline.records import Locked
from tfprov.pipeline.uv import uv_executable
from tfprov.sources import shelter
from tfprov.sources.records import Bench
from tfprov.sources.repository import check_out
from tfprov.structured import minor_of
from tfprov.temporary import temporary

_SECONDS = 900.0
# A compiler needs 2 GiB; the limit is on address space, which includes memory that is reserved but never used.
_LEAST_MEMORY = 4 << 30
_SHARE_OF_MEMORY = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """The keys of a built wheel in the store.

    Attributes:
        exact: digest of the source, the Python, and the platform with its C library.
        portable: the same without the platform, for a wheel that contains no compiled code.
    """

    exact: str
    portable: str


def with_wheels(context: Context, machine: Machine, locked: Locked) -> Locked:
    """The lock with a wheel in place of each source; wheels that the store does not have are built.

    Raises:
        TfprovError: `build-failed`, `build-tool-missing`, `source-unreachable`, or why a source cannot be fetched.
    """
    known = with_known_wheels(context, machine, locked)
    return _build_missing(context, machine, known) if known.lock.sources else known


def with_known_wheels(context: Context, machine: Machine, locked: Locked) -> Locked:
    """The lock with wheels in place of those sources that were built before; builds nothing."""
    wheels, facts = BuiltWheels(Store.of(context.home)), machine.facts
    found = {
        source: wheel
        for source in locked.lock.sources
        if (wheel := _known(wheels, key_of(source, locked.interpreter, facts))) is not None
    }
    return _replaced(locked, found) if found else locked


def key_of(source: LockedSource, interpreter: Interpreter, facts: Facts) -> Key:
    """The keys of the wheel that is built from a source for an interpreter on a machine."""
    libc = facts.libc.value
    minor = minor_of(interpreter.version)
    python = f"{interpreter.implementation} {minor}{'t' if interpreter.free_threaded else ''}"
    platform = f"{platform_of(facts)} {libc.version if libc else facts.os_version.value}"
    portable = f"{source.name} {source.identity} {python}"
    return Key(exact=_digest(f"{portable} {platform}"), portable=_digest(portable))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _known(wheels: BuiltWheels, key: Key) -> LockedFile | None:
    return wheels.find(key.exact) or wheels.find(key.portable)


def _replaced(locked: Locked, wheels: dict[LockedSource, LockedFile]) -> Locked:
    lock = locked.lock
    files = sorted((*lock.files, *wheels.values()), key=lambda file: file.name)
    left = tuple(source for source in lock.sources if source not in wheels)
    made = {wheel.sha256 for source, wheel in wheels.items() if source.folder}
    own = tuple(sorted({*lock.from_folders, *made}))
    return replace(locked, lock=replace(lock, files=tuple(files), sources=left, from_folders=own))


@stage("sources")
def _build_missing(context: Context, machine: Machine, locked: Locked) -> Locked:
    store, sources = Store.of(context.home), locked.lock.sources
    archives = _fetched(context, machine, sources, store)
    with index_access(context, machine) as access:
        bench = _bench(context, machine, access, locked.interpreter)
        return _replaced(locked, _built(context, machine, locked, bench=bench, archives=archives))


def _built(
    context: Context, machine: Machine, locked: Locked, *, bench: Bench, archives: dict[str, Path]
) -> dict[LockedSource, LockedFile]:
    if not shelter.no_network(bench.environ):
        text = "this system cannot shut the network off for a build: what is built may use it"
        context.emit(Note(text=text, level="warning"))
    built = {}
    for source in locked.lock.sources:
        try:
            built[source] = _once(context, machine, locked, source, bench=bench, archives=archives)
        except TfprovError as error:
            _add_wheel_hint(context, machine, locked, source, error)
            raise
    return built


def _fetched(context: Context, machine: Machine, sources: tuple[LockedSource, ...], store: Store) -> dict[str, Path]:
    """Fetch the sources that are archives; returns their paths in the store by SHA-256."""
    archives = tuple(source.archive for source in sources if source.archive is not None)
    files = with_values(archives, context.request.environ)
    if machine.network.offline:
        require_local(context, machine, files, store)
    else:
        files = sizes(files, network=machine.network, store=store)
    return dict(fetch_into_store(context, machine.network, files).paths)


def _bench(context: Context, machine: Machine, access: IndexAccess, interpreter: Interpreter) -> Bench:
    network, exclude_newer = machine.network, context.loaded.profile.index.exclude_newer
    return Bench(
        uv=uv_executable(),
        python=Path(interpreter.path),
        index=access.environment(bare=True),
        failure=access.failure,
        truthful=access.truthful,
        options=(
            *("--no-config", "--no-progress", "--cache-dir", str(context.tool_caches / "uv")),
            *(part for link in access.find_links for part in ("--find-links", link)),
            *(("--index-strategy", "unsafe-best-match") if network.merged else ()),
            *(("--exclude-newer", exclude_newer) if exclude_newer else ()),
        ),
        environ=context.request.environ,
        variables=expand_all(context.loaded.profile.environment.variables, context.request.environ),
        memory=max(_LEAST_MEMORY, int(machine.facts.memory_bytes.value * _SHARE_OF_MEMORY)),
        timeout=_SECONDS,
    )


def _once(
    context: Context,
    machine: Machine,
    locked: Locked,
    source: LockedSource,
    *,
    bench: Bench,
    archives: dict[str, Path],
) -> LockedFile:
    """The wheel of a source, built unless the store has it.

    The store is locked for the key meanwhile, so that of several processes that need the wheel only one builds it.
    """
    store = Store.of(context.home)
    wheels, key = BuiltWheels(store), key_of(source, locked.interpreter, machine.facts)
    with store.lock(key.exact):
        known = _known(wheels, key)
        if known is not None:
            return known
        why = f"its folder: `{source.folder}`" if source.folder else "its source: no wheel of it fits"
        context.emit(Note(text=f"building {source.title} from {why}"))
        log = context.home.state / "builds" / f"{source.name}-{source.version or source.commit[:12]}.log"
        # Imported here because they load libraries that hardly any lock needs.
        from tfprov.sources.build import build
        from tfprov.sources.unpack import unpack

        with temporary("build") as work:
            (work / "tree").mkdir()
            if source.folder:
                # Built in place, as pip does: its version may come from the repository that contains it.
                tree = Path(source.folder)
            elif source.archive is not None:
                tree = unpack(archives[source.archive.sha256], work / "tree")
            else:
                # Git connects to its server directly, not through the relay.
                ways = machine.network.tool_environment(machine.network.ordered_routes()[0])
                tree = check_out(source, work / "tree", environ={**bench.index, **of_git(bench.environ), **ways})
            wheel = build(source, _inner(source, tree), bench, work=work, log=log)
            file = LockedFile(
                name=source.name,
                version=str(parse_wheel_filename(wheel.name)[1]),
                filename=wheel.name,
                url=store.path(digest := sha256_of(wheel), wheel.name).as_uri(),
                sha256=digest,
                size=wheel.stat().st_size,
            )
            with store.lock(file.sha256) as alone:
                store.adopt(file, wheel, alone=alone)
        wheels.keep((key.exact, key.portable) if is_portable(file) else (key.exact,), file)
        return file


def is_portable(wheel: LockedFile) -> bool:
    """Whether the tags of a wheel say that it contains no compiled code."""
    return all(tag.platform == "any" and tag.abi == "none" for tag in parse_wheel_filename(wheel.filename)[3])


def _inner(source: LockedSource, tree: Path) -> Path:
    """The folder of the Python project in its unpacked source.

    Raises:
        TfprovError: `build-failed` when there is none.
    """
    folder = tree
    if source.subdirectory:
        try:
            folder = inside(tree, source.subdirectory.strip("/"))
        except ValueError as error:
            what = f"`{source.title}`: `{source.subdirectory}` is not a folder of its source"
            raise TfprovError("build-failed", what, evidence=(str(error),)) from error
    if not any((folder / name).is_file() for name in ("pyproject.toml", "setup.py")):
        raise TfprovError(
            "build-failed",
            f"`{source.title}` is not a Python project",
            evidence=(f"its source has neither `pyproject.toml` nor `setup.py` in `{source.subdirectory or '.'}`",),
        )
    return folder


def _add_wheel_hint(
    context: Context, machine: Machine, locked: Locked, source: LockedSource, error: TfprovError
) -> None:
    """Add to the hint of a failed build the newest version that has a wheel, if the index has one."""
    if not error.code.name.startswith("build-") or machine.network.offline:
        return
    selection = Selection(
        decision=locked.plan.decision, facts=machine.facts, interpreter=locked.interpreter, constraints=()
    )
    with contextlib.suppress(TfprovError):
        document = ask_resolver(
            context, machine, selection, (source.name,), prefer=(), once=True, alone=True, builds="none"
        )
        version = dict(versions_in(document)).get(source.name)
        if version and version != source.version:
            error.hint = f"{error.hint}; or ask for `{source.name}=={version}`, which has a wheel for this Python"
