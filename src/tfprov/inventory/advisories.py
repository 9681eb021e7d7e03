"""Finds advisories that affect the installed packages, in local files in OSV format."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from packaging.utils import canonicalize_name
from packaging.version import Version

from tfprov.archives import damage_as
from tfprov.contents import regular
from tfprov.errors import TfprovError
from tfprov.structured import json_of, list_of, mapping_of, mappings_of
from tfprov.words import first_of

_ECOSYSTEM = "PyPI"
_LARGEST = 32 << 20
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvisoryMatch:
    """An advisory that affects an installed package.

    Attributes:
        package: normalised name.
        version: as installed.
        id: id of the advisory.
        aliases: other ids of the same advisory.
        summary: one line of description.
        severity: as in the advisory; empty if it gives none.
        fixed: fixed versions above the installed one, the lowest first.
    """

    package: str
    version: str
    id: str
    aliases: tuple[str, ...] = ()
    summary: str = ""
    severity: str = ""
    fixed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The result of comparing an environment with advisories.

    Attributes:
        found: advisories that affect it and are not accepted, sorted by package and id.
        accepted: advisories that affect it and are accepted.
        unused: accepted ids and aliases that no advisory for it has.
        advisories: number of advisories that were read.
        newest: latest modification time of an advisory, ISO 8601; empty if there is none.
        packages: number of packages that were compared.
    """

    found: tuple[AdvisoryMatch, ...]
    accepted: tuple[AdvisoryMatch, ...]
    unused: tuple[str, ...]
    advisories: int
    newest: str
    packages: int


class _UnreadableError(Exception):
    """Raised for an advisory that cannot be read; the message says why."""


def audit(installed: Mapping[str, str], places: Sequence[Path], *, accepted: Sequence[str] = ()) -> Audit:
    """Compare the installed packages with advisories.

    Args:
        installed: versions by normalised name.
        places: zip archives (an OSV export), folders, or JSON files with one advisory or a list of them.
        accepted: ids or aliases of advisories that are known and accepted.

    Raises:
        TfprovError: `usage` when a place does not exist or has no advisories; `advisory-invalid` when files cannot be
            read.
    """
    found: list[AdvisoryMatch] = []
    bad: list[str] = []
    count, newest = 0, ""
    for place in places:
        before = count
        for name, content in _entries(place):
            try:
                for entry in _parsed(content):
                    count += 1
                    newest = max(newest, str(entry.get("modified") or ""))
                    if not entry.get("withdrawn"):
                        found += _matching(entry, installed)
            except _UnreadableError as error:
                bad.append(f"`{name}`: {error}")
        if count == before and not bad:
            raise TfprovError(
                "usage",
                f"`{place}` has no advisories",
                hint="give an OSV export for PyPI: its `all.zip`, a folder of its files, or one of them",
            )
    if bad:
        raise TfprovError(
            "advisory-invalid",
            f"{len(bad)} of the files cannot be read as advisories, so the environment cannot be checked",
            evidence=first_of(bad, _MOST_NAMED),
        )
    merged = _merged(found)
    known = set(accepted)
    taken = tuple(one for one in merged if known & {one.id, *one.aliases})
    used = {name for one in taken for name in (one.id, *one.aliases)}
    return Audit(
        found=tuple(one for one in merged if one not in taken),
        accepted=taken,
        unused=tuple(sorted(known - used)),
        advisories=count,
        newest=newest,
        packages=len(installed),
    )


def _entries(place: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file with advisories."""
    try:
        if place.is_dir():
            for path in sorted(place.rglob("*.json")):
                with regular(path) as stream:
                    yield str(path), stream.read(_LARGEST + 1)
        else:
            with regular(place) as stream:
                if zipfile.is_zipfile(stream):
                    yield from _members(place, stream)
                else:
                    stream.seek(0)
                    yield str(place), stream.read(_LARGEST + 1)
    except OSError as error:
        raise TfprovError("usage", f"`{place}` cannot be read", evidence=(str(error),)) from error


def _members(place: Path, stream: BinaryIO) -> Iterator[tuple[str, bytes]]:

    def refused(why: str) -> TfprovError:
        return TfprovError("advisory-invalid", f"`{place}` cannot be read", evidence=(why,))

    with damage_as(refused), zipfile.ZipFile(stream) as archive:
        for member in archive.infolist():
            if member.filename.endswith(".json") and not member.is_dir():
                with archive.open(member) as content:
                    yield f"{place}: {member.filename}", content.read(_LARGEST + 1)


def _parsed(content: bytes) -> Iterator[Mapping[str, object]]:
    """The advisories in a file.

    Raises:
        _UnreadableError: the file or one of its entries is not in OSV format.
    """
    if len(content) > _LARGEST:
        raise _UnreadableError(f"it has more than {_LARGEST >> 20} MiB")
    try:
        document = json_of(content)
    except ValueError as error:
        raise _UnreadableError(f"it is not JSON: {error}") from error
    for entry in document if isinstance(document, list) else [document]:
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str) or "modified" not in entry:
            raise _UnreadableError("it lacks `id` or `modified`, which every OSV advisory has")
        affected = entry.get("affected", [])
        if not isinstance(affected, list) or not all(isinstance(each, dict) for each in affected):
            raise _UnreadableError("its `affected` is not a list of packages")
        yield entry


def _matching(entry: Mapping[str, object], installed: Mapping[str, str]) -> Iterator[AdvisoryMatch]:
    for affected in mappings_of(entry.get("affected")):
        package = mapping_of(affected.get("package"))
        # An ecosystem may have a suffix after a colon.
        if str(package.get("ecosystem", "")).partition(":")[0] != _ECOSYSTEM:
            continue
        name = canonicalize_name(str(package.get("name", "")))
        version = installed.get(name)
        if version is None:
            continue
        here = _version(version)
        if version not in list_of(affected.get("versions")) and (here is None or not _is_affected(here, affected)):
            continue
        yield AdvisoryMatch(
            package=name,
            version=version,
            id=str(entry["id"]),
            aliases=tuple(str(each) for each in list_of(entry.get("aliases"))),
            summary=_summary(entry),
            severity=_severity(entry, affected),
            fixed=_fixed(here, affected) if here else (),
        )


def _is_affected(here: Version, affected: Mapping[str, object]) -> bool:
    versions = {_version(str(each)) for each in list_of(affected.get("versions"))}
    return here in versions or any(_in_range(here, events) for events in _ranges(affected))


def _ranges(affected: Mapping[str, object]) -> Iterator[list[tuple[Version | None, str]]]:
    """The events of each range, in order: version (None for the very beginning) and kind."""
    for each in mappings_of(affected.get("ranges")):
        if each.get("type") != "ECOSYSTEM":
            continue
        events: list[tuple[Version | None, str]] = []
        for event in mappings_of(each.get("events")):
            for kind, text in event.items():
                version = None if text == "0" else _version(str(text))
                if version is None and text not in ("0", "*"):
                    raise _UnreadableError(f"`{text}` is not a valid version")
                events.append((version, kind))
        yield sorted(events, key=lambda one: (one[0] is not None, one[0] or Version("0"), one[1] != "introduced"))


def _in_range(here: Version, events: Sequence[tuple[Version | None, str]]) -> bool:
    """Evaluate a range as OSV defines it: affected from `introduced` up to `fixed`, or through `last_affected`."""
    limits = [version for version, kind in events if kind == "limit"]
    # A version has to be below one of them; no version stands for `*`, which all are below.
    if limits and None not in limits and all(limit is None or here >= limit for limit in limits):
        return False
    affected = False
    for version, kind in events:
        if kind == "introduced" and (version is None or here >= version):
            affected = True
        elif version is None:
            continue
        elif (kind == "fixed" and here >= version) or (kind == "last_affected" and here > version):
            affected = False
    return affected


def _fixed(here: Version, affected: Mapping[str, object]) -> tuple[str, ...]:
    every = {version for events in _ranges(affected) for version, kind in events if kind == "fixed" and version}
    return tuple(str(version) for version in sorted(every) if version > here)


def _version(text: str) -> Version | None:
    """A version without its local label: advisories list public releases, and a local build counts as its release."""
    try:
        return Version(Version(text).public)
    except ValueError:
        return None


def _summary(entry: Mapping[str, object]) -> str:
    text = str(entry.get("summary") or entry.get("details") or "").strip()
    return " ".join(text.splitlines()[0].split())[:200] if text else ""


def _severity(entry: Mapping[str, object], affected: Mapping[str, object]) -> str:
    word = mapping_of(entry.get("database_specific")).get("severity")
    if isinstance(word, str):
        return word.lower()
    scores = [*mappings_of(affected.get("severity")), *mappings_of(entry.get("severity"))]
    return str(scores[-1].get("score", "")) if scores else ""


def _merged(found: Iterable[AdvisoryMatch]) -> tuple[AdvisoryMatch, ...]:
    """Merge advisories of different databases that name each other; the one with the first id represents them."""
    merged: list[AdvisoryMatch] = []
    for one in sorted(found, key=lambda each: (each.package, each.id)):
        names = {one.id, *one.aliases}
        same = [each for each in merged if each.package == one.package and names & {each.id, *each.aliases}]
        for other in same:
            merged.remove(other)
            names |= {other.id, *other.aliases}
        first = same[0] if same else one
        every = sorted({Version(each) for other in (*same, one) for each in other.fixed})
        merged.append(
            replace(
                first,
                aliases=tuple(sorted(names - {first.id})),
                summary=first.summary or one.summary,
                severity=first.severity or one.severity,
                fixed=tuple(map(str, every)),
            )
        )
    return tuple(sorted(merged, key=lambda each: (each.package, each.id)))
