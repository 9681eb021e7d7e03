from __future__ import annotations

import platform
import sys
import sysconfig

import pytest
from packaging.markers import Marker, default_environment
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

import hosts
from hosts import Host
from tfprov.host.records import Libc
from tfprov.plan.tags import architecture, marker_environment, platform_name, supported_tags


def fits(wheel: str, host: Host, version: str = "3.12.1", free_threaded: bool = False) -> bool:
    return not parse_wheel_filename(wheel)[3].isdisjoint(supported_tags(version, free_threaded, host.facts))


HERE = platform.libc_ver()


@pytest.mark.skipif(HERE[0] != "glibc", reason="the interpreter that runs the tests does not use glibc")
def test_tags_are_those_that_packaging_finds_on_this_machine() -> None:
    here = Host(machine=platform.machine(), libc=Libc(kind="glibc", version=HERE[1]))
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    assert supported_tags(platform.python_version(), free_threaded, here.facts) == list(sys_tags())


@pytest.mark.skipif(sys.platform != "linux", reason="the facts are of a Linux machine")
def test_markers_are_those_that_packaging_finds_on_this_machine() -> None:
    here = Host(machine=platform.machine(), os_version=platform.release())
    found = dict(marker_environment(platform.python_version(), sys.implementation.name, here.facts))
    real = dict(default_environment())
    del found["platform_version"], real["platform_version"]  # the day when the kernel was built
    assert found == real


CENTOS_7 = Host(libc=Libc(kind="glibc", version="2.17"))
DEBIAN = Host(libc=Libc(kind="glibc", version="2.31-13.fc34_9"))
ALPINE = Host(libc=Libc(kind="musl", version="1.2.4"))
ARM = Host(machine="arm64")

# wheel, machine, whether it fits Python 3.12
WHEELS = [
    ("a-1-cp312-cp312-manylinux_2_27_x86_64.whl", DEBIAN, True),
    ("a-1-cp312-cp312-manylinux_2_27_x86_64.whl", CENTOS_7, False),
    ("a-1-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", CENTOS_7, True),
    ("a-1-cp312-cp312-manylinux2014_x86_64.whl", CENTOS_7, True),
    ("a-1-cp312-cp312-manylinux1_x86_64.whl", CENTOS_7, True),
    ("a-1-cp312-cp312-manylinux_2_17_x86_64.whl", ALPINE, False),
    ("a-1-cp312-cp312-musllinux_1_1_x86_64.whl", ALPINE, True),
    ("a-1-cp312-cp312-manylinux_2_17_aarch64.whl", ARM, True),
    ("a-1-cp312-cp312-manylinux_2_12_aarch64.whl", ARM, False),
    ("a-1-cp311-cp311-manylinux_2_17_x86_64.whl", DEBIAN, False),
    ("a-1-cp38-abi3-manylinux_2_17_x86_64.whl", DEBIAN, True),
    ("a-1-py3-none-any.whl", DEBIAN, True),
    ("a-1-py2-none-any.whl", DEBIAN, False),
    ("a-1-cp312-cp312-macosx_12_0_arm64.whl", hosts.MAC_ARM, True),
    ("a-1-cp312-cp312-macosx_15_0_arm64.whl", hosts.MAC_ARM, False),
    ("a-1-cp312-cp312-macosx_10_15_x86_64.whl", hosts.MAC_INTEL, True),
    ("a-1-cp312-cp312-macosx_11_0_universal2.whl", hosts.MAC_ARM, True),
    ("a-1-cp312-cp312-win_amd64.whl", hosts.WINDOWS, True),
    ("a-1-cp312-cp312-win32.whl", hosts.WINDOWS, False),
]


@pytest.mark.parametrize(("wheel", "host", "expected"), WHEELS)
def test_tags_of_other_machines(wheel: str, host: Host, expected: bool) -> None:
    assert fits(wheel, host) is expected


def test_a_free_threaded_python_takes_wheels_of_its_own_only() -> None:
    own, other = "a-1-cp313-cp313t-manylinux_2_17_x86_64.whl", "a-1-cp313-cp313-manylinux_2_17_x86_64.whl"
    assert fits(own, DEBIAN, "3.13.0", free_threaded=True)
    assert not fits(other, DEBIAN, "3.13.0", free_threaded=True)
    assert not fits(own, DEBIAN, "3.13.0")


def test_the_best_tag_comes_first() -> None:
    first = [str(tag) for tag in supported_tags("3.12.1", False, DEBIAN.facts)[:3]]
    assert first == [f"cp312-cp312-{name}_x86_64" for name in ("linux", "manylinux_2_31", "manylinux_2_30")]


@pytest.mark.parametrize(
    ("marker", "host", "expected"),
    [
        ("sys_platform == 'darwin' and platform_machine == 'arm64'", hosts.MAC_ARM, True),
        ("platform_system == 'Windows' and platform_machine == 'AMD64'", hosts.WINDOWS, True),
        ("sys_platform == 'linux' and platform_machine == 'aarch64'", ARM, True),
        ("platform_system == 'Linux' and platform_machine == 'x86_64'", ARM, False),
        ("python_version >= '3.12' and python_full_version < '3.12.2'", DEBIAN, True),
        ("implementation_name == 'cpython'", DEBIAN, True),
    ],
)
def test_markers_of_other_machines(marker: str, host: Host, expected: bool) -> None:
    found = dict(marker_environment("3.12.1", "cpython", host.facts))
    assert Marker(marker).evaluate(found) is expected


def test_a_python_to_be_brought_has_markers_too() -> None:
    found = marker_environment("3.12", "cpython", DEBIAN.facts)
    assert (found["python_version"], found["python_full_version"]) == ("3.12", "3.12.0")


def test_an_architecture_has_one_name() -> None:
    assert {architecture(name) for name in ("AMD64", "x86_64", "x64")} == {"x86_64"}
    assert platform_name("macos", "arm64") == "macos_arm64"
    assert platform_name("linux", "arm64") == "linux_aarch64"
    assert platform_name("windows", "AMD64") == "windows_x86_64"
