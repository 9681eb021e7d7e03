"""The smoke test of a new generation, and after its failure the known cures, one at a time.

A cure is kept only if the smoke test then passes. One that brings another failure to light stays for the next try, and
goes with it when that does not pass either. What was tried and how it ended is in the journal; what was kept is in the
seal of the generation.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from tfprov.contents import content_of
from tfprov.envs import cures as start_up
from tfprov.envs.layout import python_in
from tfprov.envs.records import Cure
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.ladder.climb import InapplicableError, Policy, Step, climb, without_normal
from tfprov.ladder.rungs import Rung
from tfprov.lock.renew import released_in
from tfprov.paths import write_atomic
from tfprov.pipeline import likely
from tfprov.pipeline.context import Context
from tfprov.pipeline.installing import drop_unpacked
from tfprov.pipeline.machine import Machine
from tfprov.pipeline.records import Installation, Locked, Proved
from tfprov.pipeline.stages import smoke_request, smoke_test
from tfprov.smoke import cures as known
from tfprov.smoke.cuda_files import CudaFiles, cuda_files
from tfprov.smoke.records import Verdict
from tfprov.smoke.verdict import UnprovedError


def prove(
    context: Context,
    machine: Machine,
    installation: Installation,
    *,
    install: Callable[[Locked], Installation],
) -> Proved:
    """Let an installation prove itself, with the help of known cures if need be.

    Args:
        context: of the run.
        machine: to resolve for, where a cure changes the lock.
        installation: what to prove.
        install: makes a new generation with locked files. A sealed one is never changed.

    Raises:
        TfprovError: why the generation that was installed does not pass, and what was tried. Nothing that was tried
            is left then.
    """
    treatment = _Treatment(context, machine, installation, install)
    steps: list[Step[Verdict]] = [Step(Rung.NORMAL, treatment.examine)]
    steps += [Step(Rung.REPAIR, partial(treatment.attempt, name), name=name) for name in known.KNOWN]
    policy = Policy(tries=1, deadline=context.deadline)
    try:
        # The smoke test itself is a stage and not an attempt of its own.
        verdict = climb("smoke", steps, emit=without_normal(context.emit), skip=context.skip, policy=policy)
    except TfprovError as error:
        if treatment.tried:
            context.emit(Note(text="no cure made the smoke test pass: all of them were undone", level="warning"))
            treatment.undo()
        first = treatment.first or error
        # Not what the climb passed over: nobody who has nothing to cure wants to read that.
        first.tried = (*treatment.tried_before, *treatment.tried)
        if first is error:
            raise
        raise first from error
    return Proved(installation=treatment.kept(), verdict=verdict, cures=tuple(treatment.given))


class _Treatment:
    """What was given to an installation so far.

    Attributes:
        given: cures that stay if the next smoke test passes.
        tried: a line a cure, with how it ended.
        first: the failure of what was installed.
        tried_before: what stood in it.
    """

    def __init__(
        self,
        context: Context,
        machine: Machine,
        installation: Installation,
        install: Callable[[Locked], Installation],
    ) -> None:
        self._context = context
        self._machine = machine
        self._install = install
        self._installation = installation
        self._locked = installation.locked
        self._bound_lock: bytes | None = None
        self._bounds: list[str] = []
        self._stale = False
        self._cuda_files: tuple[Path, CudaFiles] | None = None
        self._known: Verdict | None = None
        self._likely_for: dict[str, tuple[known.LikelyBound, ...]] = {}
        self.given: list[Cure] = []
        self.tried: list[str] = []
        self.first: TfprovError | None = None
        self.tried_before: tuple[str, ...] = ()

    def examine(self) -> Verdict:
        """The smoke test of what was installed. Fresh files that are damaged came from a damaged cache: once more."""
        try:
            try:
                return smoke_test(self._context, self._installation)
            except TfprovError as error:
                if error.code.name != "file-damaged" or self._installation.generation.seal is not None:
                    raise
                text = "an installed file is not as its wheel has it: installing without caches"
                self._context.emit(Note(text=text, level="warning"))
                drop_unpacked(self._context, self._locked)
                self._installation = self._install(self._locked)
                return smoke_test(self._context, self._installation)
        except TfprovError as error:
            self.first, self.tried_before = error, error.tried
            # An interpreter that cannot be started leaves no verdict.
            self._known = _verdict_of(error)
            raise

    def attempt(self, name: str) -> Verdict:
        """Give one cure and test again.

        Raises:
            InapplicableError: it is not for this failure, or cannot be had.
            TfprovError: what the smoke test said.
        """
        context, verdict = self._context, self._known
        if verdict is None or not known.may_help(verdict):
            raise InapplicableError("no cure is known for this failure")
        request = smoke_request(context.loaded, self._locked.lock.target)
        proof = known.FailedProof(
            verdict=verdict,
            request=request,
            cuda_files=self._has(),
            tried=self._bounds,
            likely=self._likely(verdict),
        )
        cure = known.KNOWN[name](proof)
        if any((cure.name, cure.what) == (each.name, each.what) for each in self.given):
            raise InapplicableError("it was given already")
        context.emit(Note(text=f"the smoke test failed ({cure.code}); trying a cure: {cure.what}", level="warning"))
        before = self._locked, self._bound_lock
        try:
            self._give(cure)
        except TfprovError as error:
            self.tried.append(f"{cure.what}: could not be done: {error.what}")
            raise
        if cure.name == "likely-bound" and (leg := known.failed_import(verdict)) is not None:
            # One try for each failure: to install and test again takes as long as the first time.
            self._likely_for[leg.leg] = ()
        try:
            verdict_now = smoke_test(context, self._installation)
        except TfprovError as error:
            self._ended(cure, error, verdict, before)
            raise
        self.given.append(cure)
        return verdict_now

    def kept(self) -> Installation:
        """The installation that passed. What helped is said, and written into the lock where it changed that."""
        context, path = self._context, self._context.lock_path
        for cure in self.given:
            context.emit(Note(text=f"kept: {cure.what}", level="warning"))
        if self._bound_lock is None:
            return self._installation
        write_atomic(path, self._bound_lock)
        bounds = ", ".join(f"`{cure.constraint}`" for cure in self.given if cure.constraint)
        context.emit(Note(text=f"`{path.name}` was resolved anew with {bounds}", level="warning"))
        locked = replace(self._locked, lock=replace(self._locked.lock, path=path))
        return replace(self._installation, locked=locked)

    def undo(self) -> None:
        """Take back everything. A generation that was built for a cure is unsealed, and so counts for nothing."""
        generation = self._installation.generation
        if generation.seal is None and generation.path.is_dir():
            start_up.apply(generation.path, ())

    def _has(self) -> CudaFiles:
        """What the generation has to cure itself with."""
        path = self._installation.generation.path
        if self._cuda_files is None or self._cuda_files[0] != path:
            self._cuda_files = path, cuda_files(python_in(path), environ=self._context.request.environ)
        return self._cuda_files[1]

    def _likely(self, verdict: Verdict) -> tuple[known.LikelyBound, ...]:
        """What would most likely help the import that failed; nothing once such a bound was installed for it."""
        leg = known.failed_import(verdict)
        if leg is None:
            return ()
        if leg.leg not in self._likely_for:
            locked = self._locked
            installed = likely.GenerationContents(
                root=self._installation.generation.path,
                python=locked.interpreter.version,
                released=released_in((self._bound_lock or content_of(locked.lock.path)).decode()),
                offers=self._machine.offers,
            )
            self._likely_for[leg.leg] = likely.likely_bounds(leg, installed)
        return self._likely_for[leg.leg]

    def _give(self, cure: Cure) -> None:
        if cure.constraint:
            self._bind(cure.constraint)
        if self._stale or self._installation.generation.seal is not None:
            # What is sealed is never changed, and what has the files of another lock is of no use.
            self._installation = self._install(self._locked)
            self._stale = False
        start_up.apply(self._installation.generation.path, (*self.given, cure))

    def _bind(self, constraint: str) -> None:
        """Resolve with one more bound.

        Raises:
            InapplicableError: that is not allowed, not possible, or changes nothing.
        """
        context = self._context
        self._bounds.append(constraint)
        bounds = (*(each.constraint for each in self.given if each.constraint), constraint)
        with tempfile.TemporaryDirectory(prefix="tfprov-cure-") as folder:
            # Beside the old one only when it has proved itself: whatever ends this run, the lock that a team may have
            # committed is the one that was there.
            path = Path(folder) / context.lock_path.name
            try:
                locked = context.backend.bind(context, self._machine, self._locked, bounds, path)
            except TfprovError as error:
                raise InapplicableError(f"it cannot be resolved: {error.what}") from error
            if locked is None:
                self._bounds.pop()
                raise InapplicableError("it would change the lock, which may not be done")
            if locked.lock.files == self._locked.lock.files:
                raise InapplicableError("the same files would be installed")
            self._locked, self._bound_lock = locked, content_of(path)
        self._stale = True

    def _ended(self, cure: Cure, error: TfprovError, verdict: Verdict, before: tuple[Locked, bytes | None]) -> None:
        """A cure after which the test failed, too: kept for the next try when it did what it was for."""
        now = _verdict_of(error) or verdict
        # Of several packages that fail, each has a cure of its own.
        then = next(each for each in known.failures(verdict).items() if each[1] == cure.code)
        helped = then not in known.failures(now).items()
        if helped and known.may_help(now):
            self.tried.append(f"{cure.what}: then `{error.code.name}`")
            self.given.append(cure)
            self._known = now
            return
        ended = f"then `{error.code.name}`" if helped else "did not help"
        self.tried.append(f"{cure.what}: {ended}, undone")
        if cure.constraint:
            self._locked, self._bound_lock = before
            self._stale = True
        else:
            start_up.apply(self._installation.generation.path, self.given)


def _verdict_of(error: TfprovError) -> Verdict | None:
    """The verdict of a failed smoke test; None when it did not get so far."""
    return error.verdict if isinstance(error, UnprovedError) else None
