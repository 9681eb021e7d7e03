"""Free space, folders that are not there yet, and file systems that share a pool."""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import pytest

from tfprov.host import disks
from tfprov.host.disks import free_space, mount_of
from tfprov.host.limits import Mount


def mount(point: str, kind: str = "ext4", device: str = "/dev/sda1") -> Mount:
    return Mount(inner="/", point=point, kind=kind, device=device, options=())


def test_a_folder_that_is_not_there_is_measured_at_its_parent(tmp_path: Path) -> None:
    found = free_space({"target": tmp_path / "a" / "b" / "c", "cache": tmp_path}).value

    assert [one.purpose for one in found] == ["target", "cache"]
    assert {one.path for one in found} == {os.path.realpath(tmp_path)}
    assert found[0].device == found[1].device
    assert all(0 < one.free_bytes <= shutil.disk_usage(tmp_path).total for one in found)


@pytest.mark.parametrize(
    ("folder", "point"),
    [("/home/me/x", "/home"), ("/home", "/home"), ("/homeless", "/"), ("/var/lib", "/"), ("/mnt/a b/c", "/mnt/a b")],
)
def test_the_mount_of_a_folder_is_the_longest(folder: str, point: str) -> None:
    table = (mount("/"), mount("/home"), mount("/mnt/a b"))

    found = mount_of(PurePosixPath(folder), table)  # type: ignore[arg-type]  # no file is touched

    assert found is not None
    assert found.point == point


def test_a_mount_over_a_mount_hides_it() -> None:
    table = (mount("/"), mount("/tmp", "ext4"), mount("/tmp", "tmpfs"))

    found = mount_of(Path("/tmp/x"), table)

    assert found is not None
    assert found.kind == "tmpfs"


def test_without_mounts_there_is_none() -> None:
    assert mount_of(Path("/tmp"), ()) is None


@pytest.mark.skipif(os.name != "posix", reason="mounts have the paths of POSIX")
@pytest.mark.parametrize(
    ("first", "second", "is_shared"),
    [
        (mount("/a", "btrfs", "/dev/sda2"), mount("/b", "btrfs", "/dev/sda2"), True),
        (mount("/a", "zfs", "tank/home"), mount("/b", "zfs", "tank/var"), True),
        (mount("/a", "zfs", "tank/home"), mount("/b", "zfs", "other/var"), False),
    ],
)
def test_parts_of_one_pool_share_their_space(
    first: Mount, second: Mount, is_shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = Path(os.path.realpath(tmp_path))
    for name in ("a", "b"):
        (base / name).mkdir()

    def table() -> tuple[Mount, ...]:
        def at(one: Mount) -> Mount:
            return mount(f"{base}{one.point}", one.kind, one.device)

        return at(first), at(second)

    monkeypatch.setattr(disks, "mounts", table)

    one, other = free_space({"data": base / "a", "cache": base / "b"}).value

    assert (one.device == other.device) is is_shared


@pytest.mark.skipif(not hasattr(os, "statvfs"), reason="this system counts no files")
@pytest.mark.parametrize(("files", "available", "expected"), [(1000, 7, 7), (0, 0, None)])
def test_files_that_can_be_made_are_counted_where_there_is_a_limit(
    files: int, available: int, expected: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_files=files, f_favail=available))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5))

    (found,) = free_space({"data": tmp_path}).value

    assert (found.free_files, found.free_bytes) == (expected, 5)


def test_a_disk_that_cannot_be_asked_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> None:
        raise OSError("stale handle")

    monkeypatch.setattr(shutil, "disk_usage", fail)

    assert free_space({"data": tmp_path}).value == ()
