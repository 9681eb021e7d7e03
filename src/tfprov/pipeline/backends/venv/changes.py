"""The changes to a profile that does not resolve, to try for a hint."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from packaging.requirements import Requirement
from packaging.version import Version

from tfprov.distributions import kind_of
from tfprov.host.records import Facts
from tfprov.lock.resolve import is_tensorflow, sources_in
from tfprov.pipeline.backends.venv.solving import Solution, on_any_version, with_requirements
from tfprov.plan.compat import table
from tfprov.plan.demands import conflicts
from tfprov.plan.tags import marker_environment
from tfprov.profile.records import Profile
from tfprov.structured import version_in

_NEAR = 3  # minor versions of TensorFlow, of which there are three or four a year
_ENDS = ("===", "==", "~=", "<", "<=")
"""Operators that exclude releases newer than a version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
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


def changes(profile: Profile, facts: Facts, lines: Sequence[str]) -> Iterator[Change]:
    """Single changes to try, the smaller ones first.

    Builds are allowed, then one package may have any version, then the Python, then one of several lines on TensorFlow
    is left out, then TensorFlow may have a near release or any. The last resorts are these on any Python, because lists
    of long ago ask for a release and a Python that are both too old, and leaving out one package.

    Args:
        profile: the profile to change.
        facts: of the machine to resolve for.
        lines: its requirements, in the order in which to try them.
    """
    asked = profile.packages.requirements
    if profile.packages.build != "needed":
        free_packages = profile.packages.model_copy(update={"build": "needed"})
        yield Change(profile=profile.model_copy(update={"packages": free_packages}), words=_with_builds)
    for line in lines:
        requirement = Requirement(line)
        if is_tensorflow(line) or requirement.url or not requirement.specifier:
            continue
        free = on_any_version(requirement)
        yield Change(
            profile=with_requirements(profile, tuple(free if each == line else each for each in asked)),
            words=partial(_other_version, line),
        )
    if range_ := profile.python.version:
        free_python = profile.python.model_copy(update={"version": None})
        yield Change(
            profile=profile.model_copy(update={"python": free_python}), words=partial(_on_other_python, range_)
        )
    bounds = [line for line in asked if is_tensorflow(line)]
    of_tensorflow = (*_near_releases(profile, facts, bounds), *_any_release(profile, bounds))
    yield from (each for each in of_tensorflow if not each.is_any_release)
    for line in bounds if len(bounds) > 1 else ():
        yield Change(
            profile=with_requirements(profile, tuple(each for each in asked if each != line)),
            words=partial(_without, line),
        )
    yield from (each for each in of_tensorflow if each.is_any_release)
    yield from map(partial(_and_free_python, range_), of_tensorflow if range_ else ())
    for line in lines:
        if not is_tensorflow(line):
            yield Change(
                profile=with_requirements(profile, tuple(each for each in asked if each != line)),
                words=partial(_without, line),
                is_last_resort=True,
            )


def _and_free_python(range_: str | None, change: Change) -> Change:
    """The change, and any Python; `range_` is the one that the profile asks for."""
    python = change.profile.python.model_copy(update={"version": None})
    return replace(
        change,
        profile=change.profile.model_copy(update={"python": python}),
        words=lambda solution: f"{change.words(solution)}, and without the range of Python versions `{range_}`",
        is_last_resort=True,
    )


def _near_releases(profile: Profile, facts: Facts, bounds: Sequence[str]) -> Iterator[Change]:
    """Changes to a release close to the one in each line on TensorFlow; if need be, with the parts of that release."""
    asked = profile.packages.requirements
    for line in bounds:
        # The same release is often asked for under two names, `tensorflow` and `tensorflow-gpu`.
        same = [each for each in bounds if Requirement(each).specifier == Requirement(line).specifier]
        releases = near(line) if same[0] == line else ()
        for number, own in enumerate(releases):
            kept = tuple(own if each == line else each for each in asked if each not in same[1:])
            yield Change(
                profile=with_requirements(profile, kept),
                words=partial(_in_place_of, "` and `".join(same)),
                is_alternative=number > 0,
            )
        for own in releases:
            # Lists of whole environments also pin what the release that is asked for needs: TensorBoard and the like.
            if parts := _contradicting(profile, facts, own):
                others = {line: own, **dict.fromkeys(same[1:], ""), **{each: any_version(each) for each in parts}}
                yield replace(with_all_possible(profile, others), is_alternative=True)


def _contradicting(profile: Profile, facts: Facts, own: str) -> tuple[str, ...]:
    """The requirements that contradict those of the newest release which a line on TensorFlow allows."""
    allowed = Requirement(own).specifier
    row = next((row for row in table().releases if allowed.contains(row.version, prereleases=True)), None)
    if row is None:
        return ()
    newest = max((Version(minor) for each in row.wheels for minor in each.pythons), default=Version("3"))
    others = tuple((Requirement(line), line) for line in profile.packages.requirements if not is_tensorflow(line))
    found = conflicts(others, row.requires, marker_environment(str(newest), "cpython", facts))
    return tuple(dict.fromkeys(each.where for each in found))


def _any_release(profile: Profile, bounds: Sequence[str]) -> Iterator[Change]:
    """The change to any TensorFlow release; none where the profile allows all."""
    version = profile.tensorflow.version
    if not (bounds or version):
        return
    kept = tuple(line for line in profile.packages.requirements if line not in bounds)
    unbound = profile.tensorflow.model_copy(update={"version": None})
    places = [f"`{line}`" for line in bounds] + ([f'`tensorflow.version = "{version}"`'] if version else [])
    yield Change(
        profile=with_requirements(profile, kept).model_copy(update={"tensorflow": unbound}),
        words=partial(_other_release, " and ".join(places)),
        is_last_resort=len(bounds) > 1,
        is_any_release=True,
    )


def near_of_all(bounds: Sequence[str]) -> dict[str, str]:
    """The closest release for the first line on TensorFlow, and nothing for the others; empty where there is none."""
    close = near(bounds[0]) if bounds else ()
    return {bounds[0]: close[0], **dict.fromkeys(bounds[1:], "")} if close else {}


def with_all_possible(profile: Profile, others: Mapping[str, str]) -> Change:
    """One change that replaces several requirements, each by the line beside it, or by nothing where that is empty."""
    asked = tuple(others.get(line, line) for line in profile.packages.requirements if others.get(line, line))

    def words(solution: Solution) -> str:
        parts = []
        for line, other in others.items():
            parts.append(f"`{_taken(other, solution)}` instead of `{line}`" if other else f"without `{line}`")
        return f"{', '.join(parts)}: this resolves, with {pair(solution)}"

    return Change(profile=with_requirements(profile, asked), words=words)


def any_version(line: str) -> str:
    """The requirement without its range of versions."""
    return on_any_version(Requirement(line))


def _with_builds(solution: Solution) -> str:
    names = ", ".join(f"`{name}`" for name in sources_in(solution.document))
    return f'`packages.build = "needed"` resolves, with {pair(solution)}: {names} would be built'


def _other_version(line: str, solution: Solution) -> str:
    return f"`{_taken(line, solution)}` instead of `{line}` resolves, with {pair(solution)}"


def _taken(line: str, solution: Solution) -> str:
    """A line changed to pin the version that the solution has, with its extras and marker."""
    requirement = Requirement(line)
    version = solution.release if is_tensorflow(line) else solution.version(requirement.name)
    return on_any_version(requirement, f"=={version}")


def near(line: str) -> tuple[str, ...]:
    """Requirements on TensorFlow close to the given one, to try instead of it, the closest first.

    Returns:
        For releases older than all in the compat table, the oldest minor version there if the major version is the
        same; for a separate build (`kind_of` is `rival`), `tensorflow` with the same specifier. For a pinned
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
    ends = [version_in(one.version.removesuffix(".*")) for one in requirement.specifier if one.operator in _ENDS]
    if any(end is not None and end < oldest and end.major == oldest.major for end in ends):
        return (f"{name}=={oldest.major}.{oldest.minor}.*",)
    same = (f"{name}{specifier}",) if is_rival and specifier else ()
    if found is None:
        return same
    series = f"=={major}.{minor}.*"
    window = f">={major}.{max(minor - _NEAR, 0)},<{major}.{minor + _NEAR + 1}"
    is_far = major == newest.major and minor + _NEAR < newest.minor
    return (*same, *(f"{name}{each}" for each in (series, *((window,) if is_far else ())) if each != specifier))


def _on_other_python(range_: str, solution: Solution) -> str:
    return f"{pair(solution)} resolves, without the range of Python versions `{range_}`"


def _in_place_of(line: str, solution: Solution) -> str:
    return f"`tensorflow=={solution.release}` instead of `{line}` resolves, with {pair(solution)}"


def _other_release(places: str, solution: Solution) -> str:
    return f"{pair(solution)} resolves, without {places}"


def _without(line: str, solution: Solution) -> str:
    return f"without `{line}` it resolves, with {pair(solution)}"


def pair(solution: Solution) -> str:
    """Release and Python of a solution, for messages."""
    decision = solution.decision
    return f"TensorFlow {decision.tensorflow.version} on Python {decision.python.version}"
