"""From a profile to an active generation: what is done when there is something to do."""

from __future__ import annotations

import dataclasses
import time
from functools import partial

from tfprov.envs.records import Generation
from tfprov.errors import TfprovError
from tfprov.events import Attempt, Emit, Event, Note
from tfprov.fetch.fetch import Fetched
from tfprov.host.records import Interpreter
from tfprov.ladder.climb import Policy, Step, climb
from tfprov.ladder.rungs import Rung
from tfprov.lock.records import Lock
from tfprov.paths import sweep_temporary
from tfprov.pipeline import unpacked
from tfprov.pipeline.cures import prove
from tfprov.pipeline.imaging import image_of
from tfprov.pipeline.records import Outcome
from tfprov.pipeline.run import Run, whole
from tfprov.pipeline.stages import (
    BUILD,
    DECIDE,
    EXACT,
    FROM_IMAGE,
    PROVE,
    Activated,
    drop_unpacked,
    smoke_digest,
    smoke_request,
)
from tfprov.plan.records import Decision, Plan
from tfprov.smoke.records import Verdict


def realise(run: Run) -> Outcome:
    """The decision of the plan made real, and after its failure the older ones that the profile allows.

    Raises:
        TfprovError: why none of them could be.
    """
    sweep_temporary(now=time.time())
    unpacked.sweep(run.home.cache / "uv")
    for stage in DECIDE:
        run.do(stage)
    others = run.get(Plan).fallbacks if run.loaded.profile.tensorflow.allow_fallback else ()
    if not others:
        return _decided(run)
    return climb(
        "up",
        [
            Step(Rung.NORMAL, partial(_decided, run)),
            *(Step(Rung.OTHER_RELEASE, partial(_fall_back, run, other)) for other in others),
        ],
        emit=_only_escalations(run.emit),
        skip=run.loaded.profile.strategies.skip,
        policy=Policy(tries=1, deadline=run.deadline),
    )


def _decided(run: Run) -> Outcome:
    """From the plan to an active generation. An environment that already is what the lock says is not built again."""
    for stage in EXACT:
        run.do(stage)
    reusable = None if run.request.recreate else _reusable(run)
    if reusable is None:
        _build(run)
    else:
        run.put(reusable)
        wanted = smoke_digest(smoke_request(run.loaded, run.get(Lock).target))
        if reusable.seal is not None and reusable.seal.smoke_digest == wanted:
            seal = dataclasses.replace(reusable.seal, profile_digest=run.loaded.digest)
            resealed = run.environment.reseal(reusable, seal)
            # The profile may ask for another path now, or the link at it was deleted.
            run.environment.activate(resealed)
            return outcome(run, resealed, already=True)
    _prove(run, installed=reusable is None)
    return outcome(run, run.get(Activated).generation, already=False)


def _prove(run: Run, *, installed: bool) -> None:
    """Prove and activate; known cures are tried where the proof fails."""
    smoke, activate = PROVE
    prove(
        run,
        test=partial(_test, run, installed=installed),
        request=smoke_request(run.loaded, run.get(Lock).target),
        smoke=smoke,
        build=partial(_build, run),
    )
    run.do(activate)


def _test(run: Run, *, installed: bool) -> None:
    """The smoke test. Files that are damaged when they are fresh came from a damaged cache: once more, without."""
    smoke, _ = PROVE
    try:
        run.do(smoke)
    except TfprovError as error:
        if error.code.name != "file-damaged" or not installed:
            raise
        run.emit(Note(text="an installed file is not as its wheel has it: installing without caches", level="warning"))
        drop_unpacked(run)
        for stage in BUILD:
            run.do(stage)
        run.do(smoke)


def _build(run: Run) -> None:
    """A new generation with the locked files: linked from an image of them where there is one, else installed."""
    if image_of(run).exists:
        try:
            run.do(FROM_IMAGE)
        except TfprovError as error:
            if error.code.name != "cache-corrupt":
                raise
            run.emit(Note(text=f"{error.what}: installing from the wheels instead", level="warning"))
        else:
            return
    for stage in BUILD:
        run.do(stage)


def _fall_back(run: Run, other: Decision) -> Outcome:
    chosen = other.tensorflow
    run.emit(Note(text=f"trying {chosen.package} {chosen.version} ({chosen.accelerator}) instead", level="warning"))
    run.put(dataclasses.replace(run.get(Plan), decision=other))
    return _decided(run)


def _reusable(run: Run) -> Generation | None:
    """The active generation, when it has exactly the files of the lock on the interpreter of the plan."""
    generation, lock, interpreter = run.environment.active(), run.get(Lock), run.get(Interpreter)
    if generation is None or generation.seal is None:
        return None
    if generation.seal.lock_digest != lock.digest or generation.seal.python != interpreter.path:
        return None
    return generation if whole(run, generation) else None


def outcome(run: Run, generation: Generation, *, already: bool) -> Outcome:
    """What the run ended with."""
    plan, fetched = run.find(Plan), run.find(Fetched)
    return Outcome(
        environment=run.environment,
        generation=generation,
        decision=plan.decision if plan else None,
        verdict=run.find(Verdict),
        stages=tuple(run.seconds),
        bytes_fetched=fetched.bytes_fetched if fetched else 0,
        bytes_reused=fetched.bytes_reused if fetched else 0,
        attempts=tuple(run.attempts),
        already=already,
    )


def _only_escalations(emit: Emit) -> Emit:
    """The first try of the whole is no attempt of its own: its stages report theirs."""

    def escalations(event: Event) -> None:
        if not isinstance(event, Attempt) or event.rung != Rung.NORMAL.value:
            emit(event)

    return escalations
