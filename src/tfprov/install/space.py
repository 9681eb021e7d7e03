"""Estimates what an install writes, and checks that the disks have room for it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfprov.disk_space import Share, device_of, require
from tfprov.lock.records import LockedFile

# Unpacked size over wheel size, measured on the closures of TensorFlow 2.21.0: the CUDA libraries barely compress
# (6.49 GB from 3.44 GB); TensorFlow and the pure Python packages around it do (1.21 GB from 0.26 GB).
_UNPACKED = {"nvidia": 1.6, "tensorflow": 4.0}
_UNPACKED_OTHERS = 4.5
# A new environment also has an interpreter, pip and its bytecode.
_OVERHEAD = 64 * 1024 * 1024
_OVERHEAD_FILES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What will be written, by purpose.

    Attributes:
        store: bytes of wheels that are still missing.
        unpacked: bytes of the environment's files; they are unpacked once and linked into the environment if both
            are on one file system, else written twice.
        files: number of these files, without folders; those of wheels only if it was measured.
        made: bytes of them that are unpacked already.
    """

    store: int
    unpacked: int
    files: int = 0
    made: int = 0


def need(
    files: Sequence[LockedFile],
    *,
    lacking: int,
    made: Collection[str] = (),
    unpacked: int | None = None,
    unpacked_files: int = 0,
) -> Need:
    """Bytes and files that an install will write. Unknown sizes count as 0, so this is a lower bound.

    Args:
        files: files of the lock, with sizes if known.
        lacking: bytes of them that the store lacks.
        made: hashes of those that are unpacked already.
        unpacked: measured size of an environment with TensorFlow; None where it was not measured. The estimate from the
            wheels counts where it is smaller: they may be other builds.
        unpacked_files: number of its files from wheels.
    """
    estimates = {file.sha256: int((file.size or 0) * _ratio(file.name)) for file in files}
    total, done = sum(estimates.values()), sum(estimates[sha256] for sha256 in estimates.keys() & set(made))
    if unpacked is None or (total < unpacked and all(file.size is not None for file in files)):
        unpacked_files = 0 if unpacked is None else unpacked_files * total // unpacked
        unpacked = total
    there = unpacked * done // total if done else 0
    return Need(store=lacking, unpacked=unpacked + _OVERHEAD, files=unpacked_files + _OVERHEAD_FILES, made=there)


def check(wanted: Need, *, store: Path, unpacked: Path, target: Path, temporary: Path) -> None:
    """Make sure that every file system has room for what will be written to it.

    Args:
        wanted: bytes and files.
        store: folder of the wheels.
        unpacked: folder of the unpacked wheels.
        target: folder of the environment.
        temporary: folder for temporary files, where resolvers keep metadata.

    Raises:
        TfprovError: `disk-full`, naming each purpose with its folder, the space it needs and the space that is free.
    """
    left = wanted.unpacked - wanted.made
    files = wanted.files * left // max(1, wanted.unpacked)
    shares = [
        Share(purpose="wheels", path=store, size=wanted.store),
        Share(purpose="unpacked wheels", path=unpacked, size=left, files=files),
        Share(purpose="temporary files", path=temporary, size=16 * 1024 * 1024),
    ]
    if device_of(unpacked) != device_of(target):
        shares.append(Share(purpose="the environment", path=target, size=wanted.unpacked, files=wanted.files))
    require(shares)


def _ratio(name: str) -> float:
    return _UNPACKED.get(name.split("-", maxsplit=1)[0], _UNPACKED_OTHERS)
