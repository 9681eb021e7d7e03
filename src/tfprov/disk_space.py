"""Checks that every file system has room for what will be written to it, before the first byte is downloaded."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfprov import words
from tfprov.errors import TfprovError
from tfprov.paths import nearest_folder

_FEW_FILES = 1000
_MUCH_SPACE = 64 << 20
_FEWER_FILES = "delete files that are not needed"
_ELSEWHERE = ", or move tfprov's folders with TFPROV_HOME (and temporary files with TMPDIR)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The disk space that one purpose needs.

    Attributes:
        purpose: for messages: `wheels`, `the environment`, …
        path: where the files will be written; need not exist.
        size: bytes.
        files: lower bound of the number of files; 0 when unknown.
    """

    purpose: str
    path: Path
    size: int
    files: int = 0


def device_of(path: Path) -> int:
    """Device number of the file system that a path is or will be on; paths with equal numbers share free space."""
    return nearest_folder(path).stat().st_dev


def on_disk(found: os.stat_result) -> int:
    """Bytes on disk, from the number of 512-byte blocks; from the size on systems that do not report blocks."""
    return int(getattr(found, "st_blocks", -(-found.st_size // 512)) * 512)


def free_files(folder: Path) -> int | None:
    """How many more files (inodes) can be created; None where the file system allocates inodes on demand."""
    if not hasattr(os, "statvfs"):
        return None
    status = os.statvfs(folder)
    # btrfs and others report 0 of 0.
    return status.f_favail if status.f_files else None


def tell_of_files(error: TfprovError, folders: Iterable[Path]) -> None:
    """Add to a `disk-full` that files (inodes) ran out, where one of these folders has next to none but free space.

    The system reports both in the same way, and a tool that failed has deleted its own files since.
    """
    for folder in map(nearest_folder, folders if error.code.name == "disk-full" else ()):
        with contextlib.suppress(OSError):
            inodes, free = free_files(folder), shutil.disk_usage(folder).free
            if inodes is not None and inodes < _FEW_FILES and free > _MUCH_SPACE:
                told = f"`{folder}` has room for {inodes} more files (inodes), and {words.size(free)} of space"
                error.evidence = (*error.evidence, told)
                error.hint = f"{_FEWER_FILES}{_ELSEWHERE}"
                return


def require(shares: Sequence[Share]) -> None:
    """Check that every file system has room for all that will be written to it, in bytes and in inodes.

    Raises:
        TfprovError: `disk-full`, naming each purpose, its folder, what it needs and what is free.
    """
    by_device: dict[int, list[Share]] = {}
    for share in shares:
        by_device.setdefault(device_of(share.path), []).append(share)
    short: list[str] = []
    lacking: set[str] = set()
    for group in by_device.values():
        folder = nearest_folder(group[0].path)
        free = shutil.disk_usage(folder).free
        total = sum(share.size for share in group)
        if total > free:
            lacking.add("free some space")
            short.append(f"{words.size(total)} needed, {words.size(free)} free:")
            short += [f"  {words.size(share.size):>9} for {share.purpose} in `{share.path}`" for share in group]
        files, inodes = sum(share.files for share in group), free_files(folder)
        if inodes is not None and files > inodes:
            lacking.add(_FEWER_FILES)
            short.append(f"{files} files (inodes) needed, {inodes} free:")
            short += [f"  {share.files:>9} for {share.purpose} in `{share.path}`" for share in group if share.files]
    if short:
        raise TfprovError(
            "disk-full",
            "there is not enough disk space, and nothing was downloaded",
            evidence=tuple(short),
            hint=f"{' and '.join(sorted(lacking))}{_ELSEWHERE}",
        )
