"""Chooses interpreter, TensorFlow release and the other packages together, by resolving with a range of releases.

The plan knows what the machine and the tables of releases and incompatibilities allow; only the resolver knows what the
other packages need. So the candidates of the plan are resolved, the better ones first, until none is left that could
give a newer release. If none of them resolves, changed profiles are tried, so that the hint names a change that works.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.host.records import Facts
from tfprov.ladder.builds import needs_of
from tfprov.lock.refusals import NoWheelsError
from tfprov.lock.renew import Released, versions_in
from tfprov.lock.resolve import NO_PROJECT, is_tensorflow, sources_in
from tfprov.pipeline import other_platforms
from tfprov.pipeline.backends.venv.chosen import decided, with_sizes
from tfprov.pipeline.backends.venv.lag import newest_versions, outdated, tell_lag, without_lag
from tfprov.pipeline.backends.venv.lock_on_disk import locked_choice
from tfprov.pipeline.backends.venv.locking import asked_for
from tfprov.pipeline.backends.venv.solving import (
    Earlier,
    Solution,
    best_by_wheels,
    can_resolve,
    holding_to,
    may_differ,
    reason,
)
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine, lines_that_lead_to, way_around
from tfprov.pipeline.origins import origins
from tfprov.pipeline.records import Choice
from tfprov.plan import space
from tfprov.plan.companions import (
    PYTHON,
    Break,
    breaks_in,
    constraints_of,
    holding,
    overruling,
    settings,
    sparing,
    to_apply,
)
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.plan.demands import wants_nightly
from tfprov.plan.outlived import outlived
from tfprov.plan.records import Candidate, Constraint, Decision, Listing, Plan
from tfprov.plan.tags import marker_environment, supported_tags
from tfprov.profile.records import Profile
from tfprov.redact import redact
from tfprov.requires_dist import applies
from tfprov.structured import minor_of

# Minimum time for avoiding old versions of single packages; otherwise it may take as long as the choice itself took.
_LAG_SECONDS = 30.0
_NOT_RESOLVED = "the other packages were not resolved: that machine may take another release or Python for them"
_NOT_BUILT = "it has no wheel for that machine, where it would be built; what it needs is not in this plan"
_NOT_TOGETHER = (
    "the other packages were not resolved: no wheels of them go together, and nothing is built here for that machine"
)


class SameFilesError(TfprovError):
    """The profile asks for two packages that contain the same files. Its hint says which one to ask for."""


def choose(context: Context, machine: Machine) -> Choice:
    """See `Backend.choose`. If a new lock has to be made, the choice depends on the other packages of the profile, too.

    Raises:
        TfprovError: nothing fits, or no candidate can be resolved. A change that its hint proposes was tried.
    """
    profile, facts = context.loaded.asked, machine.facts
    locked = locked_choice(context, machine)
    if locked is None and context.request.host is not None:
        return Choice(plan=_for_another_machine(context, machine, profile))
    if locked is not None:
        plan = decide(profile, facts, table(), None, locked)
        return Choice(plan=replace(plan, notes=(*plan.notes, *locked.breaks)))
    try:
        plan = other_platforms.plan_for_all(profile, facts, table(), machine.offers)
        plan = replace(plan, notes=(*plan.notes, *space.notes(plan, facts, table())))
        can_choose = plan.candidates and not context.request.locked and can_resolve(machine)
        best = _unbroken(context, machine, profile, plan.candidates) if can_choose else None
    except TfprovError as error:
        if error.code.name == "offline-missing" and machine.unreachable is not None:
            dead = machine.unreachable
            error.evidence = (*error.evidence, dead.what, *(each for each in dead.evidence if each not in dead.what))
        absent = (f"`{redact(url)}` cannot be reached, and may have it" for url in machine.left_out)
        error.evidence = tuple(dict.fromkeys((*error.evidence, *lines_that_lead_to(profile, error), *absent)))
        error.hint = way_around(profile, error) or error.hint
        _with_hints(context, machine, profile, error)
        raise
    if not context.request.locked:
        _check_platforms(profile, facts, best.decision if best else plan.decision, machine.offers)
    if best is None:
        names = [Requirement(line).name for line in profile.packages.requirements]
        return Choice(plan=_with_origins(context, machine, plan, (plan.decision.tensorflow.package, *names)))
    for name, version, extra in sorted(machine.missing_extras):
        if best.version(name) == version:
            context.emit(Note(text=f"`{name}` {version} has no extra `{extra}`: it is left out", level="warning"))
    own = {folder.name for folder in context.loaded.folders}
    asked = {canonicalize_name(name) for name in context.loaded.profile.packages.no_binary}
    built = [name for name in sources_in(best.document) if name not in own]
    for names, why in (
        ([name for name in built if name not in asked], "no wheel fits, to be built from source"),
        ([name for name in built if name in asked], "to be built from source, as asked"),
    ):
        if names:
            titles = ", ".join(f"`{name}` {best.version(name) or ''}".rstrip() for name in names)
            context.emit(Note(text=f"{why}: {titles}"))
    for line in needs_of(built):
        context.emit(Note(text=line))
    plan = _with_origins(context, machine, decided(context, plan, best), dict(versions_in(best.document)))
    return Choice(
        plan=with_sizes(plan, machine, best),
        resolved=best.document,
        resolved_for=best.candidate.best,
    )


def _check_platforms(profile: Profile, facts: Facts, here: Decision, listing: Listing | None) -> None:
    """Check that the release of a decision is available on all platforms that the lock must serve.

    Raises:
        TfprovError: it is not; the message names the platform.
    """
    if other_platforms.others(profile, facts):
        python = minor_of(here.python.version)
        tuple(other_platforms.decisions(profile, facts, here, python=python, table=table(), listing=listing))


def _with_hints(context: Context, machine: Machine, profile: Profile, error: TfprovError) -> None:
    """Add changes of the profile that resolve to a failure, where another profile may resolve at all."""
    is_named = error.code.name == "package-name-wrong"
    if (may_differ(error) or is_named) and can_resolve(machine) and not isinstance(error, SameFilesError):
        from tfprov.pipeline.backends.venv.hints import add_tried_hint

        add_tried_hint(context, machine, profile, error)


def choose_within(context: Context, machine: Machine, bounds: Sequence[str]) -> Choice:
    """A choice within bounds in addition to those of the profile, regardless of an existing lock.

    Args:
        context: of the run.
        machine: to choose for.
        bounds: PEP 508 lines, those on `python` for the interpreter; see `plan.companions`.

    Raises:
        TfprovError: nothing fits within the bounds.
    """
    profile = context.loaded.asked
    pythons = [str(needed.specifier) for line in bounds if (needed := Requirement(line)).name == PYTHON]
    version = ",".join(filter(None, (profile.python.version, *pythons))) or None
    constraints = (*profile.packages.constraints, *constraints_of(bounds))
    profile = profile.model_copy(
        update={
            "python": profile.python.model_copy(update={"version": version}),
            "packages": profile.packages.model_copy(update={"constraints": constraints}),
        }
    )
    plan = other_platforms.plan_for_all(profile, machine.facts, table(), machine.offers)
    if not plan.candidates or not can_resolve(machine):
        return Choice(plan=plan)
    best = _unbroken(context, machine, profile, plan.candidates)
    return Choice(plan=decided(context, plan, best), resolved=best.document, resolved_for=best.candidate.best)


def _with_origins(context: Context, machine: Machine, plan: Plan, projects: Iterable[str]) -> Plan:
    if context.request.name_indexes != "plan":
        return plan  # where a lock is made, all its packages are reported together
    return replace(plan, notes=(*plan.notes, *origins(context, machine, projects)))


def _for_another_machine(context: Context, machine: Machine, profile: Profile) -> Plan:
    """The plan for another machine (`--host`).

    If the profile asks for more than TensorFlow, the resolver is asked for the platform of that machine, with wheels
    only: nothing is built for it here. Otherwise the index is read only if the profile asks for builds that the compat
    table cannot know: a nightly build, or those on extra indexes and find-links. A note says what was not resolved.
    """
    facts, index = machine.facts, profile.index
    ask = bool(index.extra or index.find_links) or wants_nightly(profile, facts)
    offers = machine.offers if ask else None
    cpu = profile.model_copy(update={"tensorflow": profile.tensorflow.model_copy(update={"accelerator": "cpu"})})
    plan = other_platforms.plan_for_all(profile, facts, table(), offers)
    notes: tuple[str, ...] = ()
    if not all(map(is_tensorflow, profile.packages.requirements)):
        plan, notes = _resolved_elsewhere(context, machine, profile, plan)
    _check_platforms(profile, facts, plan.decision, offers)
    plan = space.with_room(plan, facts, table(), lambda: other_platforms.plan_for_all(cpu, facts, table(), offers))
    return replace(plan, notes=(*plan.notes, *space.notes(plan, facts, table()), *notes))


def _resolved_elsewhere(
    context: Context, machine: Machine, profile: Profile, plan: Plan
) -> tuple[Plan, tuple[str, ...]]:
    """The plan for another machine with the resolver's decision, and a note if there is none.

    Packages without a wheel for that machine are not built here: the plan is that of all others, and lists them.

    Raises:
        TfprovError: what a build would not change: `resolver-conflict`; `package-name-wrong` for a name that no index
            has.
    """
    asked = profile.model_copy(update={"packages": profile.packages.model_copy(update={"build": "never"})})
    if machine.uv_platform is None or machine.offers is None or not (plan.candidates and can_resolve(machine)):
        return plan, (_NOT_RESOLVED,)
    apart: tuple[Constraint, ...] = ()
    while True:
        candidates = [_beside(each, apart) for each in plan.candidates]
        try:
            best = _unbroken(context, machine, asked, candidates)
        except NoWheelsError as error:
            known = {each.requirement for each in apart}
            every = (_without_wheels(machine, plan.decision, error), _only_sources(machine, error))
            lacking = next(filter(None, ([name for name in names if name not in known] for names in every)), ())
            if not lacking:
                names = ", ".join(f"`{name}`" for name in error.names)
                return plan, (f"{_NOT_TOGETHER} (uv also tried versions of {names} without one)",)
            apart += tuple(Constraint(requirement=name, why=_NOT_BUILT) for name in lacking)
        except TfprovError as error:
            if error.code.name == "resolver-conflict" or _lacks_other(error):
                _with_hints(context, machine, asked, error)
                raise
            return plan, (f"{_NOT_RESOLVED} ({reason(error)})",)
        else:
            return with_sizes(decided(context, plan, best), machine, best), ()


def _lacks_other(error: TfprovError) -> bool:
    """Whether the index has no project of a name that is not TensorFlow's, which it may have for that machine alone."""
    found = re.search(rf"(\S+) {NO_PROJECT}", " ".join(error.evidence))
    return error.code.name == "package-name-wrong" and found is not None and not is_tensorflow(found[1])


def _beside(candidate: Candidate, apart: tuple[Constraint, ...]) -> Candidate:
    """The candidate, without some packages."""
    decisions = tuple(replace(each, without=(*each.without, *apart)) for each in candidate.decisions)
    return replace(candidate, decisions=decisions)


def _without_wheels(machine: Machine, decision: Decision, error: NoWheelsError) -> Sequence[str]:
    """Those of the projects that have no wheel for the Python of a decision, or none of the version that is taken.

    That is the newest, or the one that TensorFlow is bound to. The resolver also names projects that it tried in older
    versions, because nothing newer went with the others.
    """
    python, release = decision.python.version, table().release(decision.tensorflow.version)
    needed = map(Requirement, release.requires if release else ())
    bound = {(canonicalize_name(each.name), str(each.specifier).removeprefix("==")) for each in needed}
    tags = frozenset(supported_tags(python, False, machine.facts))
    return [
        name
        for name in error.names
        if (name, error.versions.get(name)) in bound
        or machine.lacks_wheels(name, python=python, tags=tags)
        or machine.newest_source(name) is not None
    ]


def _only_sources(machine: Machine, error: NoWheelsError) -> Sequence[str]:
    """Those of the projects that have no wheel for any Python, or none of the version that is needed on one of them."""
    pins = {(name, each.versions.get(name)) for each in (error, *error.others) for name in each.names}
    return sorted(
        name
        for name, version in pins
        if (machine.only_sources(name, version) if version else not machine.has_wheels(name))
    )


def _unbroken(context: Context, machine: Machine, profile: Profile, candidates: Sequence[Candidate]) -> Solution:
    """The best solution without known incompatibilities and, if possible, without outdated requested packages.

    Rows of the table of incompatibilities are applied, and the candidates resolved again, until no further row applies.
    A row is withdrawn, at most once, if later rows have led to a solution without the version that it conflicts with
    (such as another TensorFlow release).

    Raises:
        TfprovError: there is none; the evidence includes the rows that were applied.
    """
    applied: tuple[Break, ...] = ()
    taken_back: tuple[Break, ...] = ()
    newest: dict[str, Released] = {}
    looked_up: set[str] = set()
    earlier = Earlier()
    began = time.monotonic()
    while True:
        bound = [holding_to(each, applied) for each in candidates]
        try:
            best = best_by_wheels(context, machine, profile, bound, earlier=earlier)
        except TfprovError as error:
            error.evidence = (*error.evidence, *map(str, applied))
            raise
        # The newest version of a package by itself does not depend on the applied rows, so it is looked up only once.
        old = outdated(profile, best, preferred=(*context.request.prefer, *context.loaded.preferred))
        if old := {name: version for name, version in old.items() if name not in looked_up}:
            looked_up.update(old)
            newest |= newest_versions(context, machine, profile, bound, old)
        now = time.monotonic()
        until = now + max(_LAG_SECONDS, now - began)
        best, untried = without_lag(context, machine, profile, bound, best, newest=newest, until=until, earlier=earlier)
        versions, python = dict(versions_in(best.document)), best.decision.python.version
        asked = profile.packages.requirements
        broken = (*breaks_in(versions, python=python), *outlived(versions, asked, python=python))
        found = tuple(row for row in broken if row not in applied and not overruling(row, asked))
        spent = tuple(row for row in applied if row.is_spent(versions) and row not in taken_back)
        if spent and not found:
            taken_back += spent
            applied = tuple(row for row in applied if row not in spent)
            earlier.forget()
            continue
        if not found:
            for row in broken:
                if pin := overruling(row, asked):
                    context.emit(Note(text=f"{row}; `{pin}` is taken, because the profile pins it", level="warning"))
            tell_lag(context, best, newest, untried)
            needed = settings(holding(versions, python=python))
            return replace(best, decision=replace(best.decision, variables=needed))
        _check_possible(found)
        found = sparing(to_apply(found), asked_for(asked))
        _tell_left_out(context, profile, found, marker_environment(python, "cpython", machine.facts))
        if any(row.leaves_out for row in found):
            # All other rows only add requirements, so what had no solution before still has none.
            earlier.forget()
        applied += found


def _check_possible(rows: Sequence[Break]) -> None:
    """Check that no row is about a package of which no version works.

    Raises:
        SameFilesError: one is.
    """
    for row in rows:
        if row.instead:
            other = canonicalize_name(Requirement(row.beside).name)
            raise SameFilesError(
                "resolver-conflict",
                f"`{row.package}` and `{other}` cannot be installed together: {row.why}",
                evidence=(f"{row.source}",),
                hint=f"ask for `{row.instead}`",
            )


def _tell_left_out(
    context: Context, profile: Profile, rows: Sequence[Break], environment: Mapping[str, object]
) -> None:
    """Warn about requested packages that are left out because another package provides the same modules."""
    needed = ((Requirement(text), text) for text in profile.packages.requirements)
    asked: dict[str, str] = {canonicalize_name(each.name): text for each, text in needed if applies(each, environment)}
    for row in rows:
        if row.leaves_out and row.package in asked:
            text = f"`{asked[row.package]}` is left out, although the profile asks for it, beside `{row.beside}`"
            context.emit(Note(text=f"{text}: {row.why}", level="warning"))
