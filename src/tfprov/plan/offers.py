"""Offers: the available releases and their wheels, from the compat table and from the index."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from packaging.specifiers import SpecifierSet
from packaging.tags import Tag
from packaging.utils import parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from tfprov.distributions import BUILDS, is_small
from tfprov.plan.compat import Compat, Release, WheelKind, Wheels
from tfprov.plan.records import BuildInfo, IndexFile, Listing
from tfprov.redact import without_userinfo
from tfprov.structured import version_in, whole_number
from tfprov.times import moment

_ANY = "any"
_Tags = tuple[frozenset[str], frozenset[str], IndexFile]  # interpreter tags, platform tags, the file


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The wheels of one project of a release for one platform.

    Attributes:
        interpreters: interpreter tags with a wheel that can be installed: `cp312`, `cp313t`, `py3`.
        tags: platform tags; `any` fits every platform.
        kind: as in the table.
        needs: project that a stub depends on.
        orphans: interpreter tags whose wheel is a stub that depends on a wheel that does not exist.
        build: build information in its wheels; None where they were not looked into.
        place: address of the wheel that was looked into, without credentials.
    """

    package: str
    interpreters: frozenset[str]
    tags: frozenset[str]
    kind: WheelKind
    needs: str | None = None
    orphans: frozenset[str] = frozenset()
    build: BuildInfo | None = None
    place: str = ""

    def has_platform(self, supported: frozenset[str]) -> bool:
        """Whether one of the platform tags is supported."""
        return _ANY in self.tags or not self.tags.isdisjoint(supported)

    def has_python(self, tag: str) -> bool:
        """Whether an interpreter with this tag (`cp312`, `cp313t`) can install a wheel."""
        return tag in self.interpreters or "py3" in self.interpreters

    @property
    def pythons(self) -> tuple[str, ...]:
        """Minor versions with a wheel for the ordinary build, oldest first; empty when it is for any Python 3."""
        return _minors(self.interpreters)


@lru_cache(maxsize=1024)
def _minors(tags: frozenset[str]) -> tuple[str, ...]:
    minors = (whole_number(tag[3:]) for tag in tags if tag.startswith("cp3"))
    return tuple(f"3.{minor}" for minor in sorted(minor for minor in minors if minor is not None))


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedRelease:
    """A release, or a nightly build, that could be chosen.

    Attributes:
        known: its row in the table; None when it is only on the index.
        offers: by project, that of a nightly build by the name of the release; empty when it has no wheel for the
            platform.
        everywhere: whether it has wheels for any platform; False for a release in the table that this index does not
            have.
        released: when it came out, by the table; None when unknown.
    """

    version: Version
    known: Release | None
    offers: dict[str, Offer]
    everywhere: bool = True
    released: datetime | None = None

    @property
    def text(self) -> str:
        """The version as a string."""
        return str(self.version)


def candidates(
    table: Compat, listing: Listing | None, platform: str, before: datetime | None = None, *, nightly: bool = False
) -> tuple[OfferedRelease, ...]:
    """Every release to consider, newest first.

    With a listing, its files say which releases are available, and the table adds what is known about them; releases
    older than the table are left out. Yanked files do not count.

    Args:
        table: what is known about each release.
        listing: files on the index; None when it cannot be read.
        platform: as in the table.
        before: files uploaded at that time or later do not count; None for no limit. Where the index gives no time,
            that in the table counts; a file that the table does not know is newer than the table.
        nightly: whether to look for nightly builds, of which the table has none.
    """
    if listing is None:
        return () if nightly else _in_table(table, platform, before)
    known = {} if nightly else {Version(row.version): row for row in table.releases}
    oldest = min(Version(row.version) for row in table.releases)
    undated = _times(table)
    listed: dict[Version, dict[str, list[_Tags]]] = {}
    projects = BUILDS["nightly" if nightly else "release"]
    for package in projects:
        for version, uploaded, tags in _files(listing, package, oldest, nightly=nightly):
            at = uploaded or undated.get((package, version), table.generated) if before is not None else None
            if not is_before(at, before):
                continue
            listed.setdefault(version, {}).setdefault(package, []).append(tags)
    result = []
    for version in {*known, *listed}:
        row = known.get(version)
        by_package = listed.get(version, {})
        offers = {}
        for package, role in zip(projects, BUILDS["release"], strict=True):
            offer = _of_listing(package, by_package.get(package, ()), row, platform)
            if offer is not None:
                offers[role] = offer
        released = None if row is None else released_at(row)
        found = OfferedRelease(
            version=version, known=row, offers=offers, everywhere=bool(by_package), released=released
        )
        result.append(found)
    return _newest_first(result)


@lru_cache(maxsize=64)
def _in_table(table: Compat, platform: str, before: datetime | None) -> tuple[OfferedRelease, ...]:
    return _newest_first(
        OfferedRelease(
            version=Version(row.version),
            known=row,
            offers=_of_table(row, platform, before),
            everywhere=is_before(uploaded_of(row), before),
            released=released_at(row),
        )
        for row in table.releases
    )


def is_before(uploaded: str | None, before: datetime | None) -> bool:
    """Whether a file was on the index before a time; one of unknown time was."""
    return before is None or uploaded is None or moment(uploaded) < before


def newest_of(
    files: Iterable[IndexFile], specifier: SpecifierSet, *, least: Version, python: str, tags: Collection[Tag]
) -> tuple[Version, datetime | None] | None:
    """The newest version of a project that a Python has a wheel for, and its release time; None without one.

    Args:
        files: of the project, on its index.
        specifier: range for the version; pre-releases count only where it names one.
        least: oldest version that counts; file names of older ones are not parsed.
        python: full version.
        tags: that it accepts.
    """
    versions: dict[Version, list[IndexFile]] = {}
    fitting: set[Version] = set()
    for file in files:
        try:
            if file.yanked or _version(file.filename.split("-")[1], least) is None:
                continue
            _, version, _, of_file = parse_wheel_filename(file.filename)
            admits = SpecifierSet(file.requires_python or "").contains(python, prereleases=True)
        except (ValueError, IndexError):
            continue
        versions.setdefault(version, []).append(file)
        if admits and not of_file.isdisjoint(tags):
            fitting.add(version)
    newest = max((each for each in fitting if specifier.contains(each, specifier.prereleases or False)), default=None)
    if newest is None:
        return None
    return newest, min((moment(file.uploaded) for file in versions[newest] if file.uploaded), default=None)


def can_take(files: Iterable[IndexFile], *, least: Version, python: str, tags: Collection[Tag]) -> bool:
    """Whether a Python can install any version of a project from `least` on, as a wheel or from source.

    A version counts as a source only if it has no wheel for any Python: the source of one that has is for a compiler.
    """
    wheels: set[Version] = set()
    sources: set[Version] = set()
    for file in files:
        try:
            if is_wheel := file.filename.endswith(".whl"):
                _, version, _, of_file = parse_wheel_filename(file.filename)
                wheels.add(version)
            else:
                version = parse_sdist_filename(file.filename)[1]
            admits = SpecifierSet(file.requires_python or "").contains(python, prereleases=True)
        except ValueError:
            continue
        if admits and not file.yanked and version >= least:
            if not is_wheel:
                sources.add(version)
            elif not of_file.isdisjoint(tags):
                return True
    return not sources <= wheels


def is_dated(listing: Listing) -> bool:
    """Whether the index gives the upload time of any file."""
    return any(file.uploaded for found in listing.files.values() for file in found)


def uploaded_of(row: Release) -> str | None:
    """When the first wheels of a release were on the index; None when unknown."""
    return min((wheels.uploaded for wheels in row.wheels if wheels.uploaded is not None), default=None)


def released_at(row: Release) -> datetime | None:
    """When a release came out; None when unknown."""
    at = uploaded_of(row)
    return None if at is None else moment(at)


def _times(table: Compat) -> dict[tuple[str, Version], str]:
    """When each project of a release was first on the index, for any platform."""
    times: dict[tuple[str, Version], str] = {}
    for row in table.releases:
        for wheels in row.wheels:
            if wheels.uploaded is not None:
                key = (wheels.package, Version(row.version))
                times[key] = min(wheels.uploaded, times.get(key, wheels.uploaded))
    return times


def _newest_first(found: Iterable[OfferedRelease]) -> tuple[OfferedRelease, ...]:
    return tuple(sorted(found, key=lambda candidate: candidate.version, reverse=True))


def _tag(minor: str) -> str:
    return "cp" + minor.replace(".", "")


def _of_table(row: Release, platform: str, before: datetime | None) -> dict[str, Offer]:
    return {
        wheels.package: _offer(wheels)
        for wheels in row.wheels
        if wheels.platform == platform and is_before(wheels.uploaded or uploaded_of(row), before)
    }


def _offer(wheels: Wheels) -> Offer:
    return Offer(
        package=wheels.package,
        interpreters=frozenset(map(_tag, wheels.pythons)),
        tags=frozenset(wheels.tags),
        kind=wheels.kind,
        needs=wheels.needs,
        orphans=frozenset(map(_tag, wheels.without)),
    )


def _files(
    listing: Listing, package: str, oldest: Version, *, nightly: bool
) -> Iterable[tuple[Version, str | None, _Tags]]:
    # The name is split by hand: an index page has thousands of files, and packaging's parser creates every tag.
    versions: dict[str, Version | None] = {}
    for file in listing.files.get(package, ()):
        if file.yanked or not file.filename.endswith(".whl"):
            continue
        parts = file.filename[:-4].split("-")
        # With six parts, the third is a build number; otherwise the sixth is a variant label (PEP 825), and only an
        # installer that understands its requirements may install that wheel.
        if len(parts) != 5 and not (len(parts) == 6 and parts[2][:1].isdigit()):
            continue
        text = parts[1]
        if text not in versions:
            versions[text] = _version(text, oldest)
        version = versions[text]
        if version is None or version.is_devrelease is not nightly:
            continue
        pythons, abis, platforms = (part.split(".") for part in parts[-3:])
        tags = frozenset(python + "t" if abi == f"{python}t" else python for python in pythons for abi in abis)
        yield version, file.uploaded, (tags, frozenset(platforms), file)


def _version(text: str, oldest: Version) -> Version | None:
    version = version_in(text)
    return version if version is not None and version >= oldest else None


def _of_listing(package: str, wheels: Iterable[_Tags], row: Release | None, platform: str) -> Offer | None:
    interpreters: set[str] = set()
    tags: set[str] = set()
    looked: IndexFile | None = None
    for pythons, platforms, file in wheels:
        fitting = {tag for tag in platforms if tag == _ANY or _is_for(tag, platform)}
        if fitting:
            interpreters |= pythons
            tags |= fitting
            looked = looked or (file if file.build is not None else None)
    if not interpreters:
        return None
    known = next(
        (each for each in row.wheels if each.package == package and each.platform == platform) if row else iter(()),
        None,
    )
    orphans = frozenset(map(_tag, known.without)) if known else frozenset()
    # A release that is not in the table is assumed to be built like the newest: CUDA only in the Linux x86-64 wheel.
    kind: WheelKind = "cpu" if is_small(package) or platform != "linux_x86_64" else "cuda"
    return Offer(
        package=package,
        interpreters=frozenset(interpreters) - (orphans if looked is None else frozenset()),
        tags=frozenset(tags),
        kind=_kind_in(looked) or (known.kind if known else kind),
        needs=known.needs if known and looked is None else None,
        orphans=orphans if looked is None else frozenset(),
        build=looked.build if looked else None,
        place=without_userinfo(looked.url) if looked else "",
    )


def _kind_in(looked: IndexFile | None) -> WheelKind | None:
    """The wheel kind according to the build information in the wheel; None where it was not read."""
    return None if looked is None or looked.build is None else "cuda" if looked.build.is_cuda else "cpu"


def version_of(file: IndexFile) -> Version | None:
    """The version in a wheel's file name; None for other files, and for yanked ones."""
    if file.yanked or not file.filename.endswith(".whl") or file.filename.count("-") < 4:
        return None
    return version_in(file.filename.split("-")[1])


def is_wheel_for(file: IndexFile, platform: str) -> bool:
    """Whether a wheel is for a platform in the table or for any platform, judged by its file name."""
    tags = file.filename.removesuffix(".whl").rpartition("-")[2].split(".")
    return any(tag == _ANY or _is_for(tag, platform) for tag in tags)


def _is_for(tag: str, platform: str) -> bool:
    system, _, machine = platform.partition("_")
    if system == "windows":
        return tag == {"x86_64": "win_amd64", "aarch64": "win_arm64", "i686": "win32"}.get(machine)
    if system == "macos":
        return tag.startswith("macosx_") and tag.endswith((f"_{machine}", "_universal2"))
    return tag.startswith(("manylinux", "linux_", "musllinux")) and tag.endswith(f"_{machine}")
