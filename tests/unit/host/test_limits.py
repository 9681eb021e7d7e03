"""Memory and processors under control groups of both versions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfprov.host.limits import Mount, cores, memory, parse_mounts

V2 = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)
V1_INSIDE = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "proc/meminfo", "MemTotal:       16000000 kB\nMemFree:         1000 kB\n")
    return tmp_path


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def groups(root: Path, mounts: str, groups: str, **files: str) -> Path:
    write(root / "proc/self/mountinfo", mounts)
    write(root / "proc/self/cgroup", groups)
    for name, text in files.items():
        write(root / "sys/fs/cgroup" / name.replace("__", "/"), f"{text}\n")
    return root


def limit(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        write(root / "sys/fs/cgroup" / name, f"{text}\n")
    return root


PHYSICAL = 16000000 * 1024


@pytest.mark.parametrize(
    ("mounts", "group", "files", "expected"),
    [
        ("", "", {}, PHYSICAL),
        (V2, "0::/\n", {}, PHYSICAL),
        (V2, "0::/user.slice/run\n", {"user.slice/run/memory.max": "max"}, PHYSICAL),
        (V2, "0::/user.slice/run\n", {"user.slice/run/memory.max": "1073741824"}, 1 << 30),
        (V2, "0::/user.slice/run\n", {"user.slice/memory.max": "1073741824"}, 1 << 30),
        (V2, "0::/a/b\n", {"a/memory.max": "2147483648", "a/b/memory.max": "4294967296"}, 2 << 30),
        (V2, "0::/../../outside\n", {"memory.max": "1073741824"}, 1 << 30),
        (V2, "0::/run\n", {"run/memory.max": "99999999999999"}, PHYSICAL),
        (V1, "4:memory:/job\n", {"memory/job/memory.limit_in_bytes": "1073741824"}, 1 << 30),
        (V1, "4:memory:/job\n", {"memory/job/memory.limit_in_bytes": "9223372036854771712"}, PHYSICAL),
        (V1_INSIDE, "4:memory:/docker/abc\n", {"memory/memory.limit_in_bytes": "1073741824"}, 1 << 30),
        (V1_INSIDE, "4:memory:/docker/abc/x\n", {"memory/x/memory.limit_in_bytes": "1073741824"}, 1 << 30),
        (V1, "nonsense\n4:memory\n", {}, PHYSICAL),
        (V2, "0::/run\n", {"run/memory.max": "not a number"}, PHYSICAL),
    ],
)
def test_the_lowest_limit_above_us_counts(
    mounts: str, group: str, files: dict[str, str], expected: int, root: Path
) -> None:
    limit(groups(root, mounts, group), files)

    found = memory("linux", root=root)

    assert found.value == expected
    assert ("cgroup" in found.source) is (expected != PHYSICAL)


@pytest.mark.parametrize(
    ("mounts", "group", "is_told"),
    [
        ("", "0::/user.slice/run\n", True),
        (V2.replace("cgroup2 cgroup2", "tmpfs tmpfs"), "4:memory:/job\n0::/\n", True),
        ("", "0::/\n", False),
        ("", "", False),
        (V2.replace("/sys/fs/cgroup", "/mnt/groups"), "0::/run\n", False),
    ],
)
def test_limits_that_cannot_be_seen_are_told(mounts: str, group: str, is_told: bool, root: Path) -> None:
    found = memory("linux", root=groups(root, mounts, group))

    ending = "; control groups are not mounted, so a limit of theirs is not seen" if is_told else ""
    assert (found.value, found.source) == (PHYSICAL, f"{root / 'proc/meminfo'}{ending}")


def test_control_groups_are_found_wherever_they_are_mounted(root: Path) -> None:
    groups(root, V2.replace("/sys/fs/cgroup", "/mnt/groups"), "0::/a/b\n")
    write(root / "mnt/groups/a/memory.max", "1073741824\n")

    assert memory("linux", root=root).value == 1 << 30


@pytest.mark.parametrize(
    ("mounts", "group", "files", "expected"),
    [
        ("", "", {}, 8),
        (V2, "0::/run\n", {"run/cpu.max": "max 100000"}, 8),
        (V2, "0::/run\n", {"run/cpu.max": "200000 100000"}, 2),
        (V2, "0::/run\n", {"run/cpu.max": "150000 100000"}, 2),
        (V2, "0::/run\n", {"run/cpu.max": "1000 100000"}, 1),
        (V2, "0::/a/b\n", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "500000 100000"}, 3),
        (V2, "0::/run\n", {"run/cpu.max": "3200000 100000"}, 8),
        (V1, "1:cpu,cpuacct:/job\n", {"cpu,cpuacct/job/cpu.cfs_quota_us": "-1"}, 8),
        (
            V1,
            "1:cpu,cpuacct:/job\n",
            {"cpu,cpuacct/job/cpu.cfs_quota_us": "400000", "cpu,cpuacct/job/cpu.cfs_period_us": "100000"},
            4,
        ),
        (V2, "0::/run\n", {"run/cpu.max": "1 0"}, 8),
    ],
)
def test_a_quota_of_processors_counts(
    mounts: str, group: str, files: dict[str, str], expected: int, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    limit(groups(root, mounts, group), files)

    found = cores("linux", root=root)

    assert found.value == expected
    assert ("cgroup" in found.source) is (expected != 8)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system has no affinity to read")
def test_affinity_counts_on_the_real_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})

    assert cores("linux").value == 1


def test_memory_is_told_on_systems_without_meminfo(root: Path) -> None:
    found = memory("macos", root=root)

    assert found.source == "psutil.virtual_memory"
    assert found.value > 1 << 20


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="this system has no sysconf")
def test_memory_is_told_without_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    def fail() -> None:
        raise FileNotFoundError("/proc/meminfo")

    monkeypatch.setattr(psutil, "virtual_memory", fail)

    found = memory("linux", root=tmp_path)

    assert found.source == "sysconf(SC_PHYS_PAGES)"
    assert found.value > 1 << 26


def test_lines_of_mounts_are_read() -> None:
    text = r"""
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
30 27 0:40 /home /mnt/a\040b\134c rw,noexec master:1 - btrfs /dev/sda2 rw,subvol=/home
broken line
31 27 0:41 / /x rw -
"""
    assert parse_mounts(text) == (
        Mount(inner="/", point="/", kind="ext4", device="/dev/vda", options=("rw", "relatime", "rw", "discard")),
        Mount(
            inner="/home",
            point="/mnt/a b\\c",
            kind="btrfs",
            device="/dev/sda2",
            options=("rw", "noexec", "rw", "subvol=/home"),
        ),
    )
