"""The commands that run the pipeline: all of it, or the part up to the plan or the lock."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from tfprov import paths
from tfprov.envs.generations import Environment, python_in
from tfprov.envs.records import Generation
from tfprov.errors import TfprovError
from tfprov.events import Attempt, Emit, Note
from tfprov.fetch.fetch import Fetched
from tfprov.host.facts import gather
from tfprov.host.records import Facts, Interpreter
from tfprov.ladder.climb import Policy, Step, climb
from tfprov.ladder.rungs import Rung
from tfprov.lock.records import Lock
from tfprov.pipeline.run import Request, Run, Stage
from tfprov.pipeline.stages import ACTIVATE, PROFILE, SMOKE, STAGES, Activated, folders, smoke_digest, smoke_request
from tfprov.plan.records import Decision, Plan
from tfprov.smoke.records import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What `up` ended with.

    Attributes:
        environment: the profile's environment; its stable path leads to `generation`.
        decision: None when nothing had to be decided.
        verdict: None when nothing had to be proved; then the seal of the generation holds the last one.
        stages: wall time in seconds by stage, in order.
        bytes_fetched: moved over the network.
        bytes_reused: found in the store.
        already: True when the environment was verified before and nothing had to be done.
    """

    environment: Environment
    generation: Generation
    decision: Decision | None
    verdict: Verdict | None
    lock: Lock | None
    stages: tuple[tuple[str, float], ...]
    bytes_fetched: int
    bytes_reused: int
    attempts: tuple[Attempt, ...]
    already: bool


def up(request: Request, emit: Emit) -> Outcome:
    """Bring the profile's environment to a verified state.

    Raises:
        TfprovError: why it cannot be; the environment that was in use before still is.
    """
    run = Run(request, emit)
    with _journalled(run):
        run.do(PROFILE)
        environment = run.environment
        environment.check_link()
        with _working_on(environment, run.emit):
            environment.claim()
            run.journal.open(run.home.journals / environment.id, now=datetime.now(timezone.utc))
            verified = None if request.recreate or request.upgrade else _still_verified(run)
            if verified is not None:
                return _outcome(run, verified, already=True)
            for stage in STAGES[1:3]:
                run.do(stage)
            return _realise_or_fall_back(run)


def plan(request: Request, emit: Emit) -> Plan:
    """What `up` would do. Writes nothing."""
    run = Run(request, emit)
    _do_until(run, "plan")
    return run.get(Plan)


def lock(request: Request, emit: Emit) -> Lock:
    """Make or renew the lock, and nothing else."""
    run = Run(request, emit)
    with _journalled(run):
        run.do(PROFILE)
        with _working_on(run.environment, run.emit):
            run.journal.open(run.home.journals / run.environment.id, now=datetime.now(timezone.utc))
            _do_until(run, "lock")
    return run.get(Lock)


def facts(environ: Mapping[str, str]) -> Facts:
    """What this machine is."""
    home = paths.home(environ)
    return gather(environ, folders=folders(home), cache=home.cache / "interpreters.json")


def _do_until(run: Run, last: str) -> None:
    for stage in STAGES:
        if stage is not PROFILE or not run.seconds:
            run.do(stage)
        if stage.name == last:
            return


def _realise(run: Run) -> Outcome:
    """From the plan to an active generation. An environment that already is what the lock says is not built again."""
    for stage in STAGES[3:5]:
        run.do(stage)
    reusable = None if run.request.recreate else _reusable(run)
    if reusable is not None:
        run.put(reusable)
        wanted = smoke_digest(smoke_request(run.loaded, run.get(Lock).target))
        if reusable.seal is not None and reusable.seal.smoke_digest == wanted:
            seal = dataclasses.replace(reusable.seal, profile_digest=run.loaded.digest)
            return _outcome(run, run.environment.reseal(reusable, seal), already=True)
        stages: tuple[Stage, ...] = (SMOKE, ACTIVATE)
    else:
        stages = STAGES[5:]
    for stage in stages:
        run.do(stage)
    return _outcome(run, run.get(Activated).generation, already=False)


def _realise_or_fall_back(run: Run) -> Outcome:
    """The decision of the plan, and after its failure the older ones that the profile allows."""
    allowed = run.loaded.profile.tensorflow.allow_fallback
    others = run.get(Plan).fallbacks if allowed else ()
    if not others:
        return _realise(run)
    return climb(
        "up",
        [
            Step(Rung.NORMAL, partial(_realise, run)),
            *(Step(Rung.OTHER_RELEASE, partial(_fall_back, run, other)) for other in others),
        ],
        emit=_only_escalations(run),
        skip=run.loaded.profile.strategies.skip,
        policy=Policy(tries=1, deadline=run.deadline),
    )


def _fall_back(run: Run, other: Decision) -> Outcome:
    chosen = other.tensorflow
    run.emit(Note(text=f"trying {chosen.package} {chosen.version} ({chosen.accelerator}) instead", level="warning"))
    run.put(dataclasses.replace(run.get(Plan), decision=other))
    return _realise(run)


def _still_verified(run: Run) -> Generation | None:
    """The active generation, when neither the profile nor the lock nor the files changed since it was verified."""
    generation = run.environment.active()
    if generation is None or generation.seal is None or generation.seal.profile_digest != run.loaded.digest:
        return None
    lock_path = run.lock_path
    if not lock_path.exists() or _digest(lock_path) != generation.seal.lock_digest:
        return None
    return generation if _whole(run, generation) else None


def _reusable(run: Run) -> Generation | None:
    """The active generation, when it has exactly the files of the lock on the interpreter of the plan."""
    generation, lock, interpreter = run.environment.active(), run.get(Lock), run.get(Interpreter)
    if generation is None or generation.seal is None:
        return None
    if generation.seal.lock_digest != lock.digest or generation.seal.python != interpreter.path:
        return None
    return generation if _whole(run, generation) else None


def _whole(run: Run, generation: Generation) -> bool:
    """Whether a generation is as it was when it was verified; says so when it is not."""
    if not python_in(generation.path).exists():
        run.emit(Note(text="the interpreter of the environment is gone; building it anew", level="warning"))
        return False
    damage = run.environment.damage(generation)
    if damage:
        run.emit(Note(text=f"the environment is damaged: {damage}; building it anew", level="warning"))
        return False
    return True


def _digest(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def _outcome(run: Run, generation: Generation, *, already: bool) -> Outcome:
    found, fetched = run.find(Plan), run.find(Fetched)
    return Outcome(
        environment=run.environment,
        generation=generation,
        decision=found.decision if found else None,
        verdict=run.find(Verdict),
        lock=run.find(Lock),
        stages=tuple(run.seconds),
        bytes_fetched=fetched.bytes_fetched if fetched else 0,
        bytes_reused=fetched.bytes_reused if fetched else 0,
        attempts=tuple(run.attempts),
        already=already,
    )


@contextlib.contextmanager
def _working_on(environment: Environment, emit: Emit) -> Iterator[None]:
    """Hold the environment; when another run has it, say so and wait for it."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(environment.locked(timeout=0))
        except TfprovError as error:
            if error.code.name != "lock-timeout":
                raise
            emit(Note(text=f"another tfprov works on `{environment.owner.name}`: waiting for it", level="warning"))
            held.enter_context(environment.locked())
        yield


@contextlib.contextmanager
def _journalled(run: Run) -> Iterator[None]:
    """Let the journal hold how the run ended, and close it."""
    try:
        yield
        run.journal.write("End", {"code": None})
    except TfprovError as error:
        ending = {"code": error.code.name, "what": error.what, "evidence": error.evidence, "tried": error.tried}
        run.journal.write("End", {**ending, "hint": error.hint})
        raise
    except BaseException as error:
        run.journal.write("End", {"code": "interrupted" if isinstance(error, KeyboardInterrupt) else "internal"})
        raise
    finally:
        run.journal.close()


def _only_escalations(run: Run) -> Emit:
    """The first try of the whole is no attempt of its own: its stages report theirs."""

    def emit(event: object) -> None:
        if isinstance(event, Attempt) and event.rung != Rung.NORMAL.value:
            run.emit(event)

    return emit
