"""The smoke test of a new generation, and after its failure the known cures, one at a time.

A cure is kept only if the smoke test then passes. One that brings another failure to light stays for the next try, and
goes with it when that does not pass either. What was tried and how it ended is in the journal; what was kept is in the
seal of the generation.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tfprov.envs import cures as medicine
from tfprov.envs.generations import python_in
from tfprov.envs.records import Cure, Generation
from tfprov.errors import TfprovError
from tfprov.events import Attempt, Emit, Event, Note
from tfprov.ladder.climb import InapplicableError, Policy, Step, climb
from tfprov.ladder.rungs import Rung
from tfprov.lock.records import Lock
from tfprov.paths import write_atomic
from tfprov.pipeline.locking import bound, may_be_bound
from tfprov.pipeline.run import Run, Stage
from tfprov.smoke import cures as known
from tfprov.smoke.means import Means, means
from tfprov.smoke.records import Request, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Cured:
    """What the generation of this run was given; nothing when it passed as it was installed."""

    cures: tuple[Cure, ...] = ()


def prove(run: Run, *, test: Callable[[], None], request: Request, smoke: Stage, build: Callable[[], None]) -> None:
    """Let the generation of the run prove itself, with the help of known cures if need be.

    Args:
        run: has a generation with the files of the lock. Afterwards it has one that passed, with its verdict.
        test: the smoke test of what was installed.
        request: what it proves.
        smoke: the smoke test alone, for a generation that was given something.
        build: makes a new generation with the files of the run's lock. A sealed one is never changed.

    Raises:
        TfprovError: why the generation that was installed does not pass, and what was tried. Nothing that was tried
            is left then.
    """
    run.put(Cured())
    treatment = _Treatment(run, request=request, smoke=smoke, build=build)
    steps: list[Step[None]] = [Step(Rung.NORMAL, partial(treatment.examine, test))]
    steps += [Step(Rung.REPAIR, partial(treatment.attempt, name), name=name) for name in known.KNOWN]
    try:
        climb(
            "smoke",
            steps,
            emit=_without_the_plain_test(run.emit),
            skip=run.loaded.profile.strategies.skip,
            policy=Policy(tries=1, deadline=run.deadline),
        )
    except TfprovError as error:
        if treatment.tried:
            run.emit(Note(text="no cure made the smoke test pass: all of them were undone", level="warning"))
            treatment.undo()
        first = treatment.first or error
        # Not what the climb passed over: nobody who has nothing to cure wants to read that.
        first.tried = (*treatment.tried_before, *treatment.tried)
        if first is error:
            raise
        raise first from error
    treatment.keep()


class _Treatment:
    """What was given to the generation of a run so far.

    Attributes:
        tried: a line a cure, with how it ended.
        first: the failure of what was installed.
        tried_before: what stood in it.
    """

    def __init__(self, run: Run, *, request: Request, smoke: Stage, build: Callable[[], None]) -> None:
        self._run = run
        self._request = request
        self._smoke = smoke
        self._build = build
        self._lock: Lock | None = None
        self._bound_lock: bytes | None = None
        self._bounds: list[str] = []
        self._given: list[Cure] = []
        self._stale = False
        self.tried: list[str] = []
        self.first: TfprovError | None = None
        self.tried_before: tuple[str, ...] = ()
        self._means: tuple[Path, Means] | None = None
        self._known: Verdict | None = None

    def examine(self, test: Callable[[], None]) -> None:
        """The smoke test of what was installed."""
        before = self._run.find(Verdict)
        try:
            test()
        except TfprovError as error:
            self.first, self.tried_before = error, error.tried
            verdict = self._run.find(Verdict)
            # An interpreter that cannot be started leaves no verdict, and an older release may have left one.
            self._known = None if verdict is before else verdict
            raise

    def attempt(self, name: str) -> None:
        """Give one cure and test again.

        Raises:
            InapplicableError: it is not for this failure, or cannot be had.
            TfprovError: what the smoke test said.
        """
        run, verdict = self._run, self._known
        if verdict is None or not known.may_help(verdict):
            raise InapplicableError("no cure is known for this failure")
        cure = known.KNOWN[name](
            known.Patient(verdict=verdict, request=self._request, means=self._has(), tried=self._bounds)
        )
        if any((cure.name, cure.what) == (each.name, each.what) for each in self._given):
            raise InapplicableError("it was given already")
        run.emit(Note(text=f"the smoke test failed ({cure.code}); trying a cure: {cure.what}", level="warning"))
        locked, bytes_before = run.get(Lock), self._bound_lock
        try:
            self._give(cure)
        except TfprovError as error:
            self.tried.append(f"{cure.what}: could not be done: {error.what}")
            raise
        try:
            run.do(self._smoke)
        except TfprovError as error:
            self._ended(cure, error, verdict, locked, bytes_before)
            raise
        self._given.append(cure)

    def _has(self) -> Means:
        """What the generation has to cure itself with."""
        path = self._run.get(Generation).path
        if self._means is None or self._means[0] != path:
            self._means = path, means(python_in(path), environ=self._run.request.environ)
        return self._means[1]

    def keep(self) -> None:
        """Write down what helped: in the lock, where it changed, and for the seal."""
        if not self._given:
            return
        run = self._run
        run.put(Cured(cures=tuple(self._given)))
        for cure in self._given:
            run.emit(Note(text=f"kept: {cure.what}", level="warning"))
        if self._bound_lock is not None:
            write_atomic(run.lock_path, self._bound_lock)
            run.put(replace(run.get(Lock), path=run.lock_path))
            bounds = ", ".join(f"`{cure.constraint}`" for cure in self._given if cure.constraint)
            run.emit(Note(text=f"`{run.lock_path.name}` was resolved anew with {bounds}", level="warning"))

    def undo(self) -> None:
        """Take back everything. A generation that was built for a cure is unsealed, and so counts for nothing."""
        if self._lock is not None:
            self._run.put(self._lock)
        generation = self._run.get(Generation)
        if generation.seal is None and generation.path.is_dir():
            medicine.apply(generation.path, ())

    def _give(self, cure: Cure) -> None:
        run = self._run
        self._lock = self._lock or run.get(Lock)
        if cure.constraint:
            if not may_be_bound(run):
                raise InapplicableError("it would change the lock, which may not be done")
            self._bounds.append(cure.constraint)
            bounds = (*(each.constraint for each in self._given if each.constraint), cure.constraint)
            with tempfile.TemporaryDirectory(prefix="tfprov-cure-") as folder:
                try:
                    # Beside the old one only when it has proved itself: whatever ends this run, the lock that a team
                    # may have committed is the one that was there.
                    lock, content = bound(run, bounds, Path(folder) / run.lock_path.name)
                except TfprovError as error:
                    raise InapplicableError(f"it cannot be resolved: {error.what}") from error
            if lock.files == run.get(Lock).files:
                raise InapplicableError("the same files would be installed")
            self._bound_lock = content
            run.put(lock)
            self._stale = True
        if self._stale or run.get(Generation).seal is not None:
            # What is sealed is never changed, and what has the files of another lock is of no use.
            self._build()
            self._stale = False
        medicine.apply(run.get(Generation).path, (*self._given, cure))

    def _ended(
        self, cure: Cure, error: TfprovError, verdict: Verdict, locked: Lock, bytes_before: bytes | None
    ) -> None:
        """A cure after which the test failed, too: kept for the next try when it did what it was for."""
        run = self._run
        now = run.get(Verdict)
        then = next(iter(known.failures(verdict).items()))
        helped = then not in known.failures(now).items()
        if not helped or not known.may_help(now):
            ended = f"then `{error.code.name}`" if helped else "did not help"
            self.tried.append(f"{cure.what}: {ended}, undone")
            if cure.constraint:
                run.put(locked)
                self._bound_lock = bytes_before
                self._stale = True
            else:
                medicine.apply(run.get(Generation).path, self._given)
        else:
            self.tried.append(f"{cure.what}: then `{error.code.name}`")
            self._given.append(cure)
            self._known = now


def _without_the_plain_test(emit: Emit) -> Emit:
    """The smoke test itself is a stage and no attempt of its own."""

    def attempts(event: Event) -> None:
        if not isinstance(event, Attempt) or event.rung != Rung.NORMAL.value:
            emit(event)

    return attempts
