"""Runs the smoke test of a new generation and, after a failure, applies known cures one at a time.

A cure is kept only if the smoke test then passes. If it fixes its failure and another one appears, it stays in place
while further cures are tried, and is undone with them if none of them makes the test pass. The journal records what was
tried and how it ended; the seal of the generation records the cures that were kept.
"""

from __future__ import annotations

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
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.pipeline.records import Installation, Locked, Proved
from tfprov.pipeline.stages import smoke_request, smoke_test
from tfprov.smoke import cures as known
from tfprov.smoke.cuda_files import CudaFiles, cuda_files
from tfprov.smoke.records import Verdict
from tfprov.smoke.verdict import UnprovedError
from tfprov.temporary import temporary
from tfprov.writing import write_atomic


def prove(
    context: Context,
    machine: Machine,
    installation: Installation,
    *,
    install: Callable[[Locked], Installation],
) -> Proved:
    """Run the smoke test on an installation, applying known cures if it fails.

    Args:
        context: of the run.
        machine: to resolve for, if a cure changes the lock.
        installation: what to prove.
        install: makes a new generation with locked files, because a sealed one is never changed.

    Returns:
        The installation that passed, which may be another generation with another lock, its verdict and its cures.

    Raises:
        TfprovError: why the original installation does not pass, and what was tried. All cures are undone.
    """
    treatment = _Treatment(context, machine, installation, install)
    steps: list[Step[Verdict]] = [Step(Rung.NORMAL, treatment.examine)]
    steps += [Step(Rung.REPAIR, partial(treatment.attempt, name), name=name) for name in known.KNOWN]
    policy = Policy(tries=1, deadline=context.deadline)
    try:
        # The smoke test itself is reported as a stage, not as an attempt.
        verdict = climb("smoke", steps, emit=without_normal(context.emit), skip=context.skip, policy=policy)
    except TfprovError as error:
        if treatment.tried:
            context.emit(Note(text="no cure made the smoke test pass: all of them were undone", level="warning"))
            treatment.undo()
        first = treatment.first or error
        # Without the steps that the climb skipped: a user without a cure to try need not read about them.
        first.tried = (*treatment.tried_before, *treatment.tried)
        if first is error:
            raise
        raise first from error
    return Proved(installation=treatment.kept(), verdict=verdict, cures=tuple(treatment.given))


class _Treatment:
    """The cures that have been tried on an installation.

    Attributes:
        given: cures that are in place, and are kept if the next smoke test passes.
        tried: a line for each cure that was tried and did not make the test pass, with the result.
        first: the failure of the original installation.
        tried_before: the `tried` lines of that failure.
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
        self._cuda_files: tuple[Path, CudaFiles] | None = None
        self._known: Verdict | None = None
        self._likely_for: dict[str, tuple[known.LikelyBound, ...]] = {}
        self.given: list[Cure] = []
        self.tried: list[str] = []
        self.first: TfprovError | None = None
        self.tried_before: tuple[str, ...] = ()

    def examine(self) -> Verdict:
        """Run the smoke test on the original installation.

        If a file of a new generation is damaged, the cache was: it is installed again without caches, once.
        """
        try:
            try:
                return smoke_test(self._context, self._installation)
            except TfprovError as error:
                if error.code.name != "file-damaged" or self._installation.generation.seal is not None:
                    raise
                text = "an installed file differs from its wheel: installing again without caches"
                self._context.emit(Note(text=text, level="warning"))
                from tfprov.pipeline.installing import drop_unpacked

                drop_unpacked(self._context, self._locked)
                self._installation = self._install(self._locked)
                return smoke_test(self._context, self._installation)
        except TfprovError as error:
            self.first, self.tried_before = error, error.tried
            # There is no verdict if the interpreter could not be started.
            self._known = _verdict_of(error)
            raise

    def attempt(self, name: str) -> Verdict:
        """Apply a cure and run the smoke test again.

        Args:
            name: key of the cure in `smoke.cures.KNOWN`.

        Raises:
            InapplicableError: the cure does not apply to this failure, or is not possible.
            TfprovError: the cure could not be applied, or the smoke test failed.
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
            raise InapplicableError("it is applied already")
        context.emit(Note(text=f"the smoke test failed ({cure.code}); trying a cure: {cure.what}", level="warning"))
        before = self._locked, self._bound_lock
        try:
            self._give(cure)
        except TfprovError as error:
            self._locked, self._bound_lock = before
            self.tried.append(f"{cure.what}: could not be applied: {error.what}")
            raise
        if cure.name == "likely-bound" and (leg := known.failed_import(verdict)) is not None:
            # One try for each failure: another installation and test take as long as the first.
            self._likely_for[leg.leg] = ()
        try:
            verdict_now = smoke_test(context, self._installation)
        except TfprovError as error:
            self._ended(cure, error, verdict, before)
            raise
        self.given.append(cure)
        return verdict_now

    def kept(self) -> Installation:
        """The installation that passed; reports the cures, and replaces the lock on disk if they changed it."""
        context, path = self._context, self._context.lock_path
        for cure in self.given:
            context.emit(Note(text=f"kept: {cure.what}", level="warning"))
        if self._bound_lock is None:
            return self._installation
        write_atomic(path, self._bound_lock)
        bounds = ", ".join(f"`{cure.constraint}`" for cure in self.given if cure.constraint)
        context.emit(Note(text=f"`{path.name}` was resolved again with {bounds}", level="warning"))
        locked = replace(self._locked, lock=replace(self._locked.lock, path=path))
        return replace(self._installation, locked=locked)

    def undo(self) -> None:
        """Remove all cures from the generation. If it was built for a cure, it has no seal, so it is never used."""
        generation = self._installation.generation
        if generation.seal is None and generation.path.is_dir():
            start_up.apply(generation.path, ())

    def _has(self) -> CudaFiles:
        """The CUDA files in the generation that a cure can use."""
        path = self._installation.generation.path
        if self._cuda_files is None or self._cuda_files[0] != path:
            self._cuda_files = path, cuda_files(python_in(path), environ=self._context.request.environ)
        return self._cuda_files[1]

    def _likely(self, verdict: Verdict) -> tuple[known.LikelyBound, ...]:
        """Bounds that would most likely fix the failed import; none after one of them was installed for it."""
        leg = known.failed_import(verdict)
        if leg is None:
            return ()
        if leg.leg not in self._likely_for:
            from tfprov.pipeline import likely

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
        there = self._installation
        is_stale = there.locked.lock.content != self._locked.lock.content or not there.generation.path.is_dir()
        if is_stale or there.generation.seal is not None:
            # A sealed generation is never changed, and one with the files of another lock is of no use. An installation
            # that fails has deleted the one before it.
            self._installation = self._install(self._locked)
        start_up.apply(self._installation.generation.path, (*self.given, cure))

    def _bind(self, constraint: str) -> None:
        """Resolve the lock again with one more bound, into a temporary file.

        Raises:
            InapplicableError: this is not allowed, not possible, or changes nothing.
        """
        context = self._context
        self._bounds.append(constraint)
        bounds = (*(each.constraint for each in self.given if each.constraint), constraint)
        with temporary("cure") as folder:
            # The new lock replaces the old one only after a successful smoke test. Until then the lock on disk, which
            # may be under version control, stays as it is, however this run ends.
            path = folder / context.lock_path.name
            try:
                locked = context.backend.bind(context, self._machine, self._locked, bounds, path)
            except TfprovError as error:
                raise InapplicableError(f"it cannot be resolved: {error.what}") from error
            if locked is None:
                self._bounds.pop()
                raise InapplicableError("it would change the lock, which is not allowed")
            if locked.lock.files == self._locked.lock.files:
                raise InapplicableError("the same files would be installed")
            self._locked, self._bound_lock = locked, content_of(path)

    def _ended(self, cure: Cure, error: TfprovError, verdict: Verdict, before: tuple[Locked, bytes | None]) -> None:
        """Record a cure after which the test still failed: kept if it fixed its failure and another one may be cured.

        Args:
            cure: the one that was tried.
            error: the new failure.
            verdict: the one that the cure was for.
            before: lock and content of the new lock file before the cure, to restore.
        """
        now = _verdict_of(error) or verdict
        # Where several packages fail, each needs its own cure, so the other failures do not matter here.
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
        else:
            start_up.apply(self._installation.generation.path, self.given)


def _verdict_of(error: TfprovError) -> Verdict | None:
    """The verdict of a failed smoke test; None when it ended without one."""
    return error.verdict if isinstance(error, UnprovedError) else None
