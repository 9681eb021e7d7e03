"""Finds a hint for requirements that do not resolve: changes to the profile after which a resolve succeeded."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tfprov.diagnose.remedies import near_name
from tfprov.distributions import kind_of
from tfprov.errors import TfprovError
from tfprov.lock.resolve import is_tensorflow, sources_in
from tfprov.pipeline.backends.venv.resolving import ask_resolver
from tfprov.pipeline.backends.venv.solving import (
    Solution,
    any_solution,
    on_any_version,
    selection_of,
    solve_unbroken,
    with_requirements,
)
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.plan.records import Candidate
from tfprov.profile.records import Profile

# Time limit of each search: a hint is worth some seconds, not minutes.
_SEARCH_SECONDS = 20.0
_MOST_HINTS = 3
_NEAR = 3  # minor versions of TensorFlow, of which there are three or four a year
_NO_PROJECT = "was not found in the package"


def add_tried_hint(context: Context, machine: Machine, profile: Profile, error: TfprovError) -> None:
    """Replace the hint of a failed resolve by changes to the profile after which a resolve succeeded.

    Requirements that no version satisfies are changed all together; the evidence names those that the failure does not.
    If there are none, one line is changed at a time. If none of that helps, several lines are changed.

    Args:
        context: of the run.
        machine: to resolve for.
        profile: what did not resolve.
        error: the failure; its hint is replaced.
    """
    if not any(not is_tensorflow(text) for text in profile.packages.requirements):
        return
    until = time.monotonic() + _SEARCH_SECONDS
    found: list[str] = []
    impossible = _impossible(context, machine, profile, error)
    told = " ".join(error.evidence)
    if len(impossible) > 1 or any(line not in told for line in impossible):
        error.evidence = (*error.evidence, f"no version satisfies {', '.join(f'`{line}`' for line in impossible)}")
    changes = (
        iter((_with_all_possible(profile, impossible),))
        if impossible
        else _changes(profile, of_interest(profile, error))
    )
    has_resolved = False
    for change in changes:
        if time.monotonic() > until or len(found) == _MOST_HINTS or (change.is_last_resort and found):
            break
        if change.is_alternative and has_resolved:
            continue
        solution = any_solution(context, machine, change.profile, until=until)
        has_resolved = solution is not None
        if solution is not None and not (change.is_any_release and any(_pair(solution) in text for text in found)):
            found.append(change.words(solution))
    if not found and (several := _several(context, machine, profile, impossible)):
        found.append(several)
    # Installing a build tool and correcting a name are remedies as well, so these hints are kept.
    own = [error.hint] if error.hint and error.code.name in ("build-tool-missing", "package-name-wrong") else []
    error.hint = "; or ".join((*own, *found)) or "no change to a few lines was found that resolves"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A change to a profile.

    Attributes:
        profile: the changed profile.
        words: describes the change for the hint, given the solution of the changed profile.
        is_last_resort: whether to try it only if no other change has resolved.
        is_alternative: whether to try it only if the one before has not resolved.
        is_any_release: whether it frees TensorFlow, which may give a release that another change gave.
    """

    profile: Profile
    words: Callable[[Solution], str]
    is_last_resort: bool = False
    is_alternative: bool = False
    is_any_release: bool = False


def of_interest(profile: Profile, error: TfprovError) -> tuple[str, ...]:
    """The requirements, those that the resolver's messages mention first: most others have no part in the conflict."""
    message = re.sub(r"[_.]+", "-", " ".join((*error.evidence, *error.tried)).lower())

    def is_named(line: str) -> bool:
        name = re.escape(canonicalize_name(Requirement(line).name))
        return re.search(rf"(?<![\w-]){name}(?![\w-])", message) is not None

    return tuple(sorted(profile.packages.requirements, key=lambda line: not is_named(line)))


def _changes(profile: Profile, lines: Sequence[str]) -> Iterator[_Change]:
    """Single changes to try, the smaller ones first.

    Builds are allowed, then one package may have any version, then the Python, then one of several lines on TensorFlow
    is left out, then TensorFlow may have a near release or any. The last resorts are these on any Python, because lists
    of long ago ask for a release and a Python that are both too old, and leaving out one package.

    Args:
        profile: the profile to change.
        lines: its requirements, in the order in which to try them.
    """
    asked = profile.packages.requirements
    if profile.packages.build != "needed":
        free_packages = profile.packages.model_copy(update={"build": "needed"})
        yield _Change(profile=profile.model_copy(update={"packages": free_packages}), words=_with_builds)
    for line in lines:
        requirement = Requirement(line)
        if is_tensorflow(line) or requirement.url or not requirement.specifier:
            continue
        free = on_any_version(requirement)
        yield _Change(
            profile=with_requirements(profile, tuple(free if each == line else each for each in asked)),
            words=partial(_other_version, line),
        )
    if range_ := profile.python.version:
        free_python = profile.python.model_copy(update={"version": None})
        yield _Change(
            profile=profile.model_copy(update={"python": free_python}), words=partial(_on_other_python, range_)
        )
    bounds = [line for line in asked if is_tensorflow(line)]
    of_tensorflow = (*_near_releases(profile, bounds), *_any_release(profile, bounds))
    yield from (each for each in of_tensorflow if not each.is_any_release)
    for line in bounds if len(bounds) > 1 else ():
        yield _Change(
            profile=with_requirements(profile, tuple(each for each in asked if each != line)),
            words=partial(_without, line),
        )
    yield from (each for each in of_tensorflow if each.is_any_release)
    yield from map(partial(_and_free_python, range_), of_tensorflow if range_ else ())
    for line in lines:
        if not is_tensorflow(line):
            yield _Change(
                profile=with_requirements(profile, tuple(each for each in asked if each != line)),
                words=partial(_without, line),
                is_last_resort=True,
            )


def _and_free_python(range_: str | None, change: _Change) -> _Change:
    """The change, and any Python; `range_` is the one that the profile asks for."""
    python = change.profile.python.model_copy(update={"version": None})
    return replace(
        change,
        profile=change.profile.model_copy(update={"python": python}),
        words=lambda solution: f"{change.words(solution)}, and without the range of Python versions `{range_}`",
        is_last_resort=True,
    )


def _near_releases(profile: Profile, bounds: Sequence[str]) -> Iterator[_Change]:
    """Changes to a release close to the one in each line on TensorFlow."""
    asked = profile.packages.requirements
    for line in bounds:
        # The same release is often asked for under two names, `tensorflow` and `tensorflow-gpu`.
        same = [each for each in bounds if Requirement(each).specifier == Requirement(line).specifier]
        for number, own in enumerate(_near(line) if same[0] == line else ()):
            kept = tuple(own if each == line else each for each in asked if each not in same[1:])
            yield _Change(
                profile=with_requirements(profile, kept),
                words=partial(_in_place_of, "` and `".join(same)),
                is_alternative=number > 0,
            )


def _any_release(profile: Profile, bounds: Sequence[str]) -> Iterator[_Change]:
    """The change to any TensorFlow release; none where the profile allows all."""
    version = profile.tensorflow.version
    if not (bounds or version):
        return
    kept = tuple(line for line in profile.packages.requirements if line not in bounds)
    unbound = profile.tensorflow.model_copy(update={"version": None})
    places = [f"`{line}`" for line in bounds] + ([f'`tensorflow.version = "{version}"`'] if version else [])
    yield _Change(
        profile=with_requirements(profile, kept).model_copy(update={"tensorflow": unbound}),
        words=partial(_other_release, " and ".join(places)),
        is_last_resort=len(bounds) > 1,
        is_any_release=True,
    )


def _impossible(context: Context, machine: Machine, profile: Profile, error: TfprovError) -> dict[str, str]:
    """The requirements that no version satisfies, whatever else is asked for; the resolver names only the first one.

    Returns:
        The replacement for each: versions that begin with the requested one (4.6.0.66 for 4.6.0, 2.1.0 for the build
        2.1.0+cu121), or any version if there are none; if there is no such project, a known one of a similar name that
        the index has, else empty.
    """
    if error.code.name not in ("version-not-available", "package-name-wrong"):
        return {}
    # Where no release fits, the other lines are judged with any.
    bounds = tuple(filter(is_tensorflow, profile.packages.requirements))
    candidates = _candidates(machine, profile) or _candidates(machine, _freed(profile, {}, bounds))
    if not candidates:
        return {}
    selection = selection_of(machine, profile, candidates[0].best)

    def failure(*lines: str) -> str:
        try:
            ask_resolver(context, machine, selection, lines, prefer=(), once=True, alone=True)
        except TfprovError as refused:
            return " ".join(refused.evidence)
        return ""

    lines = [line for line in profile.packages.requirements if not is_tensorflow(line)]
    found: dict[str, str] = {}
    while lines and (message := failure(*lines)):
        named = next((line for line in lines if _is_named(Requirement(line), message)), None)
        if named is None:
            break
        lines.remove(named)
        requirement = Requirement(named)
        pin = re.fullmatch(r"(?P<public>==[\d.]+)(?P<build>\+.+)?", str(requirement.specifier))
        near = on_any_version(requirement, f"{pin['public']}{'' if pin['build'] else '.*'}") if pin else ""
        if _NO_PROJECT in message:
            other = near_name(requirement.name)
            line = on_any_version(requirement).replace(requirement.name, other, 1) if other else ""
            found[named] = line if line and not failure(line) else ""
        else:
            found[named] = near if near and not failure(near) else on_any_version(requirement)
    return found


def _is_named(requirement: Requirement, message: str) -> bool:
    """Whether the resolver's message says that there is no such version, or no such project, as required."""
    name = re.escape(canonicalize_name(requirement.name))
    there_is = rf"no version of {name}[=<>!~\s]|only {name}[=<>!~]\S* is available and you require {name}[=<>!~]"
    return re.search(rf"(?i){there_is}|\b{name} {_NO_PROJECT}", message) is not None


def _with_all_possible(profile: Profile, others: Mapping[str, str]) -> _Change:
    """A change that replaces all requirements in `others`; see `_impossible`."""
    asked = tuple(others.get(line, line) for line in profile.packages.requirements if others.get(line, line))

    def words(solution: Solution) -> str:
        parts = []
        for line, other in others.items():
            parts.append(f"`{_taken(other, solution)}` instead of `{line}`" if other else f"without `{line}`")
        return f"{', '.join(parts)}: this resolves, with {_pair(solution)}"

    return _Change(profile=with_requirements(profile, asked), words=words)


def _several(context: Context, machine: Machine, profile: Profile, impossible: Mapping[str, str]) -> str | None:
    """A hint to change several lines, as few as were found in time; None if nothing resolves.

    The versions in the lines are passed to the resolver as preferences. Lines that have another version in its solution
    are those to change. First only pins are relaxed, then all packages, then TensorFlow too.

    Args:
        context: of the run.
        machine: to resolve for.
        profile: what did not resolve.
        impossible: see `_impossible`.
    """
    until = time.monotonic() + _SEARCH_SECONDS
    asked = tuple(line for line in profile.packages.requirements if line not in impossible)
    bound = tuple(line for line in asked if (one := Requirement(line)).specifier and not one.url)
    packages = tuple(line for line in bound if not is_tensorflow(line))
    pins = tuple(line for line in packages if _pinned(line))
    for free in dict.fromkeys((pins, packages, bound)):
        best: tuple[Solution, tuple[str, ...]] | None = None
        for candidate in _candidates(machine, _freed(profile, impossible, free)):
            if time.monotonic() > until:
                break
            moved = _moved(context, machine, profile, candidate, impossible=impossible, free=free)
            if moved is not None and (best is None or len(moved[1]) < len(best[1])):
                best = moved
        if best is None:
            continue
        solution, lines = best
        for line in lines:
            fewer = tuple(each for each in lines if each != line)
            # The candidate is of a profile without the lines on TensorFlow, so that these cannot be tried with it.
            if time.monotonic() > until or line not in lines or is_tensorflow(line):
                continue
            again = _moved(context, machine, profile, solution.candidate, impossible=impossible, free=fewer)
            if again is not None:
                solution, lines = again
        others = {**impossible, **{line: "" if is_tensorflow(line) else _any_version(line) for line in lines}}
        return _with_all_possible(profile, others).words(solution) if others else None
    return None


def _moved(
    context: Context,
    machine: Machine,
    profile: Profile,
    candidate: Candidate,
    *,
    impossible: Mapping[str, str],
    free: tuple[str, ...],
) -> tuple[Solution, tuple[str, ...]] | None:
    """A solution in which the versions in some lines are only preferences, and the lines that it does not satisfy.

    Args:
        context: of the run.
        machine: to resolve for.
        profile: what did not resolve.
        candidate: of the relaxed profile.
        impossible: see `_impossible`.
        free: the lines whose versions are preferences.

    Returns:
        None if there is no solution.
    """
    prefer = tuple(pinned for line in free if (pinned := _pinned(line)))
    try:
        solution = solve_unbroken(context, machine, _freed(profile, impossible, free), candidate, prefer=prefer)
    except TfprovError:
        return None
    return solution, tuple(line for line in free if not _is_kept(line, solution))


def _is_kept(line: str, solution: Solution) -> bool:
    requirement = Requirement(line)
    taken = str(solution.release) if is_tensorflow(line) else solution.version(requirement.name)
    return taken is None or requirement.specifier.contains(taken, prereleases=True)


def _freed(profile: Profile, impossible: Mapping[str, str], free: Sequence[str]) -> Profile:
    """The profile with any version for the lines in `free`, and with the replacements in `impossible`."""
    lines = [impossible.get(line, line) for line in profile.packages.requirements]
    kept = [
        _any_version(line) if line in free else line
        for line in lines
        if line and not (line in free and is_tensorflow(line))
    ]
    changed = with_requirements(profile, tuple(kept))
    if any(map(is_tensorflow, free)):
        unbound = profile.tensorflow.model_copy(update={"version": None})
        return changed.model_copy(update={"tensorflow": unbound})
    return changed


def _candidates(machine: Machine, profile: Profile) -> tuple[Candidate, ...]:
    try:
        return decide(profile, machine.facts, table(), machine.offers).candidates
    except TfprovError:
        return ()


def _any_version(line: str) -> str:
    return on_any_version(Requirement(line))


def _pinned(line: str) -> tuple[str, str] | None:
    """The project and version that a line pins; None if it admits several versions or is a URL."""
    requirement = Requirement(line)
    found = re.fullmatch(r"==([^*,]+)", str(requirement.specifier))
    return (canonicalize_name(requirement.name), found[1]) if found and not requirement.url else None


def _with_builds(solution: Solution) -> str:
    names = ", ".join(f"`{name}`" for name in sources_in(solution.document))
    return f'`packages.build = "needed"` resolves, with {_pair(solution)}: {names} would be built'


def _other_version(line: str, solution: Solution) -> str:
    return f"`{_taken(line, solution)}` instead of `{line}` resolves, with {_pair(solution)}"


def _taken(line: str, solution: Solution) -> str:
    """A line changed to pin the version that the solution has, with its extras and marker."""
    requirement = Requirement(line)
    version = solution.release if is_tensorflow(line) else solution.version(requirement.name)
    return on_any_version(requirement, f"=={version}")


def _near(line: str) -> tuple[str, ...]:
    """Requirements on TensorFlow close to the given one, to try instead of it, the closest first.

    Returns:
        For a pinned release older than all in the compat table, the oldest minor version there if the major version is
        the same; for a separate build (`kind_of` is `rival`), `tensorflow` with the same specifier. For a pinned
        release or minor version, any release of that minor version, and those a few minor versions away, unless the
        newest is one of them. Nothing for all others.
    """
    requirement = Requirement(line)
    is_rival = kind_of(requirement.name) == "rival"
    name, specifier = "tensorflow" if is_rival else requirement.name, str(requirement.specifier)
    known = [Version(row.version) for row in table().releases]
    oldest, newest = min(known), max(known)
    found = re.fullmatch(r"(?:===?|~=)(\d+)\.(\d+)(?:[.a-z].*)?", specifier)
    major, minor = (int(found[1]), int(found[2])) if found else (newest.major, newest.minor)
    if major == oldest.major and minor < oldest.minor:
        return (f"{name}=={oldest.major}.{oldest.minor}.*",)
    same = (f"{name}{specifier}",) if is_rival and specifier else ()
    if found is None:
        return same
    series = f"=={major}.{minor}.*"
    window = f">={major}.{max(minor - _NEAR, 0)},<{major}.{minor + _NEAR + 1}"
    is_far = major == newest.major and minor + _NEAR < newest.minor
    return (*same, *(f"{name}{each}" for each in (series, *((window,) if is_far else ())) if each != specifier))


def _on_other_python(range_: str, solution: Solution) -> str:
    return f"{_pair(solution)} resolves, without the range of Python versions `{range_}`"


def _in_place_of(line: str, solution: Solution) -> str:
    return f"`tensorflow=={solution.release}` instead of `{line}` resolves, with {_pair(solution)}"


def _other_release(places: str, solution: Solution) -> str:
    return f"{_pair(solution)} resolves, without {places}"


def _without(line: str, solution: Solution) -> str:
    return f"without `{line}` it resolves, with {_pair(solution)}"


def _pair(solution: Solution) -> str:
    decision = solution.decision
    return f"TensorFlow {decision.tensorflow.version} on Python {decision.python.version}"
