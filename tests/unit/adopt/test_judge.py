"""What is wrong with an environment, as its files tell it."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.version import Version

from founds import env, one
from tfprov.adopt.judge import findings, tensorflow_of, tensorflow_version
from tfprov.adopt.records import Beside, ForeignEnvironment, FoundPython


def codes(found: ForeignEnvironment) -> list[str]:
    return [each.code for each in findings(found)]


def test_an_environment_in_order_has_nothing_wrong() -> None:
    assert codes(env(one("a", "1.0", "b>=1", "c; extra == 'x'", "d; sys_platform == 'never'"), one("b", "1.2"))) == []


@pytest.mark.parametrize(
    ("requirement", "have", "code"),
    [
        ("numpy<2", "2.4.6", "numpy-abi"),
        ("protobuf>=5", "3.20.3", "protobuf-mismatch"),
        ("keras>=3", "2.15.0", "keras-mismatch"),
        ("h5py<3.15", "3.15.1", "h5py-mismatch"),
        ("typing-extensions>=4.10", "4.5.0", "typing-extensions-mismatch"),
        ("anything==1.*", "2.0", "resolver-conflict"),
    ],
)
def test_what_pip_check_sees_has_a_code(requirement: str, have: str, code: str) -> None:
    name = requirement.rstrip("=<>*.0123456789")
    found = env(one("tensorflow", "2.20.0", requirement), one(name, have))
    (finding,) = (each for each in findings(found) if each.path == "tensorflow")
    assert finding.code == code
    assert finding.expected == f"`{requirement}` (required by TensorFlow 2.20.0)"
    assert finding.found == f"{name} {have} is installed"


def test_what_is_missing_is_told() -> None:
    (finding,) = findings(env(one("a", "1.0", "b>=1")))
    assert (finding.code, finding.found) == ("resolver-conflict", "b is not installed")


@pytest.mark.parametrize(
    "distributions",
    [
        (("pandas", "2.0.0"), ("numpy", "2.1.0")),
        (("tensorflow", "2.10.1"), ("numpy", "2.1.0")),
        (("tensorflow-hub", "0.16.1"), ("setuptools", "82.0")),
    ],
)
def test_what_is_known_to_break_is_found_although_no_metadata_says_it(
    distributions: tuple[tuple[str, str], ...],
) -> None:
    assert set(codes(env(*(one(*each) for each in distributions)))) <= {"numpy-abi", "setuptools-pkg-resources"}
    assert codes(env(*(one(*each) for each in distributions)))


def test_two_packages_with_the_same_module_are_found() -> None:
    (finding,) = findings(env(one("opencv-python", "4.11.0.86"), one("opencv-python-headless", "4.11.0.86")))
    assert (finding.code, finding.path, finding.found) == ("file-damaged", "opencv-python", "both are installed")
    why = "both bring the module `cv2`, and overwrite each other's files"
    assert finding.expected == f"not together with opencv-python-headless ({why})"


def test_builds_for_another_processor_and_another_python() -> None:
    tags = {
        "py3-none-any": [],
        "py2.py3-none-any": [],
        "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64": [],
        "cp39-abi3-manylinux_2_17_x86_64": [],
        "cp310-cp310-manylinux_2_17_x86_64": ["python-unsupported"],
        "cp311-cp311-manylinux_2_17_aarch64": ["platform-no-wheel"],
        "cp311-cp311-win_amd64": ["platform-no-wheel"],
        "cp311-cp311-macosx_11_0_arm64": ["platform-no-wheel"],
    }
    import platform
    import sys

    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pytest.skip("the tags are told for Linux on x86-64")
    assert {tag: codes(env(one("a", "1.0", tags=(tag,)))) for tag in tags} == tags


def test_two_tensorflows_and_a_placeholder(tmp_path: Path) -> None:
    both = []
    for name in ("tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tensorflow-intel"):
        distribution = one(name, "2.12.0", folder=tmp_path)
        distribution.metadata.mkdir()
        files = "tensorflow/__init__.py,,\n" if name in ("tensorflow", "tensorflow-cpu") else ""
        (distribution.metadata / "RECORD").write_text(files)
        both.append(distribution)
    found = env(*both, root=tmp_path)
    assert codes(found) == ["several-tensorflows", "tensorflow-gpu-package"]
    assert tensorflow_of(env(*both[1:], root=tmp_path)) == both[1]
    assert tensorflow_version(found) == Version("2.12.0")


def test_nothing_of_tensorflow_is_no_fault_but_files_without_metadata_are() -> None:
    assert tensorflow_of(env()) is None
    assert tensorflow_version(env(one("tensorflow", "of my own"))) is None
    assert codes(env(module=True)) == ["uninstall-metadata"]


def test_what_interrupted_work_leaves() -> None:
    found = env(
        one("a", "1.0"),
        one("a", "2.0"),
        one("b", "1.0", lacks=("RECORD",)),
        beside=(Beside(kind="leftover", path="lib/~c", what="half removed"),),
    )
    assert codes(found) == ["uninstall-metadata"] * 3


def test_where_it_lies_and_what_it_sees() -> None:
    python = FoundPython(path=Path("/x/bin/python"), version="3.11", target=Path("/gone"), why="it is gone")
    user_site = Path("/home/me/.local/lib/python3.11/site-packages")
    outside = one("numpy", "1.0", folder=user_site, in_user_site=True)
    found = env(
        one("numpy", "1.26"),
        python=python,
        made_at=Path("/old"),
        sees_system=True,
        outside=(outside,),
        libraries=(Path("/x/.venv/lib/python3.9/site-packages"), Path("/x/.venv/lib/python3.11/site-packages")),
    )
    assert codes(found) == ["python-broken", "python-broken", "environment-moved", "path-leak", "path-leak"]
