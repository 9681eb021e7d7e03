"""Reuses an existing generation instead of building one, and deletes leftovers of killed runs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace

from tfprov.envs.records import Generation
from tfprov.errors import CODES, TfprovError
from tfprov.pipeline import unpacked, uv
from tfprov.pipeline.context import Context
from tfprov.pipeline.records import Installation, Locked
from tfprov.pipeline.stages import smoke_digest, smoke_request
from tfprov.pipeline.standing import next_step
from tfprov.temporary import sweep_temporary

# Failures that a missing GPU or processor instruction may lead to.
_CONSEQUENCES = frozenset({"gpu-missing-in-tf", "gpu-libs-missing", "probe-failed", "probe-crashed", "import-failed"})


def sweep_leftovers(context: Context) -> None:
    """Delete leftovers of killed runs: temporary folders, unfinished files in uv's cache, half unpacked wheels."""
    sweep_temporary(now=time.time())
    uv.sweep(context.home.cache / "uv")
    unpacked.store_of(context.home).sweep_unfinished()


def kept_generation(context: Context, locked: Locked) -> Installation | None:
    """An existing, undamaged generation with exactly the files of the lock, on the interpreter of the lock.

    The active generation is preferred, then the newest. Others exist after a rollback, or after a change of the profile
    that was reverted.

    Returns:
        None when there is none.
    """
    environment, wanted = context.environment, (locked.lock.digest, locked.interpreter.path)
    active = environment.active()
    for generation in (*filter(None, (active,)), *reversed(environment.generations())):
        if generation.seal is None or (generation.seal.lock_digest, generation.seal.python) != wanted:
            continue
        # A project folder may have changed without the lock; then its wheel is not built yet, or is a different one.
        if locked.lock.sources or generation.seal.from_folders != locked.lock.from_folders:
            continue
        if generation == active:
            if context.is_whole(generation):
                return Installation(locked=locked, generation=generation)
        elif environment.flaw(generation) is None:
            return Installation(locked=locked, generation=generation)
    return None


def is_proved(context: Context, kept: Installation) -> bool:
    """Whether a sealed generation was proved on this machine as it is now, by the smoke test that the profile asks for.

    Raises:
        TfprovError: `internal` when it has no seal.
    """
    wanted = smoke_digest(smoke_request(context.loaded, kept.locked.lock.target))
    return kept.generation.sealed.smoke_digest == wanted and not context.changes(kept.generation)


@contextlib.contextmanager
def blaming_changes(context: Context, kept: Installation | None) -> Iterator[None]:
    """Add to a failure in the block what changed on the machine since the generation was proved.

    If such a change may be the cause, the failure gets its code and hint.

    Args:
        context: of the run.
        kept: the generation that is being proved again; None when it was just installed.
    """
    try:
        yield
    except TfprovError as error:
        changed = context.changes(kept.generation) if kept else ()
        error.evidence = (*(f"changed since it was proved: {change}" for change in changed), *error.evidence)
        cause = next((change for change in changed if next_step(change)), None)
        if cause is not None and error.code.name in _CONSEQUENCES:
            error.code, error.hint = CODES[cause.code], next_step(cause)
        raise


def reseal(context: Context, kept: Installation) -> Generation:
    """Record the current profile in the seal of a verified generation, and activate it.

    To be called only when the profile changed in nothing that the smoke test depends on.
    """
    seal = replace(
        kept.generation.sealed, profile_digest=context.loaded.digest, keep=context.loaded.profile.environment.keep
    )
    resealed = context.environment.reseal(kept.generation, seal)
    # The profile may ask for another path now, or the link there may have been deleted.
    context.environment.activate(resealed)
    return resealed
