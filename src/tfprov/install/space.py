"""Whether the disk has room, seen before the first byte."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tfprov import words
from tfprov.errors import TfprovError
from tfprov.lock.records import LockedFile

# Unpacked size over wheel size, measured on the closures of TensorFlow 2.21.0: the CUDA libraries barely compress
# (6.49 GB from 3.44 GB); TensorFlow and the pure Python packages around it do (1.21 GB from 0.26 GB).
_UNPACKED = {"nvidia": 1.6, "tensorflow": 4.0}
_UNPACKED_OTHERS = 4.5
# A new environment has an interpreter, pip and its bytecode besides.
_OVERHEAD = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Bytes that will be written, by purpose.

    Attributes:
        store: wheels still to come.
        unpacked: the environment's files; they are written into the installer's cache and linked into the environment
            where both are on one file system, else written twice.
    """

    store: int
    unpacked: int


def need(files: Sequence[LockedFile], present: Sequence[bool], *, unpacked: int | None = None) -> Need:
    """What an install will write. Sizes that nobody knows count as nothing, so this is a lower bound.

    Args:
        files: the lock, with sizes where they are known.
        present: for each file whether the store has it already.
        unpacked: measured size of the environment, where there is one; else it is estimated from the wheels.
    """
    missing = sum(file.size or 0 for file, here in zip(files, present, strict=True) if not here)
    if unpacked is None:
        unpacked = sum(int((file.size or 0) * _ratio(file.name)) for file in files)
    return Need(store=missing, unpacked=unpacked + _OVERHEAD)


def check(wanted: Need, *, store: Path, cache: Path, target: Path, temporary: Path) -> None:
    """Make sure that every file system has room for what will be written to it.

    Args:
        wanted: bytes.
        store: where the wheels go.
        cache: where the installer unpacks.
        target: where the environment goes.
        temporary: the folder for temporary files; resolvers keep metadata there.

    Raises:
        TfprovError: `disk-full` naming each purpose, its folder, what it needs and what is free.
    """
    purposes: list[tuple[str, Path, int]] = [
        ("wheels", store, wanted.store),
        ("unpacked wheels", cache, wanted.unpacked),
        ("temporary files", temporary, 16 * 1024 * 1024),
    ]
    if _device(cache) != _device(target):
        purposes.append(("the environment", target, wanted.unpacked))
    by_device: dict[int, list[tuple[str, Path, int]]] = {}
    for purpose in purposes:
        by_device.setdefault(_device(purpose[1]), []).append(purpose)
    short = []
    for shares in by_device.values():
        free = shutil.disk_usage(_existing(shares[0][1])).free
        total = sum(size for _, _, size in shares)
        if total > free:
            short.append(f"{words.size(total)} needed, {words.size(free)} free:")
            short += [f"  {words.size(size):>9} for {name} in `{path}`" for name, path, size in shares]
    if short:
        raise TfprovError(
            "disk-full",
            "there is not enough disk space, and nothing was downloaded",
            evidence=tuple(short),
            hint="free some space, or move tfprov's folders with TFPROV_HOME (and temporary files with TMPDIR)",
        )


def _ratio(name: str) -> float:
    return _UNPACKED.get(name.split("-", maxsplit=1)[0], _UNPACKED_OTHERS)


def _existing(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _device(path: Path) -> int:
    return _existing(path).stat().st_dev
