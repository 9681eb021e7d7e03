from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from loopback import Faults, Index, noise
from tfprov.events import ignore
from tfprov.fetch.sources import Network
from tfprov.fetch.ways import Ways
from tfprov.fetch.wheel_build import member_of

NAME = "tensorflow-2.21.0+own-cp312-cp312-manylinux_2_28_aarch64.whl"
MEMBER = "tensorflow/python/platform/build_info.py"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of 4 MB, with what is looked for in its middle."""
    path = tmp_path_factory.mktemp("wheel") / NAME
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tensorflow/one.so", noise(2 << 20))
        archive.writestr(MEMBER, "build_info = 1\n")
        archive.writestr("tensorflow/two.so", noise(2 << 20, seed=1))
    return path


def ways(index: Index | None = None) -> Ways:
    return Ways(network=Network(index_url=index.simple if index else None, connect_timeout=5), emit=ignore)


def test_a_member_of_a_wheel_on_a_server_is_read_without_the_rest(wheel: Path) -> None:
    with Index({NAME: wheel}) as index:
        assert member_of(index.url(NAME), MEMBER, ways(index)) == "build_info = 1\n"
        assert index.sent < 200_000
        assert member_of(index.url(NAME), "tensorflow/other.py", ways(index)) is None


def test_a_server_that_sends_whole_files_only_is_not_asked_for_one(wheel: Path) -> None:
    with Index({NAME: wheel}, Faults(ignore_ranges=True)) as index:
        assert member_of(index.url(NAME), MEMBER, ways(index)) is None


def test_a_member_of_a_wheel_on_disk_is_read(wheel: Path, tmp_path: Path) -> None:
    assert member_of(wheel.as_uri(), MEMBER, ways()) == "build_info = 1\n"
    cut = tmp_path / NAME
    cut.write_bytes(wheel.read_bytes()[:-1000])
    assert member_of(cut.as_uri(), MEMBER, ways()) is None
    assert member_of((tmp_path / "none.whl").as_uri(), MEMBER, ways()) is None
