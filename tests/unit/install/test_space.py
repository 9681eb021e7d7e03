from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tfprov import disk_space
from tfprov.errors import TfprovError
from tfprov.install import space
from tfprov.install.space import Need, check, need
from tfprov.lock.records import LockedFile

GB = 1_000_000_000
MB = 1_000_000


def file(name: str, size: int | None) -> LockedFile:
    return LockedFile(
        name=name, version="1", filename=f"{name}-1-py3-none-any.whl", url="https://h/x", sha256="0", size=size
    )


class TestNeed:
    def test_the_unpacked_size_comes_with_what_an_empty_environment_has(self) -> None:
        found = need([file("a", 300 * MB)], lacking=5 * MB, unpacked=GB)
        assert found.store == 5 * MB
        assert GB < found.unpacked < 1.1 * GB

    def test_the_unpacked_size_is_estimated_by_what_is_known_of_each_kind(self) -> None:
        def unpacked(name: str) -> int:
            return need([file(name, 100 * MB)], lacking=0).unpacked - need([], lacking=0).unpacked

        assert unpacked("nvidia-cudnn-cu12") < unpacked("tensorflow") < unpacked("numpy")
        assert unpacked("tensorflow") == unpacked("tensorflow-cpu") == 400 * MB

    @pytest.mark.parametrize("unpacked", [None, GB])
    def test_what_is_unpacked_already_counts_by_its_share(self, unpacked: int | None) -> None:
        files = [replace(file(name, 300 * MB), sha256=name) for name in ("a", "b")]
        whole = need(files, lacking=0, unpacked=unpacked)
        found = need(files, lacking=0, unpacked=unpacked, made={"a", "other"})
        assert found == replace(whole, made=(unpacked or 2700 * MB) // 2)
        assert need([file("a", None)], lacking=0, made={"0"}).made == 0

    def test_other_builds_than_those_that_were_measured_count_by_their_wheels(self) -> None:
        """A small TensorFlow of an organisation's own needs no more than it has."""
        small = file("tensorflow", 10 * MB)
        found = need([small], lacking=0, unpacked=1000 * MB, unpacked_files=16_000)
        assert found == replace(need([small], lacking=0), files=640 + 500)
        unknown = need([small, file("a", None)], lacking=0, unpacked=1000 * MB, unpacked_files=16_000)
        assert (unknown.unpacked > GB, unknown.files) == (True, 16_000 + 500)

    def test_a_size_that_nobody_knows_counts_as_nothing(self) -> None:
        assert need([file("a", None)], lacking=0) == need([], lacking=0)


@pytest.fixture
def disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Path]]:
    """Folders on made-up devices: free bytes by device, device by purpose."""

    def arrange(free: dict[int, int], **devices: int) -> dict[str, Path]:
        folders = {purpose: tmp_path / purpose for purpose in devices}

        def device_of(path: Path) -> int:
            return next(number for purpose, number in devices.items() if path.is_relative_to(folders[purpose]))

        for folder in folders.values():
            folder.mkdir()
        monkeypatch.setattr(disk_space, "device_of", device_of)
        monkeypatch.setattr(space, "device_of", device_of)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free[device_of(path)]))
        return folders

    return arrange


def refused(wanted: Need, folders: dict[str, Path]) -> list[str]:
    with pytest.raises(TfprovError) as failure:
        check(wanted, **folders)
    assert failure.value.code.name == "disk-full"
    assert failure.value.what == "there is not enough disk space, and nothing was downloaded"
    root = f"{folders['store'].parent}{os.sep}"
    return [line.replace(root, "") for line in failure.value.evidence]


ONE = {"store": 1, "unpacked": 1, "target": 1, "temporary": 1}


def test_on_one_device_the_unpacked_files_count_once(disks: Callable[..., dict[str, Path]]) -> None:
    check(Need(store=GB, unpacked=4 * GB), **disks({1: 5 * GB + 17 * MB}, **ONE))


def test_what_is_unpacked_already_is_only_written_to_another_device(disks: Callable[..., dict[str, Path]]) -> None:
    wanted = Need(store=0, unpacked=4 * GB, made=3 * GB, files=100)
    check(wanted, **disks({1: GB + 17 * MB}, **ONE))


def test_and_to_that_all_of_it(disks: Callable[..., dict[str, Path]]) -> None:
    folders = disks({1: 2 * GB, 2: 3 * GB}, store=1, unpacked=1, target=2, temporary=1)
    assert refused(Need(store=0, unpacked=4 * GB, made=3 * GB), folders) == [
        "4.00 GB needed, 3.00 GB free:",
        "    4.00 GB for the environment in `target`",
    ]


def test_what_is_short_is_said_with_each_share(disks: Callable[..., dict[str, Path]]) -> None:
    assert refused(Need(store=GB, unpacked=4 * GB), disks({1: 5 * GB}, **ONE)) == [
        "5.02 GB needed, 5.00 GB free:",
        "    1.00 GB for wheels in `store`",
        "    4.00 GB for unpacked wheels in `unpacked`",
        "      17 MB for temporary files in `temporary`",
    ]


def test_on_two_devices_the_unpacked_files_are_written_twice(disks: Callable[..., dict[str, Path]]) -> None:
    folders = disks({1: 6 * GB, 2: 3 * GB}, store=1, unpacked=1, target=2, temporary=1)
    assert refused(Need(store=GB, unpacked=4 * GB), folders) == [
        "4.00 GB needed, 3.00 GB free:",
        "    4.00 GB for the environment in `target`",
    ]


def test_every_device_that_is_short_is_named(disks: Callable[..., dict[str, Path]]) -> None:
    folders = disks({1: MB, 2: MB, 3: MB}, store=1, unpacked=1, target=2, temporary=3)
    lines = refused(Need(store=GB, unpacked=4 * GB), folders)
    assert [line for line in lines if line.endswith("free:")] == [
        "5.00 GB needed, 1 MB free:",
        "17 MB needed, 1 MB free:",
        "4.00 GB needed, 1 MB free:",
    ]


def test_folders_that_do_not_exist_yet_are_measured_where_they_will_be(tmp_path: Path) -> None:
    deep = tmp_path / "not" / "yet"
    check(Need(store=0, unpacked=0), store=deep, unpacked=deep, target=deep, temporary=tmp_path)
    with pytest.raises(TfprovError):
        check(Need(store=10**18, unpacked=0), store=deep, unpacked=deep, target=deep, temporary=tmp_path)
    assert not deep.exists()


@pytest.mark.parametrize("spare", [-1, 0])
def test_files_that_cannot_be_made_are_as_bad_as_bytes(
    disks: Callable[..., dict[str, Path]], monkeypatch: pytest.MonkeyPatch, spare: int
) -> None:
    monkeypatch.setattr(disk_space, "free_files", lambda _: 200 + spare)
    folders = disks({1: 9 * GB, 2: 9 * GB}, store=1, unpacked=1, target=2, temporary=1)
    wanted = Need(store=GB, unpacked=GB, files=200)
    if spare == 0:
        check(wanted, **folders)
        return
    assert refused(wanted, folders) == [
        "200 files (inodes) needed, 199 free:",
        "        200 for unpacked wheels in `unpacked`",
        "200 files (inodes) needed, 199 free:",
        "        200 for the environment in `target`",
    ]


def test_files_that_a_disk_makes_as_it_needs_them_are_not_counted(
    disks: Callable[..., dict[str, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_space, "free_files", lambda _: None)
    check(Need(store=MB, unpacked=MB, files=10**9), **disks({1: GB}, **ONE))
