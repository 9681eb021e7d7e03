"""Reads what installed packages say that they need: metadata of any age, and in any spelling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from packaging.markers import UndefinedEnvironmentName
from packaging.requirements import Requirement

from tfprov.structured import has_endless_number, minor_of


def parsed(lines: Iterable[str]) -> Iterator[Requirement]:
    """The requirements in lines of `Requires-Dist`, without those that the standard no longer allows."""
    for line in lines:
        try:
            # A version with thousands of digits is valid as text, and fails when it is compared.
            if not has_endless_number(line):
                yield Requirement(line)
        except ValueError:
            continue


def values_of(python: str) -> dict[str, str]:
    """The marker values that a Python gives, by its full version, without any extra."""
    return {"python_version": minor_of(python), "python_full_version": python, "extra": ""}


def is_met(requirement: Requirement, version: str) -> bool:
    """Whether an installed version meets a requirement; True for a version with more digits than Python compares."""
    try:
        return requirement.specifier.contains(version, prereleases=True)
    except ValueError:
        return True


def applies(requirement: Requirement, environment: Mapping[str, object]) -> bool:
    """Whether a requirement counts in an environment; False where its marker has no value.

    `python_version ~= "3"` is such a marker, and so is `"a" in extras`: installers leave the requirement out or fail,
    so what is installed was installed without it.

    Args:
        requirement: from metadata, or one of the user's.
        environment: marker values; those of this interpreter are used for what is missing.
    """
    try:
        return requirement.marker is None or requirement.marker.evaluate(cast("dict[str, str]", environment))
    except (ValueError, UndefinedEnvironmentName):
        return False
