"""Finds a hint for requirements that do not resolve: changes to the profile after which a resolve succeeded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tfprov.diagnose.remedies import near_name
from tfprov.errors import TfprovError
from tfprov.ladder.builds import USES_NETWORK
from tfprov.lock.resolve import NO_PROJECT, NOT_BUILT, OF_BUILDS, is_tensorflow
from tfprov.pipeline.backends.venv.changes import Change, any_version, changes, near_of_all, pair, with_all_possible
from tfprov.pipeline.backends.venv.resolving import ask_resolver
from tfprov.pipeline.backends.venv.search_time import SearchTime
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
from tfprov.pipeline.other_platforms import plan_for_all
from tfprov.plan.compat import table
from tfprov.plan.records import Candidate, Decision
from tfprov.profile.records import Profile

# Processor time of each search: a hint is worth some seconds, not minutes.
_SEARCH_SECONDS = 20.0
_MOST_HINTS = 3
# A change to more lines than these, and to more than half of those with versions, is another list.
_FEW_LINES = 3
_MOST_LINES = 8


def add_tried_hint(context: Context, machine: Machine, profile: Profile, error: TfprovError) -> None:
    """Replace the hint of a failed resolve by changes to the profile after which a resolve succeeded.

    Requirements that no version satisfies are changed all together; the evidence names those that the failure does not.
    Where all of these only need a newer Python, other releases of TensorFlow are tried, too. If there are none, one
    line is changed at a time. If none of that helps, several lines are changed.

    Args:
        context: of the run.
        machine: to resolve for.
        profile: what did not resolve.
        error: the failure; its hint is replaced.
    """
    if all(map(is_tensorflow, profile.packages.requirements)) or USES_NETWORK in error.evidence:
        return
    limit = SearchTime(_SEARCH_SECONDS)
    found: list[str] = []
    impossible, python = _impossible(context, machine, profile)
    told = " ".join(error.evidence)
    for reason, lines in (
        ("no version satisfies", [line for line in impossible if line not in python]),
        (f"no version for Python {', '.join(sorted({*python.values()}))} satisfies", list(python)),
    ):
        if len(lines) > 1 or any(line not in told for line in lines):
            error.evidence = (*error.evidence, f"{reason} {', '.join(f'`{line}`' for line in lines)}")
    together = (with_all_possible(profile, impossible),) if impossible else ()
    # With another TensorFlow, lines that need a newer Python may stay as they are.
    one_by_one = of_interest(profile, error) if not impossible else ()
    single = changes(profile, machine.facts, one_by_one) if len(python) == len(impossible) else ()
    to_try: Iterable[Change] = (*together, *single)
    if context.request.host is not None:
        # Nothing is built here for another machine, whatever the profile says of builds.
        to_try = (change for change in to_try if change.profile.packages.build == profile.packages.build)
    has_resolved = False
    for change in to_try:
        if limit.is_over or len(found) == _MOST_HINTS or (change.is_last_resort and found):
            break
        if change.is_alternative and has_resolved:
            continue
        solution = any_solution(context, machine, change.profile, limit=limit)
        if solution is not None and _lost_extras(machine, profile.packages.requirements, solution):
            solution = None
        has_resolved = solution is not None
        if solution is not None and not (change.is_any_release and any(pair(solution) in text for text in found)):
            found.append(change.words(solution))
    if not found and (several := _several(context, machine, profile, impossible)):
        found.append(several)
    # Installing a build tool and correcting a name are remedies as well, so these hints are kept.
    own = [error.hint] if error.hint and error.code.name in ("build-tool-missing", "package-name-wrong") else []
    error.hint = "; or ".join((*own, *found)) or "no change to a few lines was found that resolves"


def of_interest(profile: Profile, error: TfprovError) -> tuple[str, ...]:
    """The requirements, those that the resolver's messages mention first: most others have no part in the conflict."""
    message = re.sub(r"[_.]+", "-", " ".join((*error.evidence, *error.tried)).lower())

    def is_named(line: str) -> bool:
        name = re.escape(canonicalize_name(Requirement(line).name))
        return re.search(rf"(?<![\w-]){name}(?![\w-])", message) is not None

    return tuple(sorted(profile.packages.requirements, key=lambda line: not is_named(line)))


def _impossible(context: Context, machine: Machine, profile: Profile) -> tuple[dict[str, str], dict[str, str]]:
    """The requirements that no version satisfies, whatever else is asked for.

    The resolver names only the first one, and none where it meets a contradiction between others before.

    Returns:
        The replacement for each: versions that begin with the requested one (4.6.0.66 for 4.6.0, 2.1.0 for the build
        2.1.0+cu121), or any version if there are none; if there is no such project, a known one of a similar name that
        the index has, else empty. And the newest Python that the profile admits, for those that need a newer one.
    """
    decision = _on_newest_python(machine, profile)
    if decision is None:
        return {}, {}
    selection = selection_of(machine, profile, decision)

    def failure(*lines: str) -> str:
        try:
            ask_resolver(context, machine, selection, lines, prefer=(), once=True, alone=True)
        except TfprovError as refused:
            return " ".join(refused.evidence)
        return ""

    lines = [line for line in profile.packages.requirements if not is_tensorflow(line)]
    found: dict[str, str] = {}
    python: dict[str, str] = {}
    while lines and (message := failure(*lines)):
        named = _needs_newer(lines, message, decision.python.version)
        if named is not None:
            python[named] = decision.python.version
        else:
            named = next((line for line in lines if _is_named(Requirement(line), message)), None)
        if named is None:
            break
        lines.remove(named)
        requirement = Requirement(named)
        pin = (
            None
            if named in python
            else re.fullmatch(r"(?P<public>==[\d.]+)(?P<build>\+.+)?", str(requirement.specifier))
        )
        near = on_any_version(requirement, f"{pin['public']}{'' if pin['build'] else '.*'}") if pin else ""
        if NO_PROJECT in message:
            other = near_name(requirement.name)
            line = on_any_version(requirement).replace(requirement.name, other, 1) if other else ""
            found[named] = line if line and not failure(line) else ""
        else:
            found[named] = near if near and not failure(near) else on_any_version(requirement)
    return found, python


def _on_newest_python(machine: Machine, profile: Profile) -> Decision | None:
    """The decision for the newest Python that the profile admits; None where it admits none.

    Where no release fits, it is one for any release and without the other lines, which are judged all the same.
    """
    if candidates := _candidates(machine, profile):
        return max((each.best for each in candidates), key=lambda each: Version(each.python.version))
    bounds = tuple(filter(is_tensorflow, profile.packages.requirements))
    try:
        unbound = with_requirements(_freed(profile, {}, bounds), ())
        return plan_for_all(unbound, machine.facts, table(), machine.offers).decision
    except TfprovError:
        return None


def _is_named(requirement: Requirement, message: str) -> bool:
    """Whether the resolver's message says that there is no such version, or no such project, as required."""
    name = re.escape(canonicalize_name(requirement.name))
    there_is = rf"no version of {name}[=<>!~\s]|only {name}[=<>!~]\S* is available and you require {name}[=<>!~]"
    return re.search(rf"(?i){there_is}|\b{name} {NO_PROJECT}", message) is not None


def _needs_newer(lines: Sequence[str], message: str, python: str) -> str | None:
    """The line of which the resolver says that all its versions need a newer Python than this one; None for none."""
    for line in lines:
        name = re.escape(canonicalize_name(Requirement(line).name))
        if not re.search(rf"(?i)you require {name}(?![\w.-])", message):
            continue
        found = re.search(rf"(?i)\b{name}[<>=!~]\S* (?:depends on|requires) Python ?>=(?P<least>[\d.]+\d)", message)
        if found and Version(python) < Version(found["least"]):
            return line
    return None


def _lost_extras(machine: Machine, lines: Sequence[str], solution: Solution) -> tuple[str, ...]:
    """The lines that a solution changes to a version without an extra that they ask for."""
    missing = {(canonicalize_name(name), version, extra) for name, version, extra in machine.missing_extras}
    return tuple(
        line
        for line in lines
        for requirement in (Requirement(line),)
        if not _is_kept(line, solution)
        if any(
            (canonicalize_name(requirement.name), solution.version(requirement.name), canonicalize_name(extra))
            in missing
            for extra in requirement.extras
        )
    )


def _several(context: Context, machine: Machine, profile: Profile, impossible: Mapping[str, str]) -> str | None:
    """A hint to change several lines, as few as were found in time; None if nothing resolves.

    The versions in the lines are passed to the resolver as preferences. Lines that have another version in its solution
    are those to change. First only pins are relaxed, then all packages, then these with a near release of TensorFlow,
    then with any. Where that fails because a source cannot be built, or would cost a line its extra, that line is left
    out.

    Args:
        context: of the run.
        machine: to resolve for.
        profile: what did not resolve.
        impossible: see `_impossible`.
    """
    broken: set[str] = set()
    limit = SearchTime(_SEARCH_SECONDS)
    asked = tuple(line for line in profile.packages.requirements if line not in impossible)
    bound = tuple(line for line in asked if (one := Requirement(line)).specifier and not one.url)
    packages = tuple(line for line in bound if not is_tensorflow(line))
    pins = tuple(line for line in packages if _pinned(line))
    near_too = {**impossible, **near_of_all(tuple(filter(is_tensorflow, bound)))}
    stages = [(pins, impossible), (packages, impossible), (packages, near_too), (bound, impossible)]
    for number, (free, changed) in enumerate(stages):
        if (free, changed) in stages[:number]:
            continue
        best: tuple[Solution, tuple[str, ...]] | None = None
        for candidate in _candidates(machine, _freed(profile, changed, free)):
            if limit.is_over:
                break
            moved = _moved(context, machine, profile, candidate, changed=changed, free=free, broken=broken)
            if moved is not None and (best is None or len(moved[1]) < len(best[1])):
                best = moved
        if best is None:
            continue
        solution, lines = best
        for line in lines:
            fewer = tuple(each for each in lines if each != line)
            # The candidate is of a profile without the lines on TensorFlow, so that these cannot be tried with it.
            if limit.is_over or line not in lines or is_tensorflow(line):
                continue
            again = _moved(context, machine, profile, solution.candidate, changed=changed, free=fewer, broken=broken)
            if again is not None:
                solution, lines = again
        others = {**changed, **{line: "" if is_tensorflow(line) else any_version(line) for line in lines}}
        if len(others) > _MOST_LINES or len(others) > max(_FEW_LINES, len(bound) / 2):
            count = f"{len(others)} of the {len(profile.packages.requirements)} lines"
            return f"no small change resolves: {count} would have to change, for {pair(solution)}"
        return with_all_possible(profile, others).words(solution) if others else None
    if broken - impossible.keys():
        return _several(context, machine, profile, {**impossible, **dict.fromkeys(sorted(broken), "")})
    return None


def _moved(
    context: Context,
    machine: Machine,
    profile: Profile,
    candidate: Candidate,
    *,
    changed: Mapping[str, str],
    free: tuple[str, ...],
    broken: set[str],
) -> tuple[Solution, tuple[str, ...]] | None:
    """A solution in which the versions in some lines are only preferences, and the lines that it does not satisfy.

    Args:
        context: of the run.
        machine: to resolve for.
        profile: what did not resolve.
        candidate: of the relaxed profile.
        changed: the replacement for each line that is to change in any case; see `_impossible`.
        free: the lines whose versions are preferences.
        broken: the lines of which the sources cannot be built, or of which only versions without an extra fit; new ones
            are added.

    Returns:
        None if there is no solution.
    """
    prefer = tuple(pinned for line in free if (pinned := _pinned(line)))
    try:
        solution = solve_unbroken(context, machine, _freed(profile, changed, free), candidate, prefer=prefer)
    except TfprovError as error:
        failed = NOT_BUILT.match(error.what) if error.code.name in OF_BUILDS else None
        name = canonicalize_name(failed["name"]) if failed else ""
        broken.update(
            each for each in profile.packages.requirements if canonicalize_name(Requirement(each).name) == name
        )
        return None
    if lost := _lost_extras(machine, free, solution):
        broken.update(lost)
        return None
    return solution, tuple(line for line in free if not _is_kept(line, solution))


def _is_kept(line: str, solution: Solution) -> bool:
    requirement = Requirement(line)
    taken = str(solution.release) if is_tensorflow(line) else solution.version(requirement.name)
    return taken is None or requirement.specifier.contains(taken, prereleases=True)


def _freed(profile: Profile, changed: Mapping[str, str], free: Sequence[str]) -> Profile:
    """The profile with any version for the lines in `free`, and with the replacements in `changed`."""
    lines = [changed.get(line, line) for line in profile.packages.requirements]
    kept = [
        any_version(line) if line in free else line
        for line in lines
        if line and not (line in free and is_tensorflow(line))
    ]
    relaxed = with_requirements(profile, tuple(kept))
    if any(map(is_tensorflow, free)):
        unbound = profile.tensorflow.model_copy(update={"version": None})
        return relaxed.model_copy(update={"tensorflow": unbound})
    return relaxed


def _candidates(machine: Machine, profile: Profile) -> tuple[Candidate, ...]:
    try:
        return plan_for_all(profile, machine.facts, table(), machine.offers).candidates
    except TfprovError:
        return ()


def _pinned(line: str) -> tuple[str, str] | None:
    """The project and version that a line pins; None if it admits several versions or is a URL.

    `==1.15.4.*`, which conda's `=1.15.4` is read as, pins 1.15.4.
    """
    requirement = Requirement(line)
    found = re.fullmatch(r"==([^*,]+?)(?:\.\*)?", str(requirement.specifier))
    return (canonicalize_name(requirement.name), found[1]) if found and not requirement.url else None
