"""Interpreter, release and the other packages, chosen together: the resolver is asked with a range of releases.

The plan knows what the machine and the table of known breaks admit; only the resolver knows what the other packages
need. So every candidate of the plan, the better ones first, is resolved until none is left that could give a newer
release. Where none of them resolves, smaller questions are asked, so that a hint names a change that was seen to work.
"""

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
    Selection,
    as_asked,
    ask_resolver,
    locked_choice,
    older_built,
    older_versions,
)
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
_A_YEAR = timedelta(days=365)
# Projects whose wheels on the public index are built for CUDA, and what such builds bring beside `nvidia-…`.
_BRING_CUDA = ("torch", "jax", "cupy", "onnxruntime-gpu", "xgboost", "lightgbm", "tensorrt")
_CUDA_TOOLS = frozenset({"triton", "cuda-bindings", "cuda-toolkit"})
# A wrong name is wrong for every Python.
_SAME_EVERYWHERE = frozenset({"package-name-wrong"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """What the resolver made of a candidate.

    Attributes:
        decision: with the release that it took.
        document: the PEP 751 document.
    """

    candidate: Candidate
    decision: Decision
    document: str

    @property
    def release(self) -> Version:
        """The release of TensorFlow."""
        return Version(self.decision.tensorflow.version)

    def version(self, name: str) -> str | None:
        """The version of a project in it."""
        return dict(versions_in(self.document)).get(canonicalize_name(name))


def choose(context: Context, machine: Machine) -> Choice:
    """See `Backend.choose`. Where a lock has to be made, the other packages of the profile take part in the choice.

    Raises:
        TfprovError: nothing fits, or no candidate can be resolved; a hint was tried.
    """
    profile, facts = as_asked(context.loaded), machine.facts
    locked = locked_choice(context, machine)
    if locked is not None or context.request.host is not None:
        return Choice(plan=decide(profile, facts, table(), None, locked))
    try:
        plan = decide(profile, facts, table(), machine.offers)
        if not plan.candidates or context.request.locked or not _can_resolve(machine):
            return Choice(plan=plan)
        best = _unbroken(context, machine, profile, plan.candidates)
    except TfprovError as error:
        if _may_differ(error) and _can_resolve(machine):
            _add_tried_hint(context, machine, profile, error)
        raise
    if names := sources_in(best.document):
        titles = ", ".join(f"`{name}` {best.version(name) or ''}".rstrip() for name in names)
        context.emit(Note(text=f"no wheel fits, to be built from source: {titles}"))
    return Choice(plan=_with_sizes(_decided(context, plan, best), machine, best), resolved=best.document)


def _unbroken(context: Context, machine: Machine, profile: Profile, candidates: Sequence[Candidate]) -> Solution:
    """The best solution in which nothing is known to break, and nothing that the profile asks for is old.

    Each row of known breaks that a solution needs joins the question, until no further one does.

    Raises:
        TfprovError: there is none; the rows that joined are named.
    """
    applied: tuple[Break, ...] = ()
    while True:
        try:
            best = _best_by_wheels(context, machine, profile, candidates)
        except TfprovError as error:
            error.evidence = (*error.evidence, *(f"`{row.package}` needs `{row.requires}`: {row.why}" for row in applied))
            raise
        best = _without_lag(context, machine, profile, candidates, best)
        found = tuple(row for row in breaks_in(dict(versions_in(best.document))) if row not in applied)
        if not found:
            return best
        applied += found
        candidates = [_with_breaks(candidate, found) for candidate in candidates]


def _with_breaks(candidate: Candidate, rows: Sequence[Break]) -> Candidate:
    """A candidate whose decisions hold to further rows."""
    bounds = [Constraint(requirement=row.requires, why=f"`{row.package}`: {row.why}") for row in rows if not row.adds]
    also = [Constraint(requirement=row.requires, why=f"`{row.package}`: {row.why}") for row in rows if row.adds]
    decisions = tuple(
        replace(each, constraints=(*each.constraints, *bounds), also=(*each.also, *also)) for each in candidate.decisions
    )
    return replace(candidate, decisions=decisions)


def _may_differ(error: TfprovError) -> bool:
    """Whether a failed resolve may end well with another Python or other requirements."""
    of_requirements = (Group.INTERPRETER, Group.PLATFORM, Group.RESOLVE, Group.PYTHON_DEPS)
    return error.code.group in of_requirements and error.code.name not in _SAME_EVERYWHERE


def _can_resolve(machine: Machine) -> bool:
    network = machine.network
    offline = network.offline and network.index_url is None and not network.find_links
    return not offline and machine.unreachable is None


def _best_by_wheels(
    context: Context, machine: Machine, profile: Profile, candidates: Sequence[Candidate], *, once: bool = False
) -> Solution:
    """The best solution without a build on any Python; where there is none, the best with builds, as far as allowed.

    Raises:
        TfprovError: see `_best`.
    """
    if profile.packages.build != "never":
        try:
            return _best(context, machine, profile, candidates, once=True, builds=False)
        except TfprovError as error:
            if not _may_differ(error):
                raise
    return _best(context, machine, profile, candidates, once=once)


def _best(
    context: Context,
    machine: Machine,
    profile: Profile,
    candidates: Sequence[Candidate],
    *,
    once: bool = False,
    builds: bool = True,
) -> Solution:
    """The solution with the newest release; on the Python of the earliest candidate among equals.

    Raises:
        TfprovError: that of the first candidate, when none has a solution; what is no matter of the Python at once.
    """
    best: Solution | None = None
    failures: list[tuple[Candidate, TfprovError]] = []
    for candidate in candidates:
        if best is not None and Version(candidate.best.tensorflow.version) <= best.release:
            continue
        if best is not None and candidate.best.python.path is None:
            # A Python that is not here is not brought for the sake of a newer release.
            continue
        try:
            found = _solve(context, machine, profile, candidate, builds=builds)
        except TfprovError as error:
            if not _may_differ(error):
                raise
            failures.append((candidate, error))
            continue
        if best is None or found.release > best.release:
            best = found
    if best is not None:
        return best
    (candidate, first), *others = failures
    if once:
        raise first
    try:
        # Once more, over all that can help: a stale page of the index may be what hides the answer.
        return _solve(context, machine, profile, candidate, once=False)
    except TfprovError as error:
        error.tried = (*error.tried, *(f"{_named(each)}: {_reason(why)}" for each, why in others))
        raise


def _solve(
    context: Context,
    machine: Machine,
    profile: Profile,
    candidate: Candidate,
    *,
    once: bool = True,
    builds: bool = True,
) -> Solution:
    """Resolve a candidate: its range of releases, beside the other packages.

    What TensorFlow itself depends on follows it, and it follows all others: a companion that goes with certain releases
    is of more use in its newest version than TensorFlow is, but nobody wants an old TensorFlow for the newest protobuf.
    """
    decision = candidate.best
    known = next((row for row in table().releases if row.version == decision.tensorflow.version), None)
    own = {canonicalize_name(Requirement(text).name) for text in known.requires} if known else set()
    asked = [text for text in profile.packages.requirements if not is_tensorflow(text)]
    before = [text for text in asked if canonicalize_name(Requirement(text).name) not in own]
    lines = (*before, candidate.requirement, *(text for text in asked if text not in before))
    selection = _selection(machine, profile, decision)
    document = ask_resolver(
        context,
        machine,
        selection,
        lines,
        prefer=older_versions(context),
        once=once,
        builds=builds,
        built=older_built(context),
    )
    found = dict(versions_in(document))
    release = found.get(canonicalize_name(decision.tensorflow.package)) or found.get(canonicalize_name("tensorflow"))
    taken = next((each for each in candidate.decisions if each.tensorflow.version == release), decision)
    if "tensorflow" in found and taken.tensorflow.package != "tensorflow":
        # Something asks for `tensorflow` by name. Both distributions own the same files, so the full one serves all.
        taken = replace(taken, tensorflow=replace(taken.tensorflow, package="tensorflow"))
    return Solution(candidate=candidate, decision=taken, document=document)


def _selection(machine: Machine, profile: Profile, decision: Decision) -> Selection:
    chosen = decision.python
    return Selection(
        decision=decision,
        facts=machine.facts,
        interpreter=Interpreter(path=chosen.path or "", version=chosen.version),
        constraints=profile.packages.constraints,
        build=profile.packages.build,
    )


def _without_lag(
    context: Context, machine: Machine, profile: Profile, candidates: Sequence[Candidate], best: Solution
) -> Solution:
    """A solution in which nothing that the profile asks for is old, where there is one; else the old ones are named.

    A resolver takes a release of years ago, from before a package stated what it needs, rather than none.
    """
    newest = _newest(context, machine, profile, candidates)
    lagging = _lagging(best, newest)
    for names in (lagging, *((name,) for name in lagging)) if len(lagging) > 1 else (lagging,) if lagging else ():
        held = _with_requirements(
            profile,
            tuple(
                f"{_on_any_version(requirement, f'>={newest[name].version}')}" if name in names else text
                for text in profile.packages.requirements
                for requirement in (Requirement(text),)
                for name in (canonicalize_name(requirement.name),)
            ),
        )
        with contextlib.suppress(TfprovError):
            best = _best_by_wheels(context, machine, held, candidates, once=True)
            break
    for name in _lagging(best, newest):
        text = (
            f"`{name}` {best.version(name)} is taken, which is more than a year older than {newest[name].version}: "
            "that one does not go with the rest of the profile"
        )
        context.emit(Note(text=text, level="warning"))
    return best


def _newest(
    context: Context, machine: Machine, profile: Profile, candidates: Sequence[Candidate]
) -> dict[str, Released]:
    """The newest version of each package that the profile asks for, taken by itself on any of the Pythons."""
    lines = tuple(text for text in profile.packages.requirements if not is_tensorflow(text) and "==" not in text)
    found: dict[str, Released] = {}
    pythons = {each.best.python.path: each for each in candidates if each.best.python.path is not None}
    for candidate in pythons.values() if lines else ():
        with contextlib.suppress(TfprovError):
            selection = _selection(machine, profile, candidate.best)
            document = ask_resolver(context, machine, selection, lines, prefer=(), once=True, alone=True)
            for name, released in released_in(document).items():
                if name not in found or Version(released.version) > Version(found[name].version):
                    found[name] = released
    return found


def _lagging(solution: Solution, newest: Mapping[str, Released]) -> tuple[str, ...]:
    """The packages that the solution has in a version more than a year older than the newest."""
    taken = released_in(solution.document)
    return tuple(
        name
        for name, released in newest.items()
        if name in taken and released.at and (at := taken[name].at) and released.at - at > _A_YEAR
    )


def _decided(context: Context, plan: Plan, best: Solution) -> Plan:
    """The plan with what the resolver took, and what is different for that."""
    first, taken = plan.decision, best.decision
    if taken == first:
        return plan
    if taken.tensorflow.package != first.tensorflow.package:
        text = f"another package needs `tensorflow`: it is taken instead of `{first.tensorflow.package}`"
        context.emit(Note(text=text))
    now, before = taken.tensorflow.version, first.tensorflow.version
    refused = plan.refused
    if now != before:
        context.emit(Note(text=f"TensorFlow {now} instead of {before}: the other packages of the profile need it"))
    if taken.python.path != first.python.path:
        why = "the other packages have no answer there"
        if now == before:
            context.emit(Note(text=f"Python {taken.python.version} instead of {first.python.version}: {why}"))
        left = Refused(what=_python_of(first), code="resolver-conflict", why=why)
        refused = (left, *(each for each in refused if each.what != _python_of(taken)))
    return replace(plan, decision=taken, refused=refused)


def _python_of(decision: Decision) -> str:
    return f"Python {decision.python.version} ({decision.python.path})"


def _with_sizes(plan: Plan, machine: Machine, best: Solution) -> Plan:
    """The plan with the bytes of the whole download, and a word about CUDA that comes although none is wanted."""
    version, facts = plan.decision.python.version, machine.facts
    found = pylock.sizes(
        best.document,
        environment=marker_environment(version, "cpython", facts),
        tags=supported_tags(version, False, facts),
    )
    cuda = [size for name, size in found.items() if name.startswith("nvidia-") or name in _CUDA_TOOLS]
    notes = plan.notes
    if cuda and plan.decision.tensorflow.accelerator == "cpu":
        bringers = " and ".join(f"`{name}`" for name in _BRING_CUDA if name in found) or "another package"
        notes = (
            *notes,
            f"{bringers} brings {len(cuda)} CUDA packages, {sum(filter(None, cuda)) / 1e9:.1f} GB, although the environment is "
            "for the CPU; an index with its CPU build, first in `index.extra`, avoids them",
        )
    # Some indexes say nothing about sizes: then the table's figure for TensorFlow alone is the better one.
    download = max(plan.download_bytes or 0, sum(filter(None, found.values())))
    return replace(plan, download_bytes=download or None, notes=notes)


def _named(candidate: Candidate) -> str:
    newest, oldest = candidate.best.tensorflow, candidate.decisions[-1].tensorflow
    return f"Python {candidate.best.python.version} with {newest.package} {oldest.version} to {newest.version}"


def _reason(error: TfprovError) -> str:
    return next(iter(error.evidence), error.what)


def _add_tried_hint(context: Context, machine: Machine, profile: Profile, error: TfprovError) -> None:
    """Replace the hint of a failed resolve by single changes of the profile after which it was seen to resolve."""
    if not any(not is_tensorflow(text) for text in profile.packages.requirements):
        return
    until = time.monotonic() + _SEARCH_SECONDS
    found: list[str] = []
    for change in _changes(profile):
        if time.monotonic() > until or len(found) == _MOST_HINTS or (change.is_last_resort and found):
            break
        solution = _any_solution(context, machine, change.profile)
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
        free = _on_any_version(requirement)
        yield _Change(
            profile=_with_requirements(profile, tuple(free if each == line else each for each in asked)),
            words=partial(_other_version, line, requirement.name),
        )
    bounds = [line for line in asked if is_tensorflow(line)]
    version = profile.tensorflow.version
    if bounds or version:
        free_profile = _with_requirements(profile, tuple(line for line in asked if line not in bounds))
        unbound = profile.tensorflow.model_copy(update={"version": None})
        places = [f"`{line}`" for line in bounds] + ([f'`tensorflow.version = "{version}"`'] if version else [])
        yield _Change(
            profile=free_profile.model_copy(update={"tensorflow": unbound}),
            words=partial(_other_release, " and ".join(places)),
        )
    for line in asked:
        if not is_tensorflow(line):
            yield _Change(
                profile=_with_requirements(profile, tuple(each for each in asked if each != line)),
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


def _on_any_version(requirement: Requirement, specifier: str = "") -> str:
    """A requirement on any version, or on those of another specifier."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{specifier}" + (f"; {requirement.marker}" if requirement.marker else "")


def _with_requirements(profile: Profile, lines: tuple[str, ...]) -> Profile:
    return profile.model_copy(update={"packages": profile.packages.model_copy(update={"requirements": lines})})


def _any_solution(context: Context, machine: Machine, profile: Profile) -> Solution | None:
    """A solution of a changed profile on any Python; None when there is none."""
    try:
        candidates = decide(profile, machine.facts, table(), machine.offers).candidates
    except TfprovError:
        return None
    for candidate in candidates:
        with contextlib.suppress(TfprovError):
            return _solve(context, machine, profile, candidate)
    return None
