"""Finds version bounds that would most likely repair a failed import of the smoke test, most likely first.

Three sources are asked in this order: the table of known breaks, also about packages newer than its rows; the modules
and names that Python has removed; and the metadata of the environment about the package that the error blames, together
with the versions that existed when the failing package was released.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tfprov import times
from tfprov.adopt.metadata import distributions_in, recorded
from tfprov.adopt.records import FoundDistribution
from tfprov.distributions import kind_of
from tfprov.envs.layout import site_packages
from tfprov.lock.renew import Released
from tfprov.plan.companions import breaks_in, newer_than_known
from tfprov.plan.records import Listing
from tfprov.plan.versions import published
from tfprov.requires_dist import applies, parsed, values_of
from tfprov.smoke.cures import GENCODE, LikelyBound
from tfprov.smoke.records import Leg
from tfprov.structured import version_in

_FRAME = re.compile(r'File "[^"]*[/\\](?:site|dist)-packages[/\\](?P<path>[^"]+)"')
_NAMED = re.compile(
    r"cannot import name '[^']+' from (?:partially initialized module )?'(?P<of>[\w.]+)'"
    r"|module '(?P<attribute>[\w.]+)' has no attribute"
    r"|No module named '(?P<missing>[\w.]+)'"
)
_MISSING = re.compile(r"^ModuleNotFoundError: No module named '(?P<name>\w+)")
# What Python has removed, and the first version without it; from the sections "Removed" and "Porting" of What's New in
# Python.
_LOST = (
    (
        re.compile(
            r"module 'time' has no attribute 'clock'|module 'cgi' has no attribute 'escape'"
            r"|module 'platform' has no attribute '(?:linux_distribution|dist)'"
        ),
        "3.8",
    ),
    (
        re.compile(
            r"'HTMLParser' object has no attribute 'unescape'|'Thread' object has no attribute 'isAlive'"
            r"|module 'base64' has no attribute '(?:de|en)codestring'|module 'fractions' has no attribute 'gcd'"
            r"|cannot import name '(?:de|en)codestring' from 'base64'|cannot import name 'gcd' from 'fractions'"
            r"|No module named '(?:xml\.etree\.cElementTree|_dummy_thread|dummy_threading)'"
        ),
        "3.9",
    ),
    (re.compile(r"cannot import name '\w+' from 'collections'|module 'collections' has no attribute"), "3.10"),
    (re.compile(r"module '?inspect'? has no attribute '(?:getargspec|formatargspec)'"), "3.11"),
    (re.compile(r"module 'asyncio' has no attribute 'coroutine'"), "3.11"),
    (re.compile(r"No module named '(?:asynchat|asyncore|distutils[.\w]*|imp|smtpd)'"), "3.12"),
    (re.compile(r"module '(?:pkgutil|configparser)' has no attribute '(?:ImpImporter|SafeConfigParser)'"), "3.12"),
    (
        re.compile(
            r"module 'ssl' has no attribute '(?:wrap_socket|match_hostname)'"
            r"|cannot import name '(?:wrap_socket|match_hostname)' from 'ssl'"
        ),
        "3.12",
    ),
    (
        re.compile(
            r"No module named '(?:aifc|audioop|cgi|cgitb|chunk|crypt|imghdr|lib2to3[.\w]*|mailcap|msilib|nis|nntplib"
            r"|ossaudiodev|pipes|sndhdr|spwd|sunau|telnetlib|uu|xdrlib)'"
        ),
        "3.13",
    ),
    (re.compile(r"module 'ast' has no attribute '(?:Num|Str|Bytes|NameConstant|Ellipsis)'"), "3.14"),
)


@dataclass(frozen=True)
class GenerationContents:
    """The distributions of a generation, and what is known about their releases.

    Attributes:
        root: folder of the generation.
        python: full version of its interpreter.
        released: locked versions with their upload times, by normalised name.
        offers: the releases of TensorFlow on the index; None if the index was not asked.
    """

    root: Path
    python: str
    released: Mapping[str, Released]
    offers: Listing | None = None

    @cached_property
    def distributions(self) -> Mapping[str, FoundDistribution]:
        """The installed distributions by normalised name."""
        return {one.name: one for place in site_packages(self.root) for one in distributions_in(place, self.root)}

    @cached_property
    def _files(self) -> Mapping[str, frozenset[str]]:
        """Paths of the files, without suffixes, and of the folders of each distribution, by its name."""
        found = {}
        for name, one in self.distributions.items():
            stems = set()
            for path in recorded(one.metadata):
                stems.add(path.partition(".")[0])
                parts = path.split("/")[:-1]
                stems.update("/".join(parts[:count]) for count in range(1, len(parts) + 1))
            found[name] = frozenset(stems)
        return found

    def out_at(self, name: str, moment: datetime) -> tuple[Version, ...]:
        """The known versions of a distribution that were released by a point in time, without pre-releases, sorted."""
        if kind_of(name) is None:
            rows = published(name)
            return tuple(row.version for row in rows if row.at <= moment and not row.version.is_prerelease)
        files = self.offers.files.get("tensorflow", ()) if self.offers is not None else ()
        found = {
            _number(file.filename.split("-")[1])
            for file in files
            if file.uploaded and times.moment(file.uploaded) <= moment
        }
        return tuple(sorted(version for version in found if not version.is_prerelease))

    def owner(self, module: str) -> FoundDistribution | None:
        """The distribution that has a module, or else its nearest parent package; None if none or several have it."""
        parts = module.split(".")
        for count in range(len(parts), 0, -1):
            stem = "/".join(parts[:count])
            owners = [name for name, stems in self._files.items() if stem in stems]
            if owners:
                return self.distributions[owners[0]] if len(owners) == 1 else None
        return None

    def bounds_on(self, name: str) -> Iterator[tuple[FoundDistribution, Requirement]]:
        """The requirements on a distribution in the metadata of the others, each with the one that has it."""
        environment = values_of(self.python)
        for one in self.distributions.values():
            for asked in parsed(one.requires):
                if canonicalize_name(asked.name) == name and applies(asked, environment):
                    yield one, asked

    def admits(self, name: str, below: Version) -> bool:
        """Whether the requirements of the other distributions permit versions of this one below `below`."""
        clauses = (clause for _, asked in self.bounds_on(name) for clause in asked.specifier)
        return not any(
            clause.operator in (">=", "==", "~=", ">", "===") and _number(clause.version) >= below for clause in clauses
        )

    def held_back_by(self, name: str) -> str | None:
        """Name of a distribution whose requirement excludes newer versions of the named one; None if none does.

        If the versions of a project are not known, any upper bound counts.
        """
        rows, here = published(name), _number(self.distributions[name].version)
        for one, asked in self.bounds_on(name):
            if rows:
                held = any(row.version > here and not asked.specifier.contains(row.version) for row in rows)
            else:
                held = any(clause.operator in ("<", "<=", "==", "~=", "===") for clause in asked.specifier)
            if held:
                return one.name
        return None


def likely_bounds(leg: Leg, installed: GenerationContents) -> tuple[LikelyBound, ...]:
    """The bounds for a failed leg `import` or `package NAME`, likeliest first, without duplicates; maybe empty.

    Args:
        leg: the failed leg, with the exception and the end of its traceback as evidence.
        installed: the generation that was tested.
    """
    found: dict[str, LikelyBound] = {}
    for each in (*_of_table(leg, installed), *_of_python(leg, installed), *_of_metadata(leg, installed)):
        found.setdefault(each.requirement, each)
    return tuple(found.values())


def _of_table(leg: Leg, installed: GenerationContents) -> Iterator[LikelyBound]:
    versions = {name: one.version for name, one in installed.distributions.items()}
    concerned = {_asked(leg), *(one.name for one in _in_traceback(leg, installed))}
    # Also known breaks: a lock may be older than the row that describes one.
    broken = breaks_in(versions, python=installed.python)
    for row in (*broken, *newer_than_known(versions, python=installed.python)):
        if row.package in concerned and row.requires:
            why = f"`{row.package}` {row.versions} is known to need it: {row.why}"
            yield LikelyBound(requirement=row.requires, why=why)


def _of_python(leg: Leg, installed: GenerationContents) -> Iterator[LikelyBound]:
    missing = _MISSING.match(leg.evidence)
    if missing is not None and missing["name"] == "distutils" and "setuptools" not in installed.distributions:
        yield LikelyBound(requirement="setuptools", why="it brings `distutils`, which Python 3.12 removed")
    for pattern, minor in _LOST:
        said = pattern.search(leg.evidence.partition("\n")[0])
        if said is not None and Version(installed.python) >= Version(minor):
            yield LikelyBound(requirement=f"python<{minor}", why=f"Python {minor} removed what is missing")


def _of_metadata(leg: Leg, installed: GenerationContents) -> Iterator[LikelyBound]:
    generated = GENCODE.search(leg.evidence)
    if generated is not None:
        blamed = installed.distributions.get("protobuf")
        asker = installed.owner(generated["path"].replace("/", "."))
    else:
        blamed = _blamed(leg, installed)
        frames = [one for one in _in_traceback(leg, installed) if blamed is None or one.name != blamed.name]
        asker = frames[-1] if frames else installed.distributions.get(_asked(leg))
    if blamed is None or asker is None or asker.name == blamed.name:
        return
    holder = installed.held_back_by(blamed.name)
    if generated is not None or holder not in (None, asker.name):
        # The blamed package is held back, so the one that needs more than it has is too new.
        why = f"it asks for more than `{blamed.name}` {blamed.version}"
        why += f", at which `{holder}` holds that" if holder else ""
        older = (*(_as_of(asker, holder, installed) if holder else ()), *reversed([*_older(asker, installed)]))
        yield from (LikelyBound(requirement=each, why=why) for each in older)
    if generated is not None:
        return
    why = f"`{asker.name}` {asker.version} does not find in `{blamed.name}` {blamed.version} what it asks for"
    older = (*_as_of(blamed, asker.name, installed), *_older(blamed, installed))
    yield from (LikelyBound(requirement=each, why=why) for each in older)


def _blamed(leg: Leg, installed: GenerationContents) -> FoundDistribution | None:
    """The distribution that the error names; if it names none, the distribution of the innermost frame."""
    said = _NAMED.search(leg.evidence.partition("\n")[0])
    if said is not None:
        return installed.owner(said["of"] or said["attribute"] or said["missing"])
    return next(reversed([*_in_traceback(leg, installed)]), None)


def _in_traceback(leg: Leg, installed: GenerationContents) -> Iterator[FoundDistribution]:
    """The distributions whose files are in the traceback, outermost frame first."""
    for frame in _FRAME.finditer(leg.evidence):
        path = frame["path"].replace("\\", "/").removesuffix(".py").removesuffix("/__init__")
        one = installed.owner(path.replace("/", "."))
        if one is not None:
            yield one


def _as_of(one: FoundDistribution, other: str, installed: GenerationContents) -> Iterator[str]:
    """A bound to the newest version that existed when the installed version of another distribution was released."""
    known = installed.released.get(other)
    if known is None or known.at is None:
        return
    out = installed.out_at(one.name, known.at)
    if out and out[-1] < _number(one.version) and installed.admits(one.name, _number(one.version)):
        name = "tensorflow" if kind_of(one.name) is not None else one.name
        yield f"{name}<={out[-1]}"


def _older(one: FoundDistribution, installed: GenerationContents) -> Iterator[str]:
    """Bounds below the installed major version, then below the minor one, as far as the others' metadata permit."""
    version = _number(one.version)
    if kind_of(one.name) is not None:
        # TensorFlow removes names that others import in minor releases.
        yield f"tensorflow<{version.major}.{version.minor}"
        return
    for bound in dict.fromkeys((Version(f"{version.major}"), Version(f"{version.major}.{version.minor}"))):
        if bound > Version("0") and installed.admits(one.name, bound):
            yield f"{one.name}<{bound}"


def _asked(leg: Leg) -> str:
    return canonicalize_name(leg.leg.removeprefix("package "))


def _number(text: str) -> Version:
    return version_in(text.removesuffix(".*")) or Version("0")
