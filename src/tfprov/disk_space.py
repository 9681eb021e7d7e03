"""Whether every disk has room for what will be written to it, looked at before the first byte."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tfprov import words
from tfprov.errors import TfprovError
from tfprov.paths import nearest_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one purpose needs of a disk.

    Attributes:
        purpose: in words: `wheels`, `the environment`, …
        path: where it will be written; need not exist.
        size: bytes.
    """

    purpose: str
    path: Path
    size: int


def device_of(path: Path) -> int:
    """Number of the file system that a path lies or will lie on; equal numbers share their space."""
    return nearest_folder(path).stat().st_dev


def require(shares: Sequence[Share]) -> None:
    """Make sure that every file system has room for all that will be written to it.

    Raises:
        TfprovError: `disk-full` naming each purpose, its folder, what it needs and what is free.
    """
    by_device: dict[int, list[Share]] = {}
    for share in shares:
        by_device.setdefault(device_of(share.path), []).append(share)
    short = []
    for group in by_device.values():
        free = shutil.disk_usage(nearest_folder(group[0].path)).free
        total = sum(share.size for share in group)
        if total > free:
            short.append(f"{words.size(total)} needed, {words.size(free)} free:")
            short += [f"  {words.size(share.size):>9} for {share.purpose} in `{share.path}`" for share in group]
    if short:
        raise TfprovError(
            "disk-full",
            "there is not enough disk space, and nothing was downloaded",
            evidence=tuple(short),
            hint="free some space, or move tfprov's folders with TFPROV_HOME (and temporary files with TMPDIR)",
        )
