"""The commands that run the pipeline: all of it, or the part up to the plan or the lock.

Modules that are needed only when there is something to do are imported late, so that `up` is fast on a verified
environment: that is what a CI job or a login script runs every time.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tfprov.contents import content_of
from tfprov.digests import sha256_of
from tfprov.envs import git, rollbacks
from tfprov.envs.generations import Environment
from tfprov.envs.place import check_execution
from tfprov.envs.records import Generation
from tfprov.errors import TfprovError
from tfprov.events import Emit, Note
from tfprov.pipeline.context import Context, Request, read_profile
from tfprov.pipeline.records import Outcome
from tfprov.writing import write_atomic

if TYPE_CHECKING:
    from tfprov.host.records import Facts
    from tfprov.lock.records import Lock
    from tfprov.pipeline.records import Choice, Installation, Locked, Proved
    from tfprov.plan.records import Decision, Plan


def up(request: Request, emit: Emit) -> Outcome:
    """Bring the profile's environment to a verified state.

    Raises:
        TfprovError: why that is not possible; the environment that was in use before stays in use.
    """
    with _drift_taken(request, emit) as asked, open_context(asked, emit).journalled() as context:
        read_profile(context)
        # This check needs no lock: even with one, another run could change the environment right after it.
        if (settled := _settled(context)) is not None:
            return settled
        with context.alone():
            context.environment.claim()
            context.open_journal()
            if (verified := still_verified(context)) is not None:
                # The link at `environment.path` of the profile may have been deleted since.
                context.environment.activate(verified)
                return _unchanged(context, verified)
            from tfprov.pipeline import drift, images, prove, reckoning, reuse, sources, stages

            drift.tell_left_behind(context)
            reuse.sweep_leftovers(context)
            machine = stages.gather_facts(context)
            choice = stages.make_plan(context, machine)

            def install(compiling: contextlib.ExitStack, locked: Locked) -> Installation:
                locked = sources.with_wheels(context, machine, locked)
                if (linked := stages.link_image(context, machine, locked)) is not None:
                    return linked
                from tfprov.pipeline import installing, unpacked

                # Compilation continues during the smoke test.
                ahead = compiling.enter_context(installing.compiling_ahead())
                with (
                    unpacked.unpacking(context, ahead.landed) as trees,
                    installing.building(context, machine, locked, ahead) as build,
                ):
                    fetched = stages.fetch_files(context, machine, locked, listener=unpacked.Into(trees))
                    generation = installing.build_environment(context, build)
                    return installing.install_wheels(
                        context, machine, locked, fetched=fetched, generation=generation, unpacking=trees, ahead=ahead
                    )

            def provision(choice: Choice) -> Outcome:
                plan = choice.plan
                locked = stages.lock_files(context, machine, choice, stages.find_interpreter(context, machine, plan))
                changes = reckoning.changes(context, locked)
                locked = sources.with_known_wheels(context, machine, locked)
                kept = None if request.recreate else reuse.kept_generation(context, locked)
                if kept is not None and reuse.is_proved(context, kept):
                    return _outcome(context, reuse.reseal(context, kept), plan, changes=changes)
                with contextlib.nullcontext() if kept else images.made_once(context, locked):
                    with reuse.blaming_changes(context, kept), contextlib.ExitStack() as compiling:
                        into = partial(install, compiling)
                        proved = prove.prove(context, machine, kept or into(locked), install=into)
                    generation = stages.activate(context, machine, proved)
                # A cure may have chosen another release or Python.
                return _outcome(context, generation, proved.installation.locked.plan, proved, changes=changes)

            return _first_that_works(context, choice, provision)


def _first_that_works(context: Context, choice: Choice, provision: Callable[[Choice], Outcome]) -> Outcome:
    """Provision the decision of the plan or, if that fails and the profile allows it, one of its fallbacks.

    Raises:
        TfprovError: why none of them could be provisioned.
    """
    others = choice.plan.fallbacks if context.loaded.profile.tensorflow.allow_fallback else ()
    if not others:
        return provision(choice)
    from tfprov.ladder.climb import Policy, Step, climb, without_normal
    from tfprov.ladder.rungs import Rung
    from tfprov.pipeline.records import Choice

    def fall_back(other: Decision) -> Outcome:
        chosen = other.tensorflow
        text = f"trying {chosen.package} {chosen.version} ({chosen.accelerator}) instead"
        context.emit(Note(text=text, level="warning"))
        with _restoring(context.lock_path):
            return provision(Choice(plan=dataclasses.replace(choice.plan, decision=other), instead=text))

    steps = [Step(Rung.NORMAL, partial(provision, choice))]
    steps += [Step(Rung.OTHER_RELEASE, partial(fall_back, other)) for other in others]
    policy = Policy(tries=1, deadline=context.deadline)
    # The first decision is not reported as an attempt: its stages report their own.
    return climb("up", steps, emit=without_normal(context.emit), skip=context.skip, policy=policy)


@contextlib.contextmanager
def _restoring(lock: Path) -> Iterator[None]:
    """Restore a lock if the block fails, so that no run follows one whose release did not work either."""
    before = content_of(lock) if lock.exists() else None
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            if before is None:
                lock.resolve().unlink(missing_ok=True)
            else:
                write_atomic(lock, before)
        raise


def plan(request: Request, emit: Emit) -> Plan:
    """What `up` would do. Writes nothing except caches, such as what interpreters said about themselves.

    Raises:
        TfprovError: why nothing fits.
    """
    from tfprov.pipeline import stages

    context = Context(dataclasses.replace(request, name_indexes="plan"), emit)
    read_profile(context)
    if request.host is None:
        context.environment.check_link()
        check_execution(context.environment.root)
    machine = stages.gather_facts(context)
    choice = stages.make_plan(context, machine, tell=False)
    from tfprov.pipeline.reckoning import reckoned

    return reckoned(context, machine, choice)


def lock(request: Request, emit: Emit) -> Lock:
    """Make or renew the lock where necessary, and nothing else.

    Raises:
        TfprovError: as for `locked`.
    """
    return locked(request, emit).lock


def locked(request: Request, emit: Emit) -> Locked:
    """Make or renew the lock where necessary; returns it with its plan and interpreter.

    Raises:
        TfprovError: `not-supported` for `--host` with a virtual environment; why the lock cannot be made.
    """
    from tfprov.pipeline import stages

    context = Context(dataclasses.replace(request, name_indexes="lock"), emit)
    with context.journalled():
        read_profile(context)
        if request.host is not None and not context.backend.locks_for_other_hosts:
            raise TfprovError(
                "not-supported",
                "a lock for the machine of `--host` can be made for a conda environment only",
                evidence=(f"`environment.kind` is `{context.source.kind}`",),
                hint="name the platforms that a lock of wheels must serve with `lock.platforms`",
            )
        with context.alone():
            context.environment.check_place()
            context.open_journal()
            machine = stages.gather_facts(context)
            choice = stages.make_plan(context, machine)
            interpreter = stages.find_interpreter(context, machine, choice.plan)
            return stages.lock_files(context, machine, choice, interpreter)


def facts(environ: Mapping[str, str]) -> Facts:
    """The facts about this machine."""
    from tfprov.host.facts import gather
    from tfprov.paths import home
    from tfprov.pipeline.stages import folders

    try:
        kept = home(environ)
    except TfprovError as error:
        if error.code.name != "permission-denied":
            raise
        # The facts can be gathered even without a writable home directory.
        return gather(environ)
    return gather(environ, folders=folders(kept), cache=kept.cache / "interpreters.json")


def open_context(request: Request, emit: Emit) -> Context:
    """The context for a request. If it names a bundle, profile and lock are first extracted from that.

    Raises:
        TfprovError: `bundle-…` when the bundle cannot be used.
    """
    if not request.bundle:
        return Context(request, emit)
    from tfprov.pipeline.bundle_source import accept

    offline, bundle = accept(request, emit)
    return Context(offline, emit, bundle=bundle)


@contextlib.contextmanager
def _drift_taken(request: Request, emit: Emit) -> Iterator[Request]:
    """The request, after adding packages installed by hand to the profile if it asks for that (`--drift take`).

    If the block fails, the profile is restored.
    """
    if request.drift != "take":
        yield request
        return
    from tfprov.pipeline import drift

    with drift.taken(open_context(request, emit)):
        yield dataclasses.replace(request, drift="drop")


def _settled(context: Context) -> Outcome | None:
    """The outcome when there is nothing to do; None when there is.

    Raises:
        TfprovError: `path-not-ours`; `rolled-back` when the user has to decide.
    """
    environment = context.environment
    environment.check_link()
    if (verified := still_verified(context)) is not None and environment.settled(verified):
        # Profile and lock, too, may have been taken back after a rollback.
        rollbacks.forget(environment.root)
        context.open_journal()
        _sweep(environment)
        return _unchanged(context, verified)
    kept = rolled_back(context)
    return None if kept is None else dataclasses.replace(_unchanged(context, kept), rolled_back=True)


def still_verified(context: Context) -> Generation | None:
    """The active generation, if profile, lock, files and machine are unchanged since it was verified.

    Returns:
        None otherwise, and always when the request is to recreate the environment or to upgrade the lock.
    """
    if context.request.recreate or context.request.upgrade:
        return None
    generation = context.environment.active()
    if generation is None or generation.seal is None or generation.seal.profile_digest != context.source.digest:
        return None
    lock_path = context.lock_path
    if not lock_path.exists() or sha256_of(lock_path) != generation.seal.lock_digest:
        return None
    return generation if context.is_whole(generation) and not context.changes(generation) else None


def rolled_back(context: Context) -> Generation | None:
    """The target of a rollback, if the run is to stay there; None if it may continue.

    It may continue when no rollback is in effect, when profile or lock changed since, when that generation is damaged
    (unless it is to be repaired), or when the request says what to do.

    Raises:
        TfprovError: `rolled-back` when the user has to decide.
    """
    request, environment = context.request, context.environment
    active = environment.active()
    found = rollbacks.read(environment.root, active)
    # `repair`, the thorough one, is about the generation in use, so it does not go forward.
    recreate = request.recreate and not request.thorough
    if found is None or active is None or recreate or request.upgrade or request.overrides or request.bundle:
        return None
    lock_path = context.lock_path
    now = sha256_of(lock_path) if lock_path.exists() else ""
    if (context.source.digest, now) != (found.profile_digest, found.lock_digest):
        return None
    is_whole = environment.flaw(active) is None
    if request.keep_rollback is False or not (is_whole or request.thorough):
        return None
    if request.thorough and is_whole and not request.recreate:
        return active
    if (request.keep_rollback or found.keep) and not request.thorough:
        if not found.keep:
            rollbacks.write(environment.root, dataclasses.replace(found, keep=True))
        return active
    again = f"tfprov up {request.profile}".rstrip()
    stays = f"`{again} --keep-rollback` stays at generation {found.number} until one of them changes"
    if request.thorough:
        back = f"tfprov rollback {request.profile}".rstrip()
        stays = f"`{back} {found.number}` mends generation {found.number} from its image"
    raise TfprovError(
        "rolled-back",
        f"`{environment.owner.name}` was rolled back to generation {found.number}, and profile and lock still ask for "
        f"what generation {found.before} is",
        evidence=(f"`{context.source.path}` and `{lock_path.name}` are as they were then",),
        hint=f"{stays}; `{again} --no-keep-rollback` goes forward again",
    )


def _sweep(environment: Environment) -> None:
    """Delete leftovers of interrupted runs, and generations that are no longer kept.

    Does nothing while another run has the lock of the environment: what is unfinished may be that run's own.
    """
    if environment.unfinished():
        with contextlib.suppress(TfprovError, OSError), environment.locked(timeout=0):
            environment.sweep()
            environment.prune()


def _unchanged(context: Context, generation: Generation) -> Outcome:
    if context.environment.owner.link:
        git.exclude(Path(context.environment.owner.link))  # the repository may be younger than the environment
    return Outcome(environment=context.environment, generation=generation, stages=tuple(context.seconds), already=True)


def _outcome(
    context: Context,
    generation: Generation,
    plan: Plan,
    proved: Proved | None = None,
    *,
    changes: tuple[str, ...] | None,
) -> Outcome:
    """The outcome of a run that had something to do; `proved` is None when no smoke test was needed."""
    fetched = proved.installation.fetched if proved else None
    return Outcome(
        environment=context.environment,
        generation=generation,
        decision=plan.decision,
        verdict=proved.verdict if proved else None,
        stages=tuple(context.seconds),
        bytes_fetched=fetched.bytes_fetched if fetched else 0,
        bytes_reused=fetched.bytes_reused if fetched else 0,
        attempts=tuple(context.attempts),
        already=proved is None,
        changes=changes,
    )
