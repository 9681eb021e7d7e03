from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.envs import manifest
from tfprov.envs.drift import drift, needed_by_others


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A generation with a package and one that is carried by another."""
    install(tmp_path, "Num_Py", "2.1.0")
    install(tmp_path, "setuptools", "80.0")
    carried = library(tmp_path) / "setuptools" / "_vendor" / "wheel-0.45.dist-info"
    carried.mkdir(parents=True)
    (carried / "METADATA").write_text("")
    manifest.write(tmp_path)
    return tmp_path


def library(root: Path) -> Path:
    return root / "lib" / "python3.12" / "site-packages"


def install(root: Path, name: str, version: str, *, needs: str = "") -> Path:
    folder = library(root) / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\n{needs}")
    (folder / "RECORD").write_text("")
    return folder


def test_what_is_as_it_was_verified_has_not_drifted(root: Path) -> None:
    assert not drift(root)
    assert drift(root).now == {"num-py": "2.1.0", "setuptools": "80.0"}


def test_what_came_went_and_has_another_version_is_told(root: Path) -> None:
    install(root, "seaborn", "0.13")
    assert (str(drift(root)), drift(root).only_more) == ("+ seaborn 0.13", True)
    (library(root) / "Num_Py-2.1.0.dist-info").rename(library(root) / "numpy-2.2.0.dist-info")
    (library(root) / "numpy-2.2.0.dist-info").rename(library(root) / "num.py-2.2.0.dist-info")
    assert (str(drift(root)), drift(root).only_more) == ("num-py 2.1.0 -> 2.2.0, + seaborn 0.13", False)
    assert drift(root).wanted == ("num-py==2.2.0", "seaborn==0.13")


def test_what_an_interrupted_pip_left_is_no_package(root: Path) -> None:
    for begun in ("~eaborn", "-eaborn", "."):
        install(root, begun, "0.13")
    install(root, "", "").rename(library(root) / ".dist-info")
    (library(root) / "half-1.0.dist-info").mkdir()
    assert not drift(root)


def test_records_of_conda_count(root: Path) -> None:
    (root / "conda-meta").mkdir()
    (root / "conda-meta" / "libcurl-8.1-h3_0.json").write_text("{}")
    assert str(drift(root)) == "+ libcurl 8.1"
    manifest.write(root)
    assert not drift(root)


def test_without_a_list_nothing_can_be_told(root: Path) -> None:
    (root / manifest.MANIFEST).unlink()
    install(root, "seaborn", "0.13")
    assert not drift(root)


def test_what_others_depend_on_was_not_asked_for(root: Path) -> None:
    install(root, "sea_born", "0.13", needs='Requires-Dist: Colour.s (>=1)\nRequires-Dist: pytest; extra == "dev"\n')
    install(root, "colour-s", "1.0", needs="Requires-Dist: colour-s[all]\n")
    assert needed_by_others(root, ["sea-born", "colour-s"]) == {"colour-s"}
