"""The published versions of some projects beside TensorFlow: release times, and the Pythons that have a wheel.

The data is in `data/versions.json`, written by `tools/versions_refresh.py`. An index that can be read knows more; this
is for decisions without one, or for another machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from importlib.resources import files

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tfprov.plan.compat import within
from tfprov.structured import json_of

PLATFORMS = ("linux_x86_64", "linux_aarch64", "windows_x86_64", "macos_arm64", "macos_x86_64")
"""As in the compat table."""

AGE = timedelta(days=3 * 365)
"""How long before TensorFlow a version may have come out that does not say which TensorFlow it is for."""
_LATER = Version("2.999")
"""A release of TensorFlow 2 that no bound speaks of; `<3` is none."""
_ENDLESS = 10**6
_UNCHECKED = frozenset({"keras"})
"""Projects whose old versions can be imported with any TensorFlow: who pins both gets both."""
_LIVELY = timedelta(days=365)
"""Age of the newest version up to which a project is expected to publish another one soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A version of a project.

    Attributes:
        at: when its first file was published.
        pythons: spans of minor versions of Python 3 with a wheel (first and last), by platform.
        has_source: whether there is a source distribution, so that it could be built.
        tensorflow: PEP 440 range of the TensorFlow releases that it works with; None for any.
    """

    version: Version
    at: datetime
    pythons: Mapping[str, tuple[tuple[int, int], ...]]
    has_source: bool = False
    tensorflow: str | None = None

    def has_wheel(self, platform: str, minor: int) -> bool:
        """Whether there is a wheel for a minor version of Python 3 on a platform."""
        return any(first <= minor <= last for first, last in self.pythons.get(platform, ()))


@lru_cache(maxsize=1)
def _document() -> tuple[Mapping[str, tuple[str, ...]], datetime]:
    """The lines of each project, and the date of the index that they were read from."""
    document = json_of(files("tfprov.plan").joinpath("data/versions.json").read_text("utf-8"))
    day = datetime.fromisoformat(document["generated"]).replace(tzinfo=timezone.utc)
    return {name: tuple(lines) for name, lines in document["projects"].items()}, day


@lru_cache(maxsize=64)
def published(project: str) -> tuple[Published, ...]:
    """The versions of a project, oldest first; empty for a project that is not in the table.

    Args:
        project: normalised name.
    """
    return tuple(map(_read, _document()[0].get(project, ())))


def _read(line: str) -> Published:
    version, at, *spans = line.split()
    pythons, tensorflow = {}, None
    for text in spans:
        names, _, ranges = text.partition("=")
        if names == "tf":
            tensorflow = ranges
        if names in ("tf", "src"):
            continue
        read = tuple(map(_span, ranges.split(",")))
        pythons.update(dict.fromkeys(PLATFORMS if names == "*" else names.split("+"), read))
    out = datetime.strptime(at, "%Y-%m-%dT%H:%MZ").replace(tzinfo=timezone.utc)
    has_source = "src" in spans
    return Published(version=Version(version), at=out, pythons=pythons, has_source=has_source, tensorflow=tensorflow)


def _span(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    begin = int(first[2:])
    return begin, (int(last[2:]) if last else _ENDLESS) if dash else begin


def bounds_of_time(before: datetime) -> tuple[str, ...]:
    """PEP 508 bounds that exclude versions published later, for an index that gives no upload times."""
    bounds = []
    for project in _document()[0]:
        out = [row.version for row in published(project) if row.at < before]
        bounds.append(f"{project}<={max(out)}" if out else f"{project}<0")
    return tuple(bounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """The reason why no version in a range can be used.

    Attributes:
        why: in words.
        ever: True when nothing helps; False when it is better avoided: a wheel is missing, so that it would be built,
            or only some uses of the version fail.
    """

    why: str
    ever: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionContext:
    """The conditions for a version.

    Attributes:
        release: of TensorFlow.
        platform: as in the compat table.
        minor: of Python 3.
        before: when a version must have been published; None for no limit.
        released: when TensorFlow was; None when unknown.
    """

    release: Version
    platform: str
    minor: int
    before: datetime | None
    released: datetime | None = None


@lru_cache(maxsize=8192)
def missing(project: str, specifier: str, place: VersionContext) -> Missing | None:
    """The reason why no version in a range can be used: none works with the release, was published, or has a wheel.

    Args:
        project: normalised name.
        specifier: PEP 440 range for the version.
        place: the other conditions.

    Returns:
        None when a version fits, and where the table cannot tell.
    """
    inside = _inside(project, specifier)
    if not inside:
        return None
    platform, minor, before, rows = place.platform, place.minor, place.before, published(project)
    paired: list[Published] = []
    others: list[Published] = []
    for row in inside:
        (paired if row.tensorflow is None or within(place.release, row.tensorflow) else others).append(row)
    if others and all(_is_outlived(row, others[-1], place.released) for row in paired):
        newest = others[-1]
        why = f"{project} {newest.version} goes with TensorFlow `{newest.tensorflow}`"
        return Missing(why=why, ever=project not in _UNCHECKED or newest.version.major > 2)
    in_time = [row for row in paired if before is None or row.at < before]
    if not in_time:
        return Missing(why=f"{project} {paired[0].version} came out on {paired[0].at.date()}", ever=True)
    if any(row.has_wheel(platform, minor) for row in in_time):
        return None
    newest = in_time[-1]
    if before is None and newest is rows[-1] and minor > _last(newest) and _document()[1] - newest.at < _LIVELY:
        # A version that is not in the table yet may have the wheel.
        return None
    place_name = f"Python 3.{minor}" if newest.pythons.get(platform) else "this platform"
    buildable = any(row.has_source and minor >= _first(row) and not _is_built_against(row) for row in in_time)
    return Missing(why=f"{project} {newest.version} has no wheel for {place_name}", ever=not buildable)


@lru_cache(maxsize=1024)
def _inside(project: str, specifier: str) -> tuple[Published, ...]:
    """The versions of a project in a range. Cached, because each release and Python asks about the same range."""
    if not (rows := published(project)):
        return ()
    wanted = SpecifierSet(specifier)
    return tuple(row for row in rows if wanted.contains(row.version, prereleases=True))


def is_open(row: Published) -> bool:
    """Whether a version sets no upper bound on TensorFlow 2."""
    return row.tensorflow is None or within(_LATER, row.tensorflow)


def _is_outlived(row: Published, other: Published, released: datetime | None) -> bool:
    """Whether a version came out years before a TensorFlow that a newer version of the project does not go with.

    It was published before the project declared bounds, so nothing in its metadata is against any later TensorFlow.
    """
    is_old = released is not None and row.at < released - AGE
    return is_old and is_open(row) and row.version < other.version


def _is_built_against(row: Published) -> bool:
    """Whether its code is compiled against TensorFlow, which takes Bazel and more than a source distribution has."""
    return row.tensorflow is not None and len(row.pythons) < len(PLATFORMS)


def _first(row: Published) -> int:
    """The oldest Python with a wheel on any platform: on an older one it does not run, even if it is built."""
    return min((first for spans in row.pythons.values() for first, _ in spans), default=0)


def _last(row: Published) -> int:
    return max((last for spans in row.pythons.values() for _, last in spans), default=0)
