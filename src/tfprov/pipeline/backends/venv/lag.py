"""Avoids old versions of requested packages, where a newer one goes with the rest of the profile."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta, timezone

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.lock.question import Pinned
from tfprov.lock.renew import Released, released_in
from tfprov.lock.resolve import is_tensorflow
from tfprov.pipeline.backends.venv.locking import asked_for
from tfprov.pipeline.backends.venv.resolving import ask_resolver
from tfprov.pipeline.backends.venv.solving import (
    Earlier,
    Solution,
    best_by_wheels,
    on_any_version,
    selection_of,
    with_requirements,
)
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.plan.offers import can_take, is_before, newest_of
from tfprov.plan.records import Candidate, IndexFile
from tfprov.plan.tags import marker_environment, supported_tags
from tfprov.profile.records import Profile
from tfprov.requires_dist import applies
from tfprov.times import moment

_A_YEAR = timedelta(days=365)


def without_lag(
    context: Context,
    machine: Machine,
    profile: Profile,
    candidates: Sequence[Candidate],
    best: Solution,
    *,
    newest: Mapping[str, Released],
    until: float,
    earlier: Earlier,
) -> tuple[Solution, frozenset[str]]:
    """A solution with newer versions of outdated requested packages, if there is one.

    A resolver prefers a release that is years old, from before a package declared its requirements, to none at all. All
    outdated packages together are always tried in their newest versions; if that fails, one after the other.

    Args:
        context: of the run.
        machine: to resolve for.
        profile: what is asked for.
        candidates: the better ones first.
        best: the solution so far.
        newest: the newest version of requested packages by themselves.
        until: time on the monotonic clock after which single packages are no longer tried.
        earlier: see `best_by_wheels`; not changed.

    Returns:
        The better solution, or `best`, and the outdated packages that were not tried by themselves.
    """
    lagging = _lagging(best, newest)
    # A Python without this TensorFlow release is not considered: a newer package is not worth an older TensorFlow.
    able = [each for each in candidates if Version(each.best.tensorflow.version) >= best.release]

    def takers(names: Collection[str]) -> list[Candidate]:
        return [each for each in able if all(_can_take(machine, each, newest[name], name) for name in names)]

    def raised(names: Collection[str]) -> Solution | None:
        if not (fitting := takers(names)):
            return None
        held = _in_newest(profile, {name: newest[name].version for name in names})
        try:
            found = best_by_wheels(context, machine, held, fitting, once=True, earlier=earlier.copy())
        except TfprovError:
            return None
        return found if _is_worth_it(found, best, profile) else None

    if not lagging:
        return best, frozenset()
    if (found := raised(lagging)) is not None or len(lagging) == 1:
        return found or best, frozenset()
    kept: tuple[str, ...] = ()
    untried: set[str] = set()
    for name in filter(lambda each: takers((each,)), lagging):
        if time.monotonic() > until:
            untried.add(name)
        elif (found := raised((*kept, name))) is not None:
            # What goes with the rest stays raised while the others are tried.
            best, kept = found, (*kept, name)
    return best, frozenset(untried)


def _in_newest(profile: Profile, oldest: Mapping[str, str]) -> Profile:
    """The profile with no requested package older than the version given for its normalised name."""
    requirements = []
    for text in profile.packages.requirements:
        requirement = Requirement(text)
        if (version := oldest.get(canonicalize_name(requirement.name))) is None:
            requirements.append(text)
        else:
            at_least = requirement.specifier & SpecifierSet(f">={version}")
            requirements.append(on_any_version(requirement, str(at_least)))
    return with_requirements(profile, tuple(requirements))


def _is_worth_it(found: Solution, best: Solution, profile: Profile) -> bool:
    """Whether a solution is on the same Python as another, or the requested packages are newer in it, by their dates.

    An older Python may take the newest version of one package and only older ones of the others.
    """
    if found.candidate.best.python == best.candidate.best.python:
        return True
    new, old = released_in(found.document), released_in(best.document)
    asked = {canonicalize_name(Requirement(text).name) for text in profile.packages.requirements}
    gains = (
        at - before for name in asked & new.keys() & old.keys() if (at := new[name].at) and (before := old[name].at)
    )
    return sum(gains, timedelta()) > timedelta()


def _can_take(machine: Machine, candidate: Candidate, newest: Released, name: str) -> bool:
    """Whether the newest version of a package has any file for the Python of a candidate; True if unknown.

    Saves time: the resolver would find that out last, after trying the versions of all other packages.
    """
    files = machine.files_of((name,))
    if files is None:
        return True
    python = candidate.best.python.version
    tags = frozenset(supported_tags(python, False, machine.facts))
    return can_take(files[name], least=Version(newest.version), python=python, tags=tags)


def tell_lag(context: Context, best: Solution, newest: Mapping[str, Released], untried: Collection[str]) -> None:
    """Warn about requested packages that are outdated in the solution."""
    for name in _lagging(best, newest):
        text = (
            f"`{name}` {best.version(name)} is taken, which is more than a year older than {newest[name].version}: "
            + (
                "whether that one goes with the rest of the profile was not tried, because that takes long here"
                if name in untried
                else "that one does not go with the rest of the profile"
            )
        )
        context.emit(Note(text=text, level="warning"))


def outdated(profile: Profile, solution: Solution, *, preferred: Pinned = ()) -> dict[str, str]:
    """The versions of requested, unpinned packages in a solution that were released more than a year ago.

    With `index.exclude-newer`, the year ends at that time. The versions that files of the profile prefer, such as those
    of an exported environment, are as old as they are meant to be.
    """
    meant = {(canonicalize_name(name), version) for name, version in preferred}
    newest = profile.index.exclude_newer
    now = moment(newest) if newest else datetime.now(timezone.utc)
    asked = {
        canonicalize_name(Requirement(text).name)
        for text in profile.packages.requirements
        if not is_tensorflow(text) and "==" not in text
    }
    return {
        name: released.version
        for name, released in released_in(solution.document).items()
        if name in asked and released.at and now - released.at > _A_YEAR and (name, released.version) not in meant
    }


def newest_versions(
    context: Context, machine: Machine, profile: Profile, candidates: Sequence[Candidate], taken: Mapping[str, str]
) -> dict[str, Released]:
    """The newest version of requested packages, each by itself, on any Python of this machine.

    It is read from the pages of the index; if they cannot be read, the resolver is asked, which may have cached pages.

    Args:
        context: of the run.
        machine: provides the network.
        profile: what is asked for.
        candidates: their Pythons count, except those that would have to be downloaded.
        taken: the version of each package in a solution.

    Returns:
        Versions by normalised name, without packages for which none was found.
    """
    found: dict[str, Released] = {}
    pythons = {each.best.python.path: each for each in candidates if each.best.python.path is not None}
    listed = machine.files_of(taken)
    for candidate in pythons.values():
        if listed is not None:
            each = _newest_listed(machine, profile, candidate, listed, taken)
        else:
            each = _newest_resolved(context, machine, profile, candidate, taken)
        for name, released in each.items():
            if name not in found or Version(released.version) > Version(found[name].version):
                found[name] = released
    return found


def _newest_listed(
    machine: Machine,
    profile: Profile,
    candidate: Candidate,
    listed: Mapping[str, Sequence[IndexFile]],
    taken: Mapping[str, str],
) -> dict[str, Released]:
    python, packages = candidate.best.python.version, profile.packages
    environment = marker_environment(python, "cpython", machine.facts)
    tags = frozenset(supported_tags(python, False, machine.facts))
    limit = profile.index.exclude_newer
    before = moment(limit) if limit else None
    overridden = asked_for(packages.overrides)
    asked = [text for text in packages.requirements if canonicalize_name(Requirement(text).name) not in overridden]
    bounds = (*packages.constraints, *packages.overrides, *(each.requirement for each in candidate.best.constraints))
    found = {}
    for name, files in listed.items():
        lines = [
            requirement
            for requirement in map(Requirement, (*asked, *bounds))
            if canonicalize_name(requirement.name) == name and applies(requirement, environment)
        ]
        specifier = SpecifierSet(",".join(str(line.specifier) for line in lines))
        in_time = [file for file in files if is_before(file.uploaded, before)]
        least = Version(taken[name])
        if lines and (newest := newest_of(in_time, specifier, least=least, python=python, tags=tags)):
            found[name] = Released(version=str(newest[0]), at=newest[1])
    return found


def _newest_resolved(
    context: Context, machine: Machine, profile: Profile, candidate: Candidate, names: Collection[str]
) -> dict[str, Released]:
    lines = tuple(text for text in profile.packages.requirements if canonicalize_name(Requirement(text).name) in names)
    try:
        selection = selection_of(machine, profile, candidate.best)
        return released_in(ask_resolver(context, machine, selection, lines, prefer=(), once=True, alone=True))
    except TfprovError:
        return {}


def _lagging(solution: Solution, newest: Mapping[str, Released]) -> tuple[str, ...]:
    """The packages whose version in the solution was released more than a year before the newest one."""
    taken = released_in(solution.document)
    return tuple(
        name
        for name, released in newest.items()
        if name in taken and released.at and (at := taken[name].at) and released.at - at > _A_YEAR
    )
