"""Taking a bundle: its profile and lock to a place of tfprov's own, its wheels into the store, all checked by hash."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from tfprov import paths
from tfprov.bundle import interpreters
from tfprov.bundle.opened import Bundle, open_bundle
from tfprov.bundle.records import MANIFEST, PROFILE, BundledPython, render
from tfprov.bundle.starter import this_platform
from tfprov.bundle.write import Content, write
from tfprov.contents import content_of
from tfprov.errors import Group, TfprovError
from tfprov.events import Emit, Note, Progress, ignore
from tfprov.fetch.addresses import local_path
from tfprov.fetch.answers import raise_for_status
from tfprov.fetch.bounded import Limits, body_of, response_to
from tfprov.fetch.patience import Patience
from tfprov.fetch.routes import routes_of
from tfprov.fetch.sources import Network
from tfprov.fetch.store import Store
from tfprov.fetch.ways import Ways
from tfprov.host import network, system
from tfprov.ladder.climb import Policy
from tfprov.lock.records import LockedFile
from tfprov.paths import Home
from tfprov.pipeline.context import Context, Request
from tfprov.pipeline.machine import Machine
from tfprov.pipeline.named import bundle_of

if TYPE_CHECKING:
    import httpx

# The largest file that is read whole is the archive of an interpreter, some 100 MB.
_LIMITS = Limits(seconds=1800.0, wire=1 << 30, unpacked=1 << 30)
# Whoever names a bundle's address waits at the terminal.
_PATIENCE = Patience(
    normal=Policy(tries=3, seconds=20.0, first_wait=0.25, longest_wait=5.0),
    patient=Policy(tries=2, seconds=5.0, first_wait=1.0, longest_wait=2.0),
)

STAGE = "fetch"


def open_all(sources: Sequence[str], *, cwd: Path, environ: Mapping[str, str]) -> Bundle:
    """The first bundle, with the others for what it lacks.

    Raises:
        TfprovError: `bundle-…` when one of them cannot be used.
    """
    first, *others = sources
    reader = _reader(environ)
    bases = tuple(open_bundle(each, cwd=cwd, fetch=reader) for each in others)
    return open_bundle(first, cwd=cwd, fetch=reader, bases=bases)


def accept(request: Request, emit: Emit) -> tuple[Request, Bundle]:
    """Open the bundle of a request, and take in what comes before the wheels: profile, lock, interpreter.

    Returns:
        The request as the pipeline carries it out, without network, and the bundle.

    Raises:
        TfprovError: `bundle-unfit` when it does not serve this platform, other `bundle-…` when it cannot be used.
    """
    bundle = open_all(request.bundle, cwd=request.cwd, environ=request.environ)
    manifest = bundle.manifest
    platform = this_platform()
    if manifest.served_on(platform) is None:
        raise TfprovError(
            "bundle-unfit",
            f"`{bundle.source}` is not for this platform",
            evidence=(f"it serves {', '.join(manifest.platforms)}; this is {platform}",),
            hint=f"make it again with `--platform {platform}`",
        )
    home = paths.home(request.environ)
    for one in manifest.pythons:
        if one.platform == platform:
            _take_python(bundle, one, home, emit)
    # Who names the bundle's own by its name means what the bundle brings, and no older one that is here; a file wins.
    is_own = request.profile == manifest.name and not (request.cwd / request.profile).is_file()
    profile = str(_take_profile(bundle, home)) if is_own or not request.profile else request.profile
    return dataclasses.replace(request, profile=profile, offline=True), bundle


def take_wheels(bundle: Bundle, files: Sequence[LockedFile], store: Store, emit: Emit) -> tuple[LockedFile, ...]:
    """Bring the wheels of the lock that the bundle has into the store; nothing is believed before its hash was seen.

    A bundle that a server hands out is not read here: its files get addresses there, and are fetched like any other.

    Raises:
        TfprovError: `bundle-invalid` for a damaged wheel, `bundle-incomplete` when a delta lacks its older bundle.
    """
    wheels = bundle.manifest.wheels
    if bundle.url is not None:
        return tuple(
            dataclasses.replace(file, url=f"{bundle.url}/{quote(wheels[file.sha256].path)}")
            if file.sha256 in wheels
            else file
            for file in files
        )
    wanted = [(file, wheels[file.sha256]) for file in files if file.sha256 in wheels and not store.has(file)]
    total, done = sum(entry.size for _, entry in wanted), 0
    for file, entry in wanted:
        with store.lock(file.sha256) as alone, bundle.stream(entry) as stream:
            if not store.has(file):
                try:
                    store.take(file, stream, source=f"{entry.path} in {bundle.source}", alone=alone)
                except TfprovError as error:
                    if error.code.name != "hash-mismatch":
                        raise
                    raise bundle.damaged(entry, "; ".join(error.evidence)) from error
        done += entry.size
        emit(Progress(stage=STAGE, what=file.filename, done=done, total=total))
    return tuple(files)


def with_size(file: LockedFile, bundle: Bundle) -> LockedFile:
    """The file with the size that the bundle says, where nobody else does."""
    entry = bundle.manifest.wheels.get(file.sha256)
    return file if file.size is not None or entry is None else dataclasses.replace(file, size=entry.size)


def require_local(context: Context, machine: Machine, files: Sequence[LockedFile], store: Store) -> None:
    """Make sure that an install without network lacks nothing.

    Raises:
        TfprovError: `offline-missing` with what is not here.
    """
    bundle = context.bundle
    served = f"{bundle.url}/" if bundle is not None and bundle.url else None
    folders = [local_path(place) or Path(place) for place in machine.network.find_links]

    def is_here(file: LockedFile) -> bool:
        named = local_path(file.url)
        if store.is_near(file) or (served is not None and file.url.startswith(served)):
            return True
        return any(path.is_file() for path in ([named] if named else []) + [each / file.filename for each in folders])

    lost = [file.filename for file in files if not is_here(file)]
    if lost:
        raise TfprovError(
            "offline-missing",
            f"{len(lost)} of {len(files)} locked files are not on this machine, and the network may not be used",
            evidence=tuple(f"`{name}`" for name in lost[:5]),
            hint="bring them with `tfprov bundle`, or run once with the network",
        )


@contextlib.contextmanager
def naming_the_bundle(context: Context) -> Iterator[None]:
    """Say of files that cannot be had, and that a bundle brought once, that it has them."""
    try:
        yield
    except TfprovError as error:
        is_lacking = error.code.name in ("lock-unfit", "offline-missing") or error.code.group is Group.NETWORK
        if is_lacking and context.bundle is None and bundle_of(context.environment, context.home) is not None:
            error.hint = "the environment came from a bundle, which has them: `tfprov up --bundle PLACE`"
        raise


def check(source: Sequence[str], *, cwd: Path, environ: Mapping[str, str]) -> Bundle:
    """Read every file of a bundle and compare it with the manifest.

    Raises:
        TfprovError: `bundle-invalid` with the files that are damaged.
    """
    bundle = open_all(source, cwd=cwd, environ=environ)
    if strays := bundle.strays():
        raise TfprovError(
            "bundle-invalid",
            f"`{bundle.source}` has files that do not belong to it",
            evidence=tuple(f"`{name}`" for name in strays[:10]),
            hint="delete them, or copy the bundle again",
        )
    damaged = bundle.verify()
    if damaged:
        raise TfprovError(
            "bundle-invalid",
            f"{len(damaged)} files of `{bundle.source}` are damaged",
            evidence=tuple(f"`{entry.path}`" for entry in damaged[:10]),
        )
    return bundle


def merge(sources: Sequence[str], output: Path, *, cwd: Path, environ: Mapping[str, str], emit: Emit) -> Bundle:
    """A whole bundle out of a delta and the older ones that it needs.

    The result holds the same files as a bundle that was made whole; only its id differs from the delta's.

    Raises:
        TfprovError: `bundle-incomplete` when a file is in none of them, `bundle-invalid` when one is damaged.
    """
    bundle = open_all(sources, cwd=cwd, environ=environ)
    content: dict[str, Content] = {}
    for entry in bundle.manifest.files:
        found = bundle.holder(entry)
        if found is None:
            with bundle.stream(entry):
                pass
            continue
        content[entry.path] = Content(sha256=entry.sha256, size=entry.size, reader=partial(bundle.stream, entry))
    whole = dataclasses.replace(
        bundle.manifest,
        base="",
        files=tuple(dataclasses.replace(entry, here=True) for entry in bundle.manifest.files),
    )
    total, done = sum(entry.size for entry in whole.files), 0

    def wrote(count: int) -> None:
        nonlocal done
        done += count
        emit(Progress(stage="write", what="bundle", done=min(done, total), total=total))

    write(output, whole, content, wrote=wrote)
    return open_bundle(str(output), cwd=cwd)


def _take_profile(bundle: Bundle, home: Home) -> Path:
    """The profile in a folder of its own, with lock and checks beside it: the same place for every bundle of the name.

    The lock comes before the profile: whoever is stopped in between finds a lock that does not fit, and says so.
    """
    manifest = bundle.manifest
    folder = paths.inside(home.data / "bundles", manifest.name)
    names = [entry.path for entry in manifest.files if entry.path.startswith(f"{PROFILE}/")]
    for name in sorted(names, key=lambda path: path == manifest.profile):
        target, content = paths.inside(folder, name.removeprefix(f"{PROFILE}/")), bundle.read(name)
        # What is there already is left alone: a run beside this one may be reading it.
        if not target.is_file() or content_of(target) != content:
            paths.write_atomic(target, content)
    paths.write_atomic(paths.inside(folder, MANIFEST), render(manifest))
    return folder / manifest.profile.removeprefix(f"{PROFILE}/")


def _take_python(bundle: Bundle, python: BundledPython, home: Home, emit: Emit) -> None:
    target = paths.inside(home.data / "pythons", python.folder)
    if target.is_dir():
        return
    emit(Note(text=f"unpacking the interpreter of the bundle into `{target}`", level="detail"))
    interpreters.unpack(io.BytesIO(bundle.read(python.path)), target)


def _reader(environ: Mapping[str, str]) -> Callable[[str], bytes]:
    """Gets small files of a bundle from a server, by the routes of this machine."""

    def read(url: str) -> bytes:
        machine = network.network(environ, system=system.running_system().value)
        certificates = machine.certificates.value
        way = Network(
            index_url=None,
            routes=routes_of(("environment", "system", "direct"), machine.proxies.value, environ),
            certificates=(Path(certificates),) if certificates and Path(certificates).is_file() else (),
        )

        def act(client: httpx.Client, address: str) -> bytes | None:
            with response_to(client, address, headers={}) as answer:
                if answer.status_code in (404, 410):
                    return None
                raise_for_status(answer, address)
                return body_of(answer, address, _LIMITS)

        found = Ways(network=way, emit=ignore, patience=_PATIENCE).read(url, act)
        if found is None:
            raise FileNotFoundError(url)
        return found

    return read
