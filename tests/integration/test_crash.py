"""Upgrades that are killed or run out of disk. The long version, with hundreds of points, is benchmarks/crash.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crashes import (
    Catalogue,
    Cut,
    Site,
    full_disk_point,
    kill_point,
    not_as_recorded,
    small_disk,
)
from loopback import Faults, Index
from sham import install, make_environment, site_packages

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the tiny wheels are tagged for Linux"),
    pytest.mark.skipif(not (3, 10) <= sys.version_info[:2] <= (3, 13), reason="TensorFlow 2.20 has no wheel for it"),
]


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Catalogue, Index]]:
    catalogue = Catalogue(tmp_path_factory.mktemp("stock"), modules=40, ballast=400_000)
    # Slow enough for a kill to fall into a download.
    with Index(catalogue.files, Faults(metadata=True, total_rate=2e6)) as index:
        yield catalogue, index


@pytest.fixture(scope="module")
def site(stock: tuple[Catalogue, Index], tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A verified environment; each test upgrades it once more."""
    found = Site(tmp_path_factory.mktemp("site") / "pröject", *stock)
    found.ask_for(found.state)
    assert found.finish(found.state) == []
    return found


@pytest.mark.parametrize(
    "cut",
    [
        Cut(stage="lock", event="StageEnded"),
        Cut(stage="fetch", after_s=0.1),
        Cut(stage="build", after_s=0.1, whole_tree=False),
        Cut(stage="smoke"),
        Cut(stage="activate"),
        Cut(stage="activate", event="StageEnded"),
    ],
    ids=str,
)
def test_a_killed_upgrade_leaves_the_old_or_the_new_environment_and_the_next_one_finishes(site: Site, cut: Cut) -> None:
    # A run may be faster than the killer; the next upgrade is another chance.
    points = (kill_point(site, cut, kind="boundary") for _ in range(3))
    point = next((one for one in points if one is not None), None)
    assert point is not None
    assert point.wrong == []


def test_the_run_after_a_kill_leaves_nothing_of_it_among_the_files_that_tfprov_keeps(site: Site) -> None:
    points = (kill_point(site, Cut(stage="install", after_s=0.05), kind="boundary") for _ in range(3))
    point = next((one for one in points if one is not None), None)
    assert point is not None
    # From v1 the next upgrade installs, too, whatever this one did.
    while site.state.name != "v2":
        site.ask_for(wanted := site.next_state())
        assert site.finish(wanted) == []
    assert [one for one in site.leftovers() if not one.startswith("tmp/")] == []


@pytest.mark.parametrize(("stage", "left"), [(None, 1 << 20), ("install", 64 * 1024), ("activate", 0)])
def test_a_disk_that_fills_up_leaves_the_old_or_the_new_environment(
    stock: tuple[Catalogue, Index], tmp_path: Path, stage: str | None, left: int
) -> None:
    try:
        with small_disk(tmp_path / "disk", megabytes=6000) as disk:
            site = Site(tmp_path / "root", *stock, disk=disk, link=False)
            site.ask_for(site.state)
            assert site.finish(site.state) == []
            point = full_disk_point(site, stage=stage, leave=left)
            assert point.wrong == []
            assert point.code in ("disk-full", "verified")
    except PermissionError as error:
        pytest.skip(f"no small file system: {error}")


def test_what_an_interrupted_installer_leaves_is_seen(tmp_path: Path) -> None:
    make_environment(tmp_path / "env")
    root = site_packages(tmp_path / "env")
    assert not_as_recorded(tmp_path / "env") == []
    (root / "tensorflow" / "__init__.py").write_text("")
    install(root, "payload", "1.0", {"payload.py": ""})
    (root / "payload.py").unlink()
    install(root, "payload", "2.0", {"second.py": ""})
    install(root, "half", "1.0", {"half.py": ""})
    (root / "half-1.0.dist-info" / "RECORD").unlink()
    assert sorted(not_as_recorded(tmp_path / "env")) == [
        "`payload.py` of payload-1.0.dist-info is missing or altered",
        "`tensorflow/__init__.py` of tensorflow-2.99.0.dist-info is missing or altered",
        "half-1.0.dist-info has no RECORD",
        "payload is there twice",
    ]


def test_an_environment_in_a_state_that_nobody_asked_for_is_seen(site: Site) -> None:
    other = site.catalogue.state("v2" if site.state.name != "v2" else "v3", 99)
    present = site.state
    assert any("imported" in one for one in site.wrong(other))
    site.state = present
    assert site.wrong(present) == []
