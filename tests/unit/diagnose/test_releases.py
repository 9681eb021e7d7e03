"""Pythons of releases: the same as the plan decides with, where both know them."""

from __future__ import annotations

import pytest

from tfprov.diagnose.releases import newest_for, newest_python, oldest_python, pythons_of
from tfprov.plan.compat import table


def minor(version: str) -> tuple[int, int]:
    first, second = version.split(".")[:2]
    return int(first), int(second)


FINAL = [release for release in table().releases if release.version.replace(".", "").isdigit()]
MINORS = sorted({minor(release.version) for release in FINAL})
# The plan's table knows no older ones.
OLDEST = (3, 6)


@pytest.mark.parametrize("release", MINORS, ids=str)
def test_the_pythons_are_those_of_the_wheels_that_the_plan_knows(release: tuple[int, int]) -> None:
    patches = [each for each in FINAL if minor(each.version) == release]
    pythons = sorted({minor(one) for each in patches for wheel in each.wheels for one in wheel.pythons})
    known = pythons_of(release)
    assert known is not None
    assert (max(known[0], OLDEST), known[1]) == (pythons[0], pythons[-1])


def test_the_newest_release_for_a_python_has_wheels_for_it() -> None:
    for number in range(oldest_python()[1], newest_python()[1] + 1):
        release = newest_for((3, number))
        low, high = pythons_of(release) or ((0, 0), (0, 0))
        assert low <= (3, number) <= high
    assert newest_for((3, newest_python()[1] + 1)) is None


@pytest.mark.parametrize("release", [None, (2,), (2, 999)])
def test_an_unknown_release_has_no_pythons(release: tuple[int, ...] | None) -> None:
    assert pythons_of(release) is None
