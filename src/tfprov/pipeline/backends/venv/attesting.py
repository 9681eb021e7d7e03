"""Verifies the publishers of the files in a lock, according to `index.attestations` of the profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.fetch.provenance import provenance_of
from tfprov.lock.attestations import Publisher, check_same, require_library, verified
from tfprov.lock.records import Lock, LockedFile
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine


def of_indexes(lock: Lock) -> tuple[LockedFile, ...]:
    """The files of a lock that come from indexes: wheels and source archives, without local ones (`file://`)."""
    archives = (source.archive for source in lock.sources if source.archive is not None)
    return tuple(file for file in (*lock.files, *archives) if urlsplit(file.url).scheme != "file")


def attested(
    context: Context, machine: Machine, files: Sequence[LockedFile], *, older: Mapping[str, tuple[Publisher, ...]]
) -> dict[str, tuple[Publisher, ...]]:
    """Verify the attestations of files.

    Args:
        context: provides the policy, which must not be `off`.
        machine: provides the network.
        files: files that come from indexes.
        older: the publishers of each project when it was locked before.

    Returns:
        The verified publishers by project, without projects whose files have no attestation. Empty, with a warning,
        when there is no network and attestations are not required.

    Raises:
        TfprovError: `attestation-missing`, `attestation-invalid` or `publisher-changed`; `extra-missing`;
            `offline-missing` when they are required and there is no network; the index cannot be read.
    """
    policy = context.loaded.profile.index.attestations
    require_library()
    if machine.network.offline:
        what = f"who published {len(files)} files of the lock cannot be asked without network"
        if files and policy == "require":
            raise TfprovError("offline-missing", what, evidence=tuple(file.filename for file in files[:5]))
        if files:
            context.emit(Note(text=what, level="warning"))
        return {}
    found: dict[str, tuple[Publisher, ...]] = {}
    given = provenance_of(files, machine.network, emit=context.emit, deadline=context.deadline)
    for file, provenance in zip(files, given, strict=True):
        publishers = () if provenance is None else verified(file, provenance)
        check_same(file.name, older.get(file.name, ()), publishers)
        if publishers:
            found[file.name] = publishers
    missing = [file.filename for file in files if file.name not in found]
    if missing and policy == "require":
        shown = ", ".join(f"`{name}`" for name in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise TfprovError(
            "attestation-missing",
            f"{len(missing)} of {len(files)} files have no attestation of their publisher, and the profile requires it",
            evidence=(f"{shown}{more}", '`index.attestations = "require"`'),
        )
    if files:
        context.emit(Note(text=f"{len(files) - len(missing)} of {len(files)} files have a publisher who signed them"))
    return found
