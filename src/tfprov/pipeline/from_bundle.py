"""What the stages take from a bundle, and from the other places where an offline run may have its files.

Apart from `bundle_source`, which opens bundles: only a run with a bundle needs that.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from tfprov.errors import Group, TfprovError
from tfprov.events import Emit, Progress
from tfprov.fetch.store import Store
from tfprov.index_address import local_path
from tfprov.lock.records import LockedFile
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.pipeline.named import bundle_of

if TYPE_CHECKING:
    from tfprov.bundle.opened import Bundle

_STAGE = "fetch"


def take_wheels(bundle: Bundle, files: Sequence[LockedFile], store: Store, emit: Emit) -> tuple[LockedFile, ...]:
    """Copy the locked wheels that a bundle contains to the store, verifying the hash of each.

    Nothing is copied from a bundle on a server: its wheels are given their URLs there, and are fetched like any other.

    Returns:
        The locked files, with the URLs to fetch them from.

    Raises:
        TfprovError: `bundle-invalid` for a damaged wheel, `bundle-incomplete` when the older bundle that a delta needs
            is missing.
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
        emit(Progress(stage=_STAGE, what=file.filename, done=done, total=total))
    return tuple(files)


def with_size(file: LockedFile, bundle: Bundle) -> LockedFile:
    """The file, with its size from the manifest of the bundle if the lock does not state it."""
    entry = bundle.manifest.wheels.get(file.sha256)
    return file if file.size is not None or entry is None else dataclasses.replace(file, size=entry.size)


def require_local(context: Context, machine: Machine, files: Sequence[LockedFile], store: Store) -> None:
    """Check that an offline run has every locked file: in the store, the bundle, a folder or beside the lock.

    Raises:
        TfprovError: `offline-missing` with the files that are missing.
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
    """Hint at the bundle that an environment came from when the block fails because files cannot be obtained."""
    try:
        yield
    except TfprovError as error:
        is_lacking = error.code.name in ("lock-unfit", "offline-missing") or error.code.group is Group.NETWORK
        if is_lacking and context.bundle is None and bundle_of(context.environment, context.home) is not None:
            error.hint = "the environment came from a bundle, which has them: `tfprov up --bundle PLACE`"
        raise
