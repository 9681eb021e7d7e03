"""Memory and processors available to this process, within control groups and CPU affinity."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfprov.host.records import Fact
from tfprov.host.system import ROOT, System, number_in, read_text
from tfprov.structured import whole_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A line of /proc/self/mountinfo.

    Attributes:
        inner: folder of the file system that is mounted (`/` unless it is a bind mount or a namespace).
        point: mount point.
        options: of the mount and of the file system together.
    """

    inner: str
    point: str
    kind: str
    device: str
    options: tuple[str, ...]


def parse_mounts(text: str) -> tuple[Mount, ...]:
    """The mounts of a mountinfo file, in order."""
    found: list[Mount] = []
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        before, after = left.split(), right.split(" ")
        if not separator or len(before) < 6 or len(after) < 3:
            continue
        options = (*before[5].split(","), *after[2].split(","))
        # A blank in a path is written as \040.
        inner, point, device = (_unescape(part) for part in (before[3], before[4], after[1]))
        found.append(Mount(inner=inner, point=point, kind=after[0], device=device, options=options))
    return tuple(found)


def _unescape(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def mounts(root: Path = ROOT) -> tuple[Mount, ...]:
    """The mounts of this system, in order; empty outside Linux."""
    return parse_mounts(read_text(root / "proc/self/mountinfo") or "")


def memory(system: System, *, root: Path = ROOT) -> Fact[int]:
    """Bytes of memory for processes here: physical memory, or the limit of a control group when that is lower.

    Where no control groups are mounted (no /sys), nothing tells their limits; the source of the fact then says so.
    """
    total, source = _physical(system, root)
    if system != "linux":
        return Fact(value=total, source=source)
    folders = tuple(_group_folders("memory", root))
    if not folders and any(group != "/" for group in _groups(read_text(root / "proc/self/cgroup") or "").values()):
        source = f"{source}; control groups are not mounted, so a limit of theirs is not seen"
    for folder in folders:
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = number_in(folder / name)
            # Version 1 writes "no limit" as a number that exceeds the memory of any machine.
            if limit is not None and 0 < limit < total:
                total, source = limit, str(folder / name)
    return Fact(value=total, source=source)


def _physical(system: System, root: Path) -> tuple[int, str]:
    file = root / "proc/meminfo"
    if system == "linux":
        for line in (read_text(file) or "").splitlines():
            words = line.split()
            if words[:1] == ["MemTotal:"] and (kibibytes := whole_number(words[1] if words[1:] else "")) is not None:
                return kibibytes * 1024, str(file)
    import psutil

    try:
        return psutil.virtual_memory().total, "psutil.virtual_memory"
    except OSError:
        # Linux without /proc.
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), "sysconf(SC_PHYS_PAGES)"


def cores(system: System, *, root: Path = ROOT) -> Fact[int]:
    """Number of processors that this process may use, at least 1: CPU affinity, and the quota of its control groups."""
    count, source = os.cpu_count() or 1, "os.cpu_count"
    if hasattr(os, "sched_getaffinity") and root == ROOT:
        count, source = len(os.sched_getaffinity(0)), "sched_getaffinity"
    if system == "linux":
        for folder in _group_folders("cpu", root):
            quota = _quota(folder)
            # A quota of 1.5 processors keeps two of them busy at times, so it is rounded up.
            if quota is not None and math.ceil(quota[0]) < count:
                count, source = max(1, math.ceil(quota[0])), quota[1]
    return Fact(value=count, source=source)


def _quota(folder: Path) -> tuple[float, str] | None:
    numbers = [whole_number(word) for word in (read_text(folder / "cpu.max") or "").split()]
    file, (quota, period) = folder / "cpu.max", numbers if len(numbers) == 2 else (None, None)
    if quota is None or period is None:
        file = folder / "cpu.cfs_quota_us"
        quota, period = number_in(file), number_in(folder / "cpu.cfs_period_us")
    return (quota / period, str(file)) if quota and period else None


def _group_folders(controller: str, root: Path) -> Iterator[Path]:
    """Folders of this process's control group and its parents, for versions 1 and 2."""
    groups = _groups(read_text(root / "proc/self/cgroup") or "")
    for mount in mounts(root):
        if mount.kind == "cgroup2":
            group = groups.get("")
        elif mount.kind == "cgroup" and controller in mount.options:
            group = groups.get(controller)
        else:
            continue
        if group is None:
            continue
        # In a container without a cgroup namespace, the path of the group is that on the host, and the mount starts at
        # that group.
        inner = mount.inner.rstrip("/")
        below = group[len(inner) :] if group == inner or group.startswith(f"{inner}/") else ""
        base = root / mount.point.lstrip("/")
        folder = base / below.strip("/")
        while True:
            yield folder
            if folder == base or base not in folder.parents:
                break
            folder = folder.parent


def _groups(text: str) -> dict[str, str]:
    """Path of this process's control group by controller; the key is empty for version 2."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            for controller in parts[1].split(","):
                found[controller] = parts[2]
    return found
