"""What the tags of a wheel say about the machine that refused it."""

from __future__ import annotations

import pytest

from tfprov.diagnose.records import Hit, LogContext, Rule
from tfprov.diagnose.view import View, look
from tfprov.diagnose.wheel_tags import (
    older_manylinux,
    wheel_of_other_platform,
    wheel_of_other_python,
    wheel_of_plain_tags,
)

RULE = Rule(name="one", code="platform-no-wheel", reads="x", needs=("x",), pattern="x", examples=("x",))
TAGS = {
    ("linux", "x86_64"): "manylinux_2_17_x86_64.manylinux2014_x86_64",
    ("linux", "aarch64"): "manylinux_2_17_aarch64.manylinux2014_aarch64",
    ("windows", "x86_64"): "win_amd64",
    ("macos", "arm64"): "macosx_12_0_arm64",
    ("macos", "x86_64"): "macosx_10_15_x86_64",
}


def hit(**captures: str) -> Hit:
    return Hit(rule=RULE, count=1, first=1, last=1, lines=(), captures=captures)


def view(**context: object) -> View:
    return look((), LogContext(**context))  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize("of", TAGS, ids="-".join)
@pytest.mark.parametrize("here", TAGS, ids="-".join)
def test_a_wheel_is_for_another_platform_exactly_where_its_tags_are(of: tuple[str, str], here: tuple[str, str]) -> None:
    found = hit(wheel=f"tensorflow-2.15.0-cp311-cp311-{TAGS[of]}.whl")
    assert wheel_of_other_platform(view(system=here[0], machine=here[1]), found) == (of != here)


def test_a_wheel_without_a_platform_or_for_both_processors_of_apple_fits() -> None:
    mac = view(system="macos", machine="arm64")
    assert not wheel_of_other_platform(mac, hit(wheel="keras-3.10.0-py3-none-any.whl"))
    assert not wheel_of_other_platform(mac, hit(wheel="h5py-3.14.0-cp311-cp311-macosx_11_0_universal2.whl"))
    assert not wheel_of_other_platform(mac, hit())


@pytest.mark.parametrize("minor", [6, 9, 10, 13])
@pytest.mark.parametrize("here", [6, 9, 10, 13])
def test_a_wheel_is_for_another_python_exactly_where_its_tag_is(minor: int, here: int) -> None:
    found = hit(wheel=f"tensorflow-2.15.0-cp3{minor}-cp3{minor}-win_amd64.whl")
    assert wheel_of_other_python(view(python=f"3.{here}"), found) == (minor != here)


def test_without_a_python_only_an_old_platform_tag_blames_it() -> None:
    old, new = (hit(wheel=f"tensorflow-2.15.0-cp311-cp311-{tag}.whl") for tag in ("win_amd64", "manylinux_2_28_x86_64"))
    assert wheel_of_other_python(view(), old)
    assert not wheel_of_other_python(view(), new)
    assert not wheel_of_other_python(view(python="3.9"), hit(wheel="keras-3.10.0-py3-none-any.whl"))


def test_plain_tags_are_those_that_every_pip_knows() -> None:
    assert wheel_of_plain_tags(view(), hit(wheel="a-1-cp311-cp311-linux_x86_64.whl"))
    assert wheel_of_plain_tags(view(), hit(wheel="a-1-cp311-cp311-win_amd64.whl"))
    assert not wheel_of_plain_tags(view(), hit(wheel="a-1-cp311-cp311-manylinux_2_28_x86_64.whl"))


@pytest.mark.parametrize(
    ("own", "offered", "is_reason"),
    [
        ("manylinux_2_17_x86_64", "`manylinux_2_27_x86_64`, `macosx_12_0_arm64`", True),
        ("manylinux_2_31_x86_64", "`manylinux_2_27_x86_64`, `macosx_12_0_arm64`", False),
        ("manylinux_2_17_x86_64", "`manylinux_2_12_x86_64`, `manylinux_2_27_x86_64`", False),
        ("manylinux_2_17_aarch64", "`macosx_12_0_arm64`", True),
        ("manylinux_2_28_aarch64", "`macosx_12_0_arm64`", False),
        ("manylinux_2_17_riscv64", "`macosx_12_0_arm64`", False),
        ("win_amd64", "`manylinux_2_27_x86_64`", False),
    ],
)
def test_the_c_library_is_the_reason_where_all_wheels_need_a_newer_one(own: str, offered: str, is_reason: bool) -> None:
    assert older_manylinux(view(), hit(platform=own, platforms=offered)) == is_reason
