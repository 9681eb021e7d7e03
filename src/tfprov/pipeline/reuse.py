"""What of the environment in use can be kept, and deleting what killed runs left."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace

from tfprov.envs.records import Generation, Seal
from tfprov.errors import CODES, TfprovError
from tfprov.paths import sweep_temporary
from tfprov.pipeline import unpacked, uv
from tfprov.pipeline.context import Context
from tfprov.pipeline.records import Installation, Locked
from tfprov.pipeline.stages import smoke_digest, smoke_request
from tfprov.pipeline.standing import next_step

# Failures in which it may end that a GPU or an instruction is gone.
_CONSEQUENCES = frozenset({"gpu-missing-in-tf", "gpu-libs-missing", "probe-failed", "probe-crashed", "import-failed"})


def sweep_leftovers(context: Context) -> None:
    """Delete what killed runs left in temporary folders, in uv's cache, and half unpacked."""
    sweep_temporary(now=time.time())
    uv.sweep(context.home.cache / "uv")
    unpacked.store_of(context.home).sweep_unfinished()


def kept_generation(context: Context, locked: Locked) -> Installation | None:
    """A generation that has exactly the files of the lock on the interpreter of the plan: the active one, or another.

    Another one is there after a rollback, or when what the profile asks for was changed and changed back.
    """
    environment, wanted = context.environment, (locked.lock.digest, locked.interpreter.path)
    active = environment.active()
    for generation in (*filter(None, (active,)), *reversed(environment.generations())):
        if generation.seal is None or (generation.seal.lock_digest, generation.seal.python) != wanted:
            continue
        # A folder may have changed under the same lock; then its wheel is not built yet, or is another one.
        if locked.lock.sources or generation.seal.from_folders != locked.lock.from_folders:
            continue
        if generation == active:
            if context.is_whole(generation):
                return Installation(locked=locked, generation=generation)
        elif environment.flaw(generation) is None:
            return Installation(locked=locked, generation=generation)
    return None


def is_proved(context: Context, kept: Installation) -> bool:
    """Whether a sealed generation was proved here, by a smoke test that is all that the profile asks for now."""
    wanted = smoke_digest(smoke_request(context.loaded, kept.locked.lock.target))
    return _seal_of(kept).smoke_digest == wanted and not context.changes(kept.generation)


@contextlib.contextmanager
def blaming_changes(context: Context, kept: Installation | None) -> Iterator[None]:
    """Let the failure of something that was proved before name what of the machine changed since.

    Args:
        context: of the run.
        kept: what is proved again; None when it was installed just now.
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
    """A verified generation under the profile as it is now, which changed nothing that a proof depends on."""
    seal = replace(_seal_of(kept), profile_digest=context.loaded.digest, keep=context.loaded.profile.environment.keep)
    resealed = context.environment.reseal(kept.generation, seal)
    # The profile may ask for another path now, or the link at it was deleted.
    context.environment.activate(resealed)
    return resealed


def _seal_of(kept: Installation) -> Seal:
    seal = kept.generation.seal
    if seal is None:
        raise TfprovError("internal", f"generation {kept.generation.number} has no seal")
    return seal
