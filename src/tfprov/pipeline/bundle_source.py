"""Takes in a bundle: its profile, lock and interpreter go to tfprov's data folder, its wheels to the store.

Every file is verified against its hash.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tfprov import paths, writing
from tfprov.bundle import interpreters
from tfprov.bundle.opened import Bundle, open_bundle
from tfprov.bundle.records import MANIFEST, PROFILE, BundledPython, render
from tfprov.bundle.starter import this_platform
from tfprov.bundle.write import Content, meter, write
from tfprov.contents import content_of, is_readable
from tfprov.errors import TfprovError
from tfprov.events import Emit, Note, ignore
from tfprov.fetch.answers import raise_for_status
from tfprov.fetch.bounded import Limits, body_of, response_to
from tfprov.fetch.patience import Patience
from tfprov.fetch.routes import routes_of
from tfprov.fetch.sources import Network
from tfprov.fetch.ways import Ways
from tfprov.host import network, system
from tfprov.ladder.climb import Policy
from tfprov.paths import Home
from tfprov.pipeline.context import Request
from tfprov.words import count

if TYPE_CHECKING:
    import httpx

# The largest file that is read into memory is the archive of an interpreter, some 100 MB.
_LIMITS = Limits(seconds=1800.0, wire=1 << 30, unpacked=1 << 30)
# Few tries and short waits: a user who passes the address of a bundle waits at the terminal.
_PATIENCE = Patience(
    normal=Policy(tries=3, seconds=20.0, first_wait=0.25, longest_wait=5.0),
    patient=Policy(tries=2, seconds=5.0, first_wait=1.0, longest_wait=2.0),
)


def open_all(sources: Sequence[str], *, cwd: Path, environ: Mapping[str, str]) -> Bundle:
    """Open the first bundle, with the others as sources of the files that it lacks.

    Args:
        sources: folders, archives or addresses, at least one.
        cwd: folder that relative paths are relative to.
        environ: variables of this process.

    Raises:
        TfprovError: `bundle-…` when one of them cannot be used.
    """
    first, *others = sources
    reader = _reader(environ)
    bases = tuple(open_bundle(each, cwd=cwd, fetch=reader) for each in others)
    return open_bundle(first, cwd=cwd, fetch=reader, bases=bases)


def accept(request: Request, emit: Emit) -> tuple[Request, Bundle]:
    """Open the bundle of a request, and copy its profile, lock and interpreter to tfprov's data folder.

    Returns:
        The request with the path of the profile and `offline` set, and the bundle.

    Raises:
        TfprovError: `bundle-unfit` when the bundle is not for this platform, other `bundle-…` when it cannot be used.
    """
    bundle = open_all(request.bundle, cwd=request.cwd, environ=request.environ)
    manifest = bundle.manifest
    platform = this_platform()
    if platform not in manifest.platforms:
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
    # The name of the bundle's profile means the profile in the bundle, not an older copy on this machine. A file of
    # that name in the working directory takes precedence.
    is_own = request.profile == manifest.name and not (request.cwd / request.profile).is_file()
    profile = str(_take_profile(bundle, home)) if is_own or not request.profile else request.profile
    return dataclasses.replace(request, profile=profile, offline=True), bundle


def check(source: Sequence[str], *, cwd: Path, environ: Mapping[str, str]) -> Bundle:
    """Verify every file of a bundle against its manifest.

    Args:
        source: the bundle, then older bundles that have what a delta lacks.
        cwd: folder that relative paths are relative to.
        environ: variables of this process.

    Returns:
        The bundle.

    Raises:
        TfprovError: `bundle-invalid` with the files that are damaged, or that the manifest does not list.
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
            f"`{bundle.source}` has {count(len(damaged), 'damaged file')}",
            evidence=tuple(f"`{entry.path}`" for entry in damaged[:10]),
        )
    return bundle


def merge(sources: Sequence[str], output: Path, *, cwd: Path, environ: Mapping[str, str], emit: Emit) -> Bundle:
    """Write a complete bundle from a delta and the older bundles that it needs.

    It has the same files as a bundle that was made complete from the start; its id differs from the delta's.

    Args:
        sources: the delta, then the older bundles.
        output: path to write to; an archive if it ends in `.tar`, else a folder.
        cwd: folder that relative paths are relative to.
        environ: variables of this process.
        emit: receives progress.

    Returns:
        The new bundle.

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
    write(output, whole, content, wrote=meter(emit, sum(entry.size for entry in whole.files)))
    return open_bundle(str(output), cwd=cwd)


def _take_profile(bundle: Bundle, home: Home) -> Path:
    """Copy the profile, with lock and smoke scripts, to a folder that all bundles of that name share; returns its path.

    The profile is written last: a run that is interrupted in between leaves a lock that does not match the profile,
    which the next run reports.
    """
    manifest = bundle.manifest
    folder = paths.inside(home.data / "bundles", manifest.name)
    names = [entry.path for entry in manifest.files if entry.path.startswith(f"{PROFILE}/")]
    for name in sorted(names, key=lambda path: path == manifest.profile):
        target, content = paths.inside(folder, name.removeprefix(f"{PROFILE}/")), bundle.read(name)
        # A file with the same content is not written again: a concurrent run may be reading it.
        if not target.is_file() or content_of(target) != content:
            writing.write_atomic(target, content)
    writing.write_atomic(paths.inside(folder, MANIFEST), render(manifest))
    return folder / manifest.profile.removeprefix(f"{PROFILE}/")


def _take_python(bundle: Bundle, python: BundledPython, home: Home, emit: Emit) -> None:
    target = paths.inside(home.data / "pythons", python.folder)
    if target.is_dir():
        return
    emit(Note(text=f"unpacking the interpreter of the bundle into `{target}`", level="detail"))
    interpreters.unpack(io.BytesIO(bundle.read(python.path)), target)


def _reader(environ: Mapping[str, str]) -> Callable[[str], bytes]:
    """A function that reads small files of a bundle from a server, through the proxies of this machine."""

    def read(url: str) -> bytes:
        machine = network.network(environ, system=system.running_system().value)
        certificates = machine.certificates.value
        way = Network(
            index_url=None,
            routes=routes_of(("environment", "system", "direct"), machine.proxies.value, environ),
            certificates=(Path(certificates),) if certificates and is_readable(certificates) else (),
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
