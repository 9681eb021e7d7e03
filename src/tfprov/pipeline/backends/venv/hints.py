"""A hint for requirements that do not resolve: single changes of the profile that were seen to resolve."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tfprov.errors import Group, TfprovError
from tfprov.events import Note
from tfprov.host.records import Interpreter
from tfprov.lock import pylock
from tfprov.lock.renew import Released, released_in, versions_in
from tfprov.lock.resolve import is_tensorflow, sources_in
from tfprov.pipeline.backends.venv.locking import (
    as_asked,
    locked_choice,
    older_built,
    older_versions,
)
from tfprov.pipeline.backends.venv.solving import Solution, any_solution, best_by_wheels, can_resolve, may_differ, on_any_version, selection_of, with_requirements
from tfprov.pipeline.backends.venv.resolving import Selection, ask_resolver
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.pipeline.records import Choice
from tfprov.plan.companions import Break, breaks_in
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.plan.records import Candidate, Constraint, Decision, Plan, Refused
from tfprov.plan.tags import marker_environment, supported_tags
from tfprov.profile.records import Profile

# A hint is worth some seconds, not minutes.
_SEARCH_SECONDS = 30.0
_MOST_HINTS = 3


def add_tried_hint(context: Context, machine: Machine, profile: Profile, error: TfprovError) -> None:
    """Replace the hint of a failed resolve by single changes of the profile after which it was seen to resolve."""
    if not any(not is_tensorflow(text) for text in profile.packages.requirements):
        return
    until = time.monotonic() + _SEARCH_SECONDS
    found: list[str] = []
    for change in _changes(profile):
        if time.monotonic() > until or len(found) == _MOST_HINTS or (change.is_last_resort and found):
            break
        solution = any_solution(context, machine, change.profile)
        if solution is not None:
            found.append(change.words(solution))
    # What a build lacks can be installed, too.
    own = [error.hint] if error.code.name == "build-tool-missing" else []
    error.hint = "; or ".join((*own, *found)) or "no change of a single line was found that would resolve"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A change of a profile.

    Attributes:
        profile: after the change.
        words: says the change, given what the resolver made of it.
        is_last_resort: whether it is of interest only where no other does.
    """

    profile: Profile
    words: Callable[[Solution], str]
    is_last_resort: bool = False


def _changes(profile: Profile) -> Iterator[_Change]:
    """Single changes, the smaller ones first: another version of one package, of TensorFlow, no such package."""
    asked = profile.packages.requirements
    if profile.packages.build != "needed":
        free_packages = profile.packages.model_copy(update={"build": "needed"})
        yield _Change(profile=profile.model_copy(update={"packages": free_packages}), words=_with_builds)
    for line in asked:
        requirement = Requirement(line)
        if is_tensorflow(line) or requirement.url or not requirement.specifier:
            continue
        free = on_any_version(requirement)
        yield _Change(
            profile=with_requirements(profile, tuple(free if each == line else each for each in asked)),
            words=partial(_other_version, line, requirement.name),
        )
    bounds = [line for line in asked if is_tensorflow(line)]
    version = profile.tensorflow.version
    if bounds or version:
        free_profile = with_requirements(profile, tuple(line for line in asked if line not in bounds))
        unbound = profile.tensorflow.model_copy(update={"version": None})
        places = [f"`{line}`" for line in bounds] + ([f'`tensorflow.version = "{version}"`'] if version else [])
        yield _Change(
            profile=free_profile.model_copy(update={"tensorflow": unbound}),
            words=partial(_other_release, " and ".join(places)),
        )
    for line in asked:
        if not is_tensorflow(line):
            yield _Change(
                profile=with_requirements(profile, tuple(each for each in asked if each != line)),
                words=partial(_without, line),
                is_last_resort=True,
            )


def _with_builds(solution: Solution) -> str:
    names = ", ".join(f"`{name}`" for name in sources_in(solution.document))
    return f'`packages.build = "needed"` resolves, with {_pair(solution)}: {names} would be built'


def _other_version(line: str, name: str, solution: Solution) -> str:
    return f"`{name}=={solution.version(name)}` instead of `{line}` resolves, with {_pair(solution)}"


def _other_release(places: str, solution: Solution) -> str:
    return f"{_pair(solution)} resolves, without {places}"


def _without(line: str, solution: Solution) -> str:
    return f"without `{line}` it resolves, with {_pair(solution)}"


def _pair(solution: Solution) -> str:
    decision = solution.decision
    return f"TensorFlow {decision.tensorflow.version} on Python {decision.python.version}"
