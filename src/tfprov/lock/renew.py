"""Renews a lock: its versions are preferences, and never a reason to fail."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tfprov.distributions import TENSORFLOWS
from tfprov.errors import Group, TfprovError
from tfprov.events import Emit, Note
from tfprov.lock.question import Pinned, Question, Resolver
from tfprov.lock.resolve import resolve
from tfprov.structured import TomlError, toml_of
from tfprov.times import moment

_ABOUT_VERSIONS = frozenset({Group.RESOLVE, Group.INTERPRETER, Group.PLATFORM})


def versions_in(document: str) -> Pinned:
    """The names and versions in a PEP 751 document, in its order, without malformed packages.

    A package may occur twice, with a version for each platform.
    """
    try:
        packages = toml_of(document).get("packages")
    except TomlError:
        return ()
    found = []
    for package in packages if isinstance(packages, list) else ():
        try:
            name = canonicalize_name(package["name"], validate=True)
            found.append((str(name), str(Version(package["version"]))))
        except (KeyError, TypeError, ValueError):
            continue  # malformed, or an archive, which has no version
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A version and the time when its first file was uploaded; None where the index does not say."""

    version: str
    at: datetime | None


def released_in(document: str) -> dict[str, Released]:
    """The versions in a PEP 751 document with their dates, by normalised project name."""
    found = {}
    for package in toml_of(document).get("packages", ()):
        files = (*package.get("wheels", ()), *filter(None, (package.get("sdist"),)))
        times = [moment(str(file["upload-time"])) for file in files if isinstance(file.get("upload-time"), datetime)]
        if "version" in package:
            found[str(canonicalize_name(package["name"]))] = Released(
                version=package["version"], at=min(times) if times else None
            )
    return found


def renew(question: Question, resolver: Resolver, emit: Emit, *, whose: str = "the lock's") -> str:
    """Resolve with as many of the preferred versions as possible; returns a PEP 751 document.

    Args:
        question: the input; the versions in `prefer` may be dropped.
        resolver: how to start uv.
        emit: receives a note about dropped preferences.
        whose: what the preferred versions are, in that note; empty where nobody asked for them, and then there is none.

    Raises:
        TfprovError: as for `resolve`; a failure about versions is that of a resolve without preferences.
    """
    # TensorFlow is pinned by the requirements. A preference that contradicts a requirement would make the resolve with
    # pins fail for all of them.
    bounds = _bounds(question)
    older = tuple(
        (name, version)
        for name, version in question.prefer
        if name not in TENSORFLOWS and all(bound.contains(version, prereleases=True) for bound in bounds.get(name, ()))
    )
    prefer = older
    while True:
        try:
            resolved = resolve(replace(question, prefer=prefer), resolver)
            break
        except TfprovError as error:
            if not prefer or error.code.group not in _ABOUT_VERSIONS:
                raise
            named = set(re.findall(r"[a-z0-9]+(?:-[a-z0-9]+)*", "\n".join((error.what, *error.evidence)).lower()))
            rest = tuple(each for each in prefer if each[0] not in named)
            # Once without the preferences that uv names, then without any.
            prefer = rest if prefer == older and rest != older else ()
    moved = _moved(older, resolved)
    # uv takes a preferred version from the first index that has it, even if that index has no wheel of it for this
    # Python and another index does. With a pinned version it takes the wheel.
    if moved and (resolver.merge_indexes or prefer != older):
        pins = {**dict(versions_in(resolved)), **dict(reversed(older))}
        fixed = tuple(f"{name}=={version}" for name, version in pins.items() if name not in TENSORFLOWS)
        try:
            return resolve(replace(question, prefer=(), constraints=(*question.constraints, *fixed)), resolver)
        except TfprovError as error:
            if error.code.group not in _ABOUT_VERSIONS:
                raise
    if whose and (dropped := [name for name in moved if name not in dict(prefer)]):
        names = ", ".join(f"`{name}`" for name in dropped)
        emit(Note(text=f"{whose} versions of {names} could not be kept"))
    return resolved


def _bounds(question: Question) -> dict[str, list[SpecifierSet]]:
    """The version ranges of the requirements and constraints without a marker, by normalised name."""
    found: dict[str, list[SpecifierSet]] = {}
    for text in (*question.requirements, *question.constraints):
        requirement = Requirement(text)
        if requirement.marker is None:
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement.specifier)
    return found


def _moved(older: Pinned, resolved: str) -> tuple[str, ...]:
    """Names of the packages whose locked version changed."""
    known = dict(older)
    return tuple(name for name, version in versions_in(resolved) if name in known and (name, version) not in older)
