"""Merges what the files of a profile request into it: indexes, Python versions, conda packages, overrides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from pydantic import ValidationError

from tfprov.profile.records import CondaTable, Profile, PythonTable
from tfprov.wants.records import Want, Wants


def with_wants(profile: Profile, wants: Wants) -> tuple[Profile, list[str]]:
    """Merge everything but requirements and constraints into a profile.

    The index of the profile itself takes precedence; of several ranges of Python versions all apply.

    Returns:
        The merged profile, and problems with combinations that contradict each other.
    """
    problems: list[str] = []
    changes: dict[str, dict[str, object]] = {
        "packages": {
            "overrides": (*profile.packages.overrides, *(want.text for want in wants.overrides)),
            "exclude": (*profile.packages.exclude, *(want.text for want in wants.excluded)),
            **_builds(profile, wants),
        },
        "index": _index(profile, wants),
        "conda": _conda(profile, wants, problems),
    }
    tables = {
        name: getattr(profile, name).model_copy(update=change)
        for name, change in changes.items()
        if any(change.values())
    }
    return profile.model_copy(update={"python": _python(profile, wants, problems), **tables}), problems


def hashes_of(wants: Iterable[Want]) -> Mapping[str, tuple[str, ...]]:
    """The SHA-256 hashes that the wants allow, by normalised project name; projects without any are left out."""
    found: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for want in wants:
        if want.hashes:
            found[canonicalize_name(Requirement(want.text).name)].update(dict.fromkeys(want.hashes))
    return {name: tuple(hashes) for name, hashes in found.items()}


def places_of(wants: Iterable[Want]) -> Mapping[str, str]:
    """The first place of each of the wants, by its text."""
    found: dict[str, str] = {}
    for want in wants:
        found.setdefault(want.text, want.where)
    return found


def _builds(profile: Profile, wants: Wants) -> dict[str, object]:
    """The choices between wheels, sources and pre-releases. What the profile says about a project takes precedence."""
    own = profile.packages
    built, unbuilt = (set(map(canonicalize_name, names)) for names in (own.no_binary, own.only_binary))
    only = {want.text for want in wants.only_binary}
    found: dict[str, object] = {
        "no_binary": (*own.no_binary, *(each.text for each in wants.no_binary if each.text not in unbuilt)),
        "only_binary": (*own.only_binary, *sorted(only - {":all:", *built})),
    }
    if ":all:" in only and "build" not in own.model_fields_set:
        found["build"] = "never"
    if wants.prereleases and "prereleases" not in own.model_fields_set:
        found["prereleases"] = "all"
    return found


def _python(profile: Profile, wants: Wants, problems: list[str]) -> PythonTable:
    own = Want(text=profile.python.version or "", where="python.version")
    ranges = [want for want in (own, *wants.python) if want.text]
    if len(ranges) == (1 if own.text else 0):
        return profile.python
    joined = ",".join(dict.fromkeys(clause.strip() for want in ranges for clause in want.text.split(",")))
    if SpecifierSet(joined).is_unsatisfiable():
        problems.append(
            "no Python is in all of the ranges that are asked for: "
            + ", ".join(f"`{want.text}` ({want.where})" for want in ranges)
        )
    places = {want.text: "" if want is own else want.where for want in reversed(ranges)}
    return profile.python.with_files(joined, dict(reversed(places.items())))


def _index(profile: Profile, wants: Wants) -> dict[str, object]:
    def urls(kind: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(address.url for address in wants.addresses if address.kind == kind))

    only = {canonicalize_name(each.project): each.url for each in wants.addresses if each.kind == "only"}
    # Only one index can replace the default; further ones are added to it.
    first, *more = urls("index") or ("",)
    extra = (*more, *urls("extra"))
    return {
        "url": profile.index.url or first or None,
        "extra": (*profile.index.extra, *extra),
        "only": only | dict(profile.index.only),
        "strategy": "best" if extra else profile.index.strategy,
        "find_links": (*profile.index.find_links, *urls("find-links")),
    }


def _conda(profile: Profile, wants: Wants, problems: list[str]) -> dict[str, object]:
    if profile.environment.kind != "conda":
        return {}
    given = profile.conda.channels if "channels" in profile.conda.model_fields_set else ()
    channels = given or wants.channels or profile.conda.channels
    try:
        CondaTable.model_validate({"channels": channels, "packages": [want.text for want in wants.conda]})
    except ValidationError as error:
        problems += [f"{one['input']}: {one['msg']}" for one in error.errors(include_url=False)]
    return {"channels": channels, "packages": (*profile.conda.packages, *(want.text for want in wants.conda))}
