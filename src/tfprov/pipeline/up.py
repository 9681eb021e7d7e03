"""The commands that run the pipeline: all of it, or the part up to the plan or the lock.

What is needed only when there is something to do is imported there: `up` on a verified environment is what a CI job or
a login script runs every time.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from tfprov.envs.generations import Environment
from tfprov.envs.records import Generation
from tfprov.errors import TfprovError
from tfprov.events import Emit, Note
from tfprov.pipeline.records import Outcome
from tfprov.pipeline.run import PROFILE, Request, Run, whole

if TYPE_CHECKING:
    from tfprov.host.records import Facts
    from tfprov.lock.records import Lock
    from tfprov.plan.records import Plan


def up(request: Request, emit: Emit) -> Outcome:
    """Bring the profile's environment to a verified state.

    Raises:
        TfprovError: why it cannot be; the environment that was in use before still is.
    """
    bundle = None
    if request.bundle:
        from tfprov.pipeline.unbundling import accept

        request, bundle = accept(request, emit)
    run = Run(request, emit)
    if bundle is not None:
        run.put(bundle)
    with journalled(run):
        run.do(PROFILE)
        environment = run.environment
        environment.check_link()
        folder, now = run.home.journals / environment.id, datetime.now(timezone.utc)
        anew = request.recreate or request.upgrade
        # To look needs no lock: with it, the answer would be just as true, and another run as free to change it after.
        verified = None if anew else _still_verified(run)
        if verified is not None and environment.settled(verified):
            run.journal.open(folder, now=now)
            if environment.unfinished():
                _sweep(environment)
            return Outcome(environment=environment, generation=verified, stages=tuple(run.seconds), already=True)
        with working_on(environment, run.emit):
            environment.claim()
            run.journal.open(folder, now=now)
            verified = None if anew else _still_verified(run)
            if verified is not None:
                # The link at the path that the profile asks for may have been deleted since.
                environment.activate(verified)
                return Outcome(environment=environment, generation=verified, stages=tuple(run.seconds), already=True)
            from tfprov.pipeline.realise import realise

            return realise(run)


def plan(request: Request, emit: Emit) -> Plan:
    """What `up` would do. Writes nothing but what interpreters said about themselves."""
    from tfprov.pipeline.stages import DECIDE
    from tfprov.plan.records import Plan

    run = Run(request, emit)
    run.do(PROFILE)
    if request.host is None:
        run.environment.check_link()
    for stage in DECIDE:
        run.do(stage)
    return run.get(Plan)


def lock(request: Request, emit: Emit) -> Lock:
    """Make or renew the lock, and nothing else."""
    from tfprov.lock.records import Lock
    from tfprov.pipeline.stages import DECIDE, EXACT

    run = Run(request, emit)
    with journalled(run):
        run.do(PROFILE)
        if request.host is not None and run.source.kind != "conda":
            raise TfprovError(
                "not-supported",
                "a lock for the machine of `--host` can be made for a conda environment only",
                evidence=(f"`environment.kind` is `{run.source.kind}`",),
                hint="name the platforms that a lock of wheels must serve with `lock.platforms`",
            )
        with working_on(run.environment, run.emit):
            run.environment.check_place()
            run.journal.open(run.home.journals / run.environment.id, now=datetime.now(timezone.utc))
            for stage in (*DECIDE, *EXACT):
                run.do(stage)
    return run.get(Lock)


def facts(environ: Mapping[str, str]) -> Facts:
    """What this machine is."""
    from tfprov.host.facts import gather
    from tfprov.paths import home
    from tfprov.pipeline.stages import folders

    kept = home(environ)
    return gather(environ, folders=folders(kept), cache=kept.cache / "interpreters.json")


def _still_verified(run: Run) -> Generation | None:
    """The active generation, when neither the profile nor the lock nor the files changed since it was verified."""
    generation = run.environment.active()
    if generation is None or generation.seal is None or generation.seal.profile_digest != run.source.digest:
        return None
    lock_path = run.lock_path
    if not lock_path.exists() or _digest(lock_path) != generation.seal.lock_digest:
        return None
    return generation if whole(run, generation) else None


def _sweep(environment: Environment) -> None:
    """Delete what a run left that was ended in the middle. Where one is still at it, that is its own."""
    with contextlib.suppress(TfprovError, OSError), environment.locked(timeout=0):
        environment.sweep()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextlib.contextmanager
def working_on(environment: Environment, emit: Emit) -> Iterator[None]:
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
def journalled(run: Run) -> Iterator[None]:
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
