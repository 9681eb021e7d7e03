"""Verifies the publishers of the files in a lock, according to `index.attestations` of the profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.fetch.provenance import provenance_of
from tfprov.lock import pylock
from tfprov.lock.attestations import Publisher, check_same, require_library, verified
from tfprov.lock.records import Lock, LockedFile
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.words import count, listed


def attest_new(
    context: Context, machine: Machine, lock: Lock
) -> tuple[Mapping[str, tuple[Publisher, ...]], tuple[str, ...]]:
    """Verify the attestations of a new lock that is not in its place yet: there, the old one knows the publishers.

    Returns:
        The publishers by project, and the SHA-256 of the files that were looked at, sorted. Without a network, those in
        the old lock.

    Raises:
        TfprovError: as for `_attested`; `lock-invalid`.
    """
    older, files = pylock.publishers_in(context.lock_path), _of_indexes(lock)
    found = _attested(context, machine, files, older=older)
    if found is not None:
        return found, tuple(sorted(file.sha256 for file in files))
    header = pylock.read_header(context.lock_path)
    seen = header.attested if header is not None else ()
    return older, tuple(sorted(file.sha256 for file in files if file.sha256 in seen))


def attest_others(context: Context, machine: Machine, lock: Lock) -> None:
    """Verify attestations that were not verified when the lock was made: other platforms install other wheels.

    Raises:
        TfprovError: as for `_attested`.
    """
    header = pylock.read_header(lock.path) if context.loaded.profile.index.attestations != "off" else None
    if header is not None:
        files = [file for file in _of_indexes(lock) if file.sha256 not in header.attested]
        _attested(context, machine, files, older=pylock.publishers_in(lock.path))


def _of_indexes(lock: Lock) -> tuple[LockedFile, ...]:
    """The files of a lock that come from indexes: wheels and source archives, without local ones (`file://`)."""
    archives = (source.archive for source in lock.sources if source.archive is not None)
    return tuple(file for file in (*lock.files, *archives) if urlsplit(file.url).scheme != "file")


def _attested(
    context: Context, machine: Machine, files: Sequence[LockedFile], *, older: Mapping[str, tuple[Publisher, ...]]
) -> dict[str, tuple[Publisher, ...]] | None:
    """Verify the attestations of files.

    Args:
        context: provides the policy, which must not be `off`.
        machine: provides the network.
        files: files that come from indexes.
        older: the publishers of each project when it was locked before.

    Returns:
        The verified publishers by project, without projects whose files have no attestation. None, with a warning, when
        there is no network and attestations are not required.

    Raises:
        TfprovError: `attestation-missing`, `attestation-invalid` or `publisher-changed`; `extra-missing`;
            `offline-missing` when they are required and there is no network; the index cannot be read.
    """
    policy = context.loaded.profile.index.attestations
    require_library()
    if machine.network.offline:
        what = f"who published {count(len(files), 'file')} of the lock cannot be asked without network"
        if files and policy == "require":
            raise TfprovError("offline-missing", what, evidence=tuple(file.filename for file in files[:5]))
        if files:
            context.emit(Note(text=what, level="warning"))
        return None
    found: dict[str, tuple[Publisher, ...]] = {}
    given = provenance_of(files, machine.network, emit=context.emit, deadline=context.deadline)
    for file, provenance in zip(files, given, strict=True):
        publishers = () if provenance is None else verified(file, provenance)
        check_same(file.name, older.get(file.name, ()), publishers)
        if publishers:
            found[file.name] = publishers
    missing = [file.filename for file in files if file.name not in found]
    if missing and policy == "require":
        raise TfprovError(
            "attestation-missing",
            f"{len(missing)} of {len(files)} files have no attestation of their publisher, and the profile requires it",
            evidence=(listed([f"`{name}`" for name in missing], 5), '`index.attestations = "require"`'),
        )
    if files:
        context.emit(Note(text=f"{len(files) - len(missing)} of {len(files)} files have a publisher who signed them"))
    return found
