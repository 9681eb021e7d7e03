"""Resolves candidates of the plan: a range of TensorFlow releases together with the other packages."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tfprov.distributions import kind_of
from tfprov.errors import Group, TfprovError
from tfprov.events import Progress
from tfprov.host.records import Interpreter
from tfprov.lock.question import Builds, Pinned
from tfprov.lock.refusals import NoWheelsError
from tfprov.lock.renew import versions_in
from tfprov.lock.resolve import OF_BUILDS, is_tensorflow, tensorflows_in
from tfprov.overlapped import Overlapped
from tfprov.pipeline.backends.venv.lock_on_disk import older_built, older_versions
from tfprov.pipeline.backends.venv.locking import asked_for
from tfprov.pipeline.backends.venv.resolving import Selection, ask_resolver
from tfprov.pipeline.backends.venv.search_time import SearchTime
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.pipeline.other_platforms import plan_for_all
from tfprov.plan.companions import Break, breaks_in, of_python, overruling, sparing, to_apply, with_breaks
from tfprov.plan.compat import table
from tfprov.plan.outlived import outlived
from tfprov.plan.records import Candidate, Decision
from tfprov.profile.records import Profile

_NO_SUCH_VERSION = re.compile(
    r"[Bb]ecause (?:there is no version of (?P<line>(?P<name>[\w.-]+?)[=<>!~][^ ]*) and you require (?P=line)"
    r"|only (?P<other>[\w.-]+?)[=<>!~][^ ]* is available and you require (?P=other)[=<>!~])"
)
_SAME_EVERYWHERE = frozenset({"package-name-wrong"})  # a wrong name is wrong for every Python
_OF_PYTHON = frozenset({Group.INTERPRETER, Group.PLATFORM})

_Asked: TypeAlias = tuple[str, str, Builds]
"""What a candidate was resolved for: its Python, its range of releases, and the allowed builds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What candidates led to with fewer requirements. Both are extended.

    Attributes:
        failures: they are still valid when requirements are added.
        releases: the TensorFlow releases that were reached. With more requirements hardly any candidate gets a newer
            one, so these bound what it is worth trying for; a resolver that takes another turn might.
    """

    failures: dict[_Asked, TfprovError] = field(default_factory=dict)
    releases: dict[_Asked, Version] = field(default_factory=dict)

    def copy(self) -> Earlier:
        """One that can be extended by itself."""
        return Earlier(failures=dict(self.failures), releases=dict(self.releases))

    def forget(self) -> None:
        """Forget everything, when requirements are taken back."""
        self.failures.clear()
        self.releases.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """The resolver's result for a candidate.

    Attributes:
        candidate: what was resolved.
        decision: the candidate's decision for the release that the resolver chose.
        document: the PEP 751 document.
    """

    candidate: Candidate
    decision: Decision
    document: str

    @property
    def release(self) -> Version:
        """The TensorFlow release."""
        return Version(self.decision.tensorflow.version)

    def version(self, name: str) -> str | None:
        """The version of a project; None if the solution does not contain it."""
        return dict(versions_in(self.document)).get(canonicalize_name(name))


def may_differ(error: TfprovError) -> bool:
    """Whether a failed resolve may succeed with another Python or other requirements."""
    of_requirements = (Group.INTERPRETER, Group.PLATFORM, Group.RESOLVE, Group.PYTHON_DEPS)
    return error.code.group in of_requirements and error.code.name not in _SAME_EVERYWHERE


def can_resolve(machine: Machine) -> bool:
    """Whether there is an index or a folder to resolve from, and it has not been found unreachable in this run."""
    return machine.network.has_pages and machine.unreachable is None


def best_by_wheels(
    context: Context,
    machine: Machine,
    profile: Profile,
    candidates: Sequence[Candidate],
    *,
    once: bool = False,
    earlier: Earlier | None = None,
) -> Solution:
    """The best solution with wheels only; if no Python has one, the best with builds that the profile allows.

    At first only projects without any wheel for any Python are built, so that a Python with wheels of all others is
    preferred to one for which some have to be compiled; then those without any for the Python, then also single
    versions without any wheel, where that does not cost a newer TensorFlow, then whatever the profile allows.

    Args:
        context: of the run.
        machine: to resolve for.
        profile: what is asked for.
        candidates: the better ones first.
        once: see `ask_resolver`.
        earlier: what the candidates led to with fewer requirements; extended. None for nothing.

    Raises:
        TfprovError: see `_best`.
    """
    earlier = earlier or Earlier()
    gently: tuple[Builds, ...] = () if profile.packages.build == "never" else ("none", "nowhere", "lacking", "exact")
    newest = max(Version(each.best.tensorflow.version) for each in candidates)
    for builds in gently:
        able = [each for each in candidates if builds != "exact" or each.best.tensorflow.version == str(newest)]
        try:
            return _best(context, machine, profile, able, once=True, builds=builds, earlier=earlier)
        except TfprovError as error:
            if not may_differ(error):
                raise
    return _best(context, machine, profile, candidates, once=once, earlier=earlier)


def _best(
    context: Context,
    machine: Machine,
    profile: Profile,
    candidates: Sequence[Candidate],
    *,
    once: bool = False,
    builds: Builds = "all",
    earlier: Earlier,
) -> Solution:
    """The solution with the newest TensorFlow release; of several, that of the earliest candidate.

    Raises:
        TfprovError: when no candidate has a solution, the failure that says most about the reason; unless `once`, that
            candidate is first resolved again with all rungs. A failure that does not depend on the Python is raised at
            once.
    """
    search = _Search(
        context=context, machine=machine, profile=profile, candidates=candidates, builds=builds, earlier=earlier
    )
    if (best := search.run()) is not None:
        return best
    # The failure to report is one on a Python that has all wheels, preferably not one about the range of releases. That
    # other Pythons lack wheels is only a consequence of the pins.
    told = min(search.failures, key=lambda each: (each[1].code.group in _OF_PYTHON, _is_of_range(*each)))
    others = [each for each in search.failures if each is not told]
    if once:
        raise told[1]
    try:
        # Once more, with all rungs: a stale index page may hide the solution.
        return solve(context, machine, profile, told[0], once=False)
    except TfprovError as error:
        error.tried = (*error.tried, *(f"{_named(each)}: {reason(why)}" for each, why in others))
        if isinstance(error, NoWheelsError):
            error.others = tuple(why for _, why in others if isinstance(why, NoWheelsError))
        raise


@dataclass(slots=True, kw_only=True)
class _Search:
    """Resolves candidates until none is left that may have a newer TensorFlow release than the best solution.

    The first candidate is resolved by itself, because usually it has a solution; after its failure, two at a time. If a
    source cannot be built for it, nor for the oldest Python for the same reason, no Python between them is tried.

    Attributes:
        failures: the candidates without a solution, each with the reason.
        best: the best solution so far.
    """

    context: Context
    machine: Machine
    profile: Profile
    candidates: Sequence[Candidate]
    builds: Builds
    earlier: Earlier
    failures: list[tuple[Candidate, TfprovError]] = field(default_factory=list)
    best: Solution | None = None

    def run(self) -> Solution | None:
        """The solution with the newest release, of several that of the earliest candidate; None when there is none.

        Raises:
            TfprovError: a failure that does not depend on the Python.
        """
        with Overlapped(self._ask, self.candidates) as tries:
            for index, candidate in enumerate(self.candidates):
                if not self._may_be_better(candidate):
                    tries.drop(index)
                    continue
                others = range(index + 1, len(self.candidates))
                later = (number for number in others if self._may_be_better(self.candidates[number]))
                try:
                    found = tries.answer(index, then=next(later, None) if self.failures else None)
                except TfprovError as error:
                    if not may_differ(error):
                        raise
                    self.failures.append((candidate, error))
                    if self._is_last(index, error):
                        break
                    continue
                if self.best is None or found.release > self.best.release:
                    self.best = found
        return self.best

    def _may_be_better(self, candidate: Candidate) -> bool:
        if self.best is None:
            return True
        reached = self.earlier.releases.get(self._key(candidate), Version(candidate.best.tensorflow.version))
        # A newer release is no reason to download a Python.
        return reached > self.best.release and candidate.best.python.path is not None

    def _ask(self, candidate: Candidate) -> Solution:
        key = self._key(candidate)
        if key in self.earlier.failures:
            raise self.earlier.failures[key]
        try:
            found = solve(self.context, self.machine, self.profile, candidate, builds=self.builds)
        except TfprovError as error:
            # A failed build does not last: with more requirements, the resolver may not need that source.
            if may_differ(error) and (self.builds == "none" or error.code.name not in OF_BUILDS):
                self.earlier.failures[key] = error
            raise
        self.earlier.releases[key] = found.release
        return found

    def _key(self, candidate: Candidate) -> _Asked:
        return (candidate.best.python.path or candidate.best.python.version, candidate.requirement, self.builds)

    def _is_last(self, index: int, error: TfprovError) -> bool:
        """Whether the candidates behind this one need not be tried after its failure."""
        found = _NO_SUCH_VERSION.search(" ".join(error.evidence))
        # A requirement names a version that does not exist for any Python.
        is_without = found is not None and kind_of(found["name"] or found["other"]) is None
        if self.best is None and (is_without or (index == 0 and self._fails_everywhere(error))):
            return True
        # A project that has only sources must be built on every Python.
        is_sources_only = isinstance(error, NoWheelsError) and not all(map(self.machine.has_wheels, error.names))
        return is_sources_only and self.builds == "none"

    def _fails_everywhere(self, error: TfprovError) -> bool:
        """Whether the oldest Python fails like the first candidate."""
        # Most sources that cannot be built on the newest Python because of its age are built on the oldest one.
        oldest = min(self.candidates, key=lambda each: Version(each.best.python.version))
        if isinstance(error, NoWheelsError) or error.code.name not in OF_BUILDS or oldest.best.python.path is None:
            return False
        try:
            self._ask(oldest)
        except TfprovError as other:
            is_other = oldest.best.python.version != self.candidates[0].best.python.version
            return is_other and _in_short(other) == _in_short(error)
        return False


def solve(
    context: Context,
    machine: Machine,
    profile: Profile,
    candidate: Candidate,
    *,
    once: bool = True,
    builds: Builds = "all",
    prefer: Pinned | None = None,
) -> Solution:
    """Resolve a candidate: its range of TensorFlow releases together with the other packages.

    The order of the requirements decides which packages get their newest version. TensorFlow comes after all others
    except its own dependencies: a companion that works only with certain releases is more useful in its newest version
    than TensorFlow is, but nobody wants an old TensorFlow for the newest protobuf.

    Args:
        context: of the run.
        machine: to resolve for.
        profile: what is asked for.
        candidate: what to resolve.
        once: see `ask_resolver`.
        builds: see `ask_resolver`.
        prefer: versions to keep where they fit; None for those of the lock on disk.

    Raises:
        TfprovError: the resolver's failure.
    """
    decision = candidate.best
    building = ", building what has no wheel" if builds != "none" and profile.packages.build != "never" else ""
    what = _named(candidate) + building
    context.emit(Progress(stage="plan", what=what, done=next(machine.tries), total=None, unit="tries"))
    known = table().release(decision.tensorflow.version)
    own = {canonicalize_name(Requirement(text).name) for text in (known.requires if known else ())}
    asked = [text for text in profile.packages.requirements if not is_tensorflow(text)]
    before = [text for text in asked if canonicalize_name(Requirement(text).name) not in own]
    selection = selection_of(machine, profile, decision)

    def ask(requirement: str) -> str:
        return ask_resolver(
            context,
            machine,
            selection,
            (*before, requirement, *(text for text in asked if text not in before)),
            prefer=older_versions(context) if prefer is None else prefer,
            once=once,
            builds=builds,
            built=older_built(context),
        )

    document = ask(candidate.requirement)
    name = decision.tensorflow.package
    other = {"tensorflow-cpu": "tensorflow", "tensorflow": "tensorflow-cpu"}.get(name)
    if other in tensorflows_in(document) and (other == "tensorflow" or decision.tensorflow.accelerator == "cpu"):
        # A package depends on the other one. Both have the same files: one serves all, the full one if both are needed.
        swapped = ask(f"{other}{Requirement(candidate.requirement).specifier}")
        if other == "tensorflow" or name not in tensorflows_in(swapped):
            name, document = other, swapped
    release = dict(versions_in(document)).get(canonicalize_name(name))
    taken = next((each for each in candidate.decisions if each.tensorflow.version == release), decision)
    chosen = replace(taken.tensorflow, package=name)
    return Solution(candidate=candidate, decision=replace(taken, tensorflow=chosen), document=document)


def selection_of(machine: Machine, profile: Profile, decision: Decision) -> Selection:
    """The selection for a decision, with the constraints and allowed builds of a profile."""
    chosen, elsewhere = decision.python, machine.uv_platform
    return Selection(
        decision=decision,
        facts=machine.facts,
        interpreter=Interpreter(path="" if elsewhere else chosen.path or "", version=chosen.version),
        platform=elsewhere,
        constraints=profile.packages.constraints,
        build=profile.packages.build,
    )


def any_solution(context: Context, machine: Machine, profile: Profile, *, limit: SearchTime) -> Solution | None:
    """A solution of a changed profile, from the first candidate that has one; None when none has.

    As in `best_by_wheels`, only what has no wheel for any Python is built at first: a build that fails on the newest
    Python takes longer than to ask for all others, of which one may have wheels.

    Args:
        context: of the run.
        machine: to resolve for.
        profile: the changed one.
        limit: no candidate is begun after it is over.
    """
    try:
        candidates = plan_for_all(profile, machine.facts, table(), machine.offers).candidates
    except TfprovError:
        return None
    rounds: tuple[Builds, ...] = ("all",) if profile.packages.build == "never" else ("nowhere", "all")
    for builds in rounds:
        for candidate in candidates:
            if limit.is_over:
                return None
            with contextlib.suppress(TfprovError):
                return solve_unbroken(context, machine, profile, candidate, builds=builds)
    return None


def solve_unbroken(
    context: Context,
    machine: Machine,
    profile: Profile,
    candidate: Candidate,
    *,
    builds: Builds = "all",
    prefer: Pinned | None = None,
) -> Solution:
    """A solution of one candidate without known incompatibilities; arguments as for `solve`.

    Raises:
        TfprovError: there is none.
    """
    applied: tuple[Break, ...] = ()
    asked = profile.packages.requirements
    while True:
        found = solve(context, machine, profile, candidate, builds=builds, prefer=prefer)
        versions, python = dict(versions_in(found.document)), found.decision.python.version
        broken = tuple(
            row
            for row in (*breaks_in(versions, python=python), *outlived(versions, asked, python=python))
            if row not in applied and not overruling(row, asked)
        )
        if not broken:
            return found
        broken = sparing(to_apply(broken), asked_for(asked))
        applied += broken
        candidate = holding_to(candidate, broken)


def holding_to(candidate: Candidate, rows: Sequence[Break]) -> Candidate:
    """The candidate, with rows of known incompatibilities applied to all of its decisions."""
    fitting = of_python(rows, candidate.best.python.version)
    return replace(candidate, decisions=tuple(with_breaks(each, fitting) for each in candidate.decisions))


def _named(candidate: Candidate) -> str:
    newest, oldest = candidate.best.tensorflow, candidate.decisions[-1].tensorflow
    span = newest.version if newest.version == oldest.version else f"{oldest.version} to {newest.version}"
    return f"Python {candidate.best.python.version} with {newest.package} {span}"


def reason(error: TfprovError) -> str:
    """The most telling line of the evidence of a failed resolve, else its message."""
    causes = (line for line in error.evidence if line.startswith("cause:"))
    return next(causes, next(iter(error.evidence), error.what))


def _in_short(error: TfprovError) -> tuple[str, ...]:
    """What a failed build says, without the paths in it, which differ from one build to the next."""
    return (error.code.name, *(re.sub(r"\S*[/\\]\S*", "", text) for text in (error.what, *error.evidence[-1:])))


def _is_of_range(candidate: Candidate, error: TfprovError) -> bool:
    """Whether a failure is about the range of TensorFlow releases, not only about the other packages."""
    oldest = re.escape(candidate.decisions[-1].tensorflow.version)
    return re.search(rf"tensorflow[a-z-]*[>=]={oldest}(?![\d.])", " ".join(error.evidence)) is not None


def on_any_version(requirement: Requirement, specifier: str = "") -> str:
    """A requirement with its specifier removed or replaced, as a PEP 508 line; extras and marker are kept."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{specifier}" + (f"; {requirement.marker}" if requirement.marker else "")


def with_requirements(profile: Profile, lines: tuple[str, ...]) -> Profile:
    """The profile with other requirements."""
    return profile.model_copy(update={"packages": profile.packages.model_copy(update={"requirements": lines})})
