"""Free space on the file systems that tfprov will write to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from tfprov.disk_space import free_files
from tfprov.host.limits import Mount, mounts
from tfprov.host.records import Disk, Fact
from tfprov.paths import nearest_folder

# To the kernel, subvolumes and datasets are separate file systems; they share the space of one pool.
_POOLED = frozenset({"btrfs", "zfs", "bcachefs"})


def free_space(folders: Mapping[str, Path]) -> Fact[tuple[Disk, ...]]:
    """Free space for each purpose, in the given order. A folder that does not exist yet is measured at its parent."""
    table = mounts()
    found: list[Disk] = []
    for purpose, path in folders.items():
        folder = nearest_folder(path)
        try:
            free, device = shutil.disk_usage(folder).free, folder.stat().st_dev
        except OSError:
            continue
        found.append(
            Disk(
                purpose=purpose,
                path=str(folder),
                device=_device(folder, device, table),
                free_bytes=free,
                free_files=free_files(folder),
            )
        )
    return Fact(value=tuple(found), source="statvfs" if hasattr(os, "statvfs") else "GetDiskFreeSpaceEx")


def _device(folder: Path, number: int, table: tuple[Mount, ...]) -> str:
    mount = mount_of(folder, table)
    if mount is not None and mount.kind in _POOLED:
        pool = mount.device.split("/")[0] if mount.kind == "zfs" else mount.device
        return f"{mount.kind}:{pool}"
    return str(number)


def mount_of(folder: Path, table: tuple[Mount, ...]) -> Mount | None:
    """The mount that contains a folder: the last of those with the longest path; None when the table is empty."""
    best: Mount | None = None
    for mount in table:
        point = PurePosixPath(mount.point)
        is_above = point == PurePosixPath(folder) or point in PurePosixPath(folder).parents
        if is_above and (best is None or len(point.parts) >= len(PurePosixPath(best.point).parts)):
            best = mount
    return best
