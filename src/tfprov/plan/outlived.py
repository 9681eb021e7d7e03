"""Requested packages in releases from years before their TensorFlow, which only seem to go with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tfprov.distributions import kind_of
from tfprov.plan.companions import Break, release_in
from tfprov.plan.compat import table, within
from tfprov.plan.offers import uploaded_of
from tfprov.plan.versions import AGE, PLATFORMS, Published, is_open, published
from tfprov.structured import numbers_in, version_in
from tfprov.times import moment


def outlived(versions: Mapping[str, str], asked: Iterable[str], *, python: str) -> tuple[Break, ...]:
    """The rows for requested packages that were resolved to a release from years before their TensorFlow.

    A resolver takes such a release where newer ones do not go with the rest or with the Python: it was published before
    the project declared bounds, so nothing in its metadata is against it. Only projects of which some release says with
    which TensorFlow it goes are judged, and of these only pure Python: compiled wheels are for certain Pythons.

    Args:
        versions: the whole set, by normalised name.
        asked: the requirements of the profile. A range of the user that ends before the newer releases is respected.
        python: version of the Python.
    """
    release = release_in(versions)
    known = next((row for row in table().releases if row.version == release), None)
    if known is None or (at := uploaded_of(known)) is None:
        return ()
    found: dict[str, Break] = {}
    for line in asked:
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        taken = version_in(versions.get(name, ""))
        if taken is None or kind_of(name) is not None or name in found:
            continue
        rows = published(name)
        mine = next((row for row in rows if row.version == taken), None)
        oldest = moment(at) - AGE
        if mine is None or mine.at >= oldest or not _is_open(mine) or not any(row.tensorflow for row in rows):
            continue
        newer = [row for row in rows if row.version > taken and _may_go(row, known.version, python)]
        # Where the project was given up before, its last release is as good as it gets.
        least = next((row for row in newer if row.at >= oldest or row is rows[-1]), None)
        if least is not None and _admits_newer(requirement.specifier, newer, least):
            found[name] = Break(
                package=name,
                versions=f"<{least.version}",
                beside=f"tensorflow=={release}",
                requires=f"{name}>={least.version}",
                why=f"{taken} came out on {mine.at.date()}, years before TensorFlow {release}, and does not say which "
                "it goes with",
                since=f"TensorFlow {release}",
                source="data/versions.json",
            )
    return tuple(found.values())


def _is_open(row: Published) -> bool:
    """Whether a release is pure Python and has no upper bound on TensorFlow."""
    is_pure = len(row.pythons) == len(PLATFORMS)
    return is_pure and is_open(row)


def _may_go(row: Published, release: str, python: str) -> bool:
    goes = row.tensorflow is None or within(Version(release), row.tensorflow)
    return goes and row.has_wheel(PLATFORMS[0], numbers_in(python)[1])


def _admits_newer(asked: SpecifierSet, newer: Iterable[Published], least: Published) -> bool:
    return any(row.version >= least.version and asked.contains(row.version) for row in newer)
