"""Adopting an environment where it stands: a verified one takes its place, and it is kept as it was.

The new environment is built and proved in tfprov's own folder. Only then profile and lock are written, and only then
the path changes hands, in one step. Whatever ends this before that step leaves the old environment at its path,
untouched; the same command goes on from there.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from tfprov import trees
from tfprov.adopt.judge import findings, tensorflow_of
from tfprov.adopt.records import Asked, ForeignEnvironment
from tfprov.adopt.relax import relaxed
from tfprov.contents import content_of
from tfprov.envs import git, takeover
from tfprov.envs.generations import Environment
from tfprov.envs.holders import running_from
from tfprov.envs.records import Generation, Holder, Seal
from tfprov.errors import TfprovError
from tfprov.events import Emit, Note
from tfprov.lock.records import Target
from tfprov.paths import temporary, write_atomic
from tfprov.pipeline.adopting import (
    Adoption,
    AdoptionSubject,
    Asking,
    Settled,
    adopted,
    adoption,
    alone,
    look,
    own_files,
    place_of_profile,
    refusal,
    refuse_existing,
    request_of,
    settle,
    settle_for,
    settled_already,
)
from tfprov.pipeline.context import Context, Request
from tfprov.pipeline.records import Outcome
from tfprov.pipeline.up import up
from tfprov.profile.edit import edited


def adopt_in_place(asking: Asking, emit: Emit) -> Adoption:
    """Build and prove an environment like the old one, and put it at the old one's path.

    Raises:
        TfprovError: why that cannot be; the old environment is untouched at its path then.
    """
    with alone(asking, emit):
        return _in_place(asking, emit)


def _in_place(asking: Asking, emit: Emit) -> Adoption:
    found = look(asking)
    refuse_what_others_need(found)
    profile = place_of_profile(asking, found)
    is_again = adopted(profile, found.root)
    if not is_again:
        refuse_existing(profile)
    refuse_running(found.root, force=asking.force)
    if found.named != found.root:
        emit(Note(text=f"`{found.named}` leads to `{found.root}`: that is what is replaced"))
    wrong = findings(found)
    subject = AdoptionSubject.of(asking, found, profile)
    with own_files(subject):
        settled, outcome, kept = _replaced(subject, emit, is_again=is_again)
    return replace(adoption(subject, wrong, settled), outcome=outcome, kept=kept.path)


def _replaced(subject: AdoptionSubject, emit: Emit, *, is_again: bool) -> tuple[Settled, Outcome, Generation]:
    """What was settled in the end, the new environment at the old one's path, and the old one as it is kept."""
    asking, found, profile = subject.asking, subject.found, subject.profile
    settled = settled_already(subject, emit) if is_again else settle(subject, emit)
    if not is_again:
        refuse_existing(profile.with_name(settled.lock_name))
    before = Context(request_of(subject, settled.wanted, settled.text), emit).environment
    takeover.check(before, found.root)
    with temporary("adopt") as work:
        settled, outcome = _proved(subject, settled, work, emit)
        document = content_of(work / settled.lock_name)
    inside = os.path.relpath(found.root, profile.parent.resolve())
    path = str(found.root) if inside.startswith("..") else Path(inside).as_posix()
    text = edited(settled.text, {"environment.path": path})
    # The profile says of itself that it is ours; a lock alone would be in the way of the same command.
    write_atomic(profile, text.encode())
    write_atomic(profile.with_name(settled.lock_name), document)
    refuse_running(found.root, force=asking.force)
    context = Context(Request(profile=str(profile), cwd=asking.cwd, environ=asking.environ), emit)
    with context.alone():
        kept, generation = _exchanged(context, found)
    outcome = replace(outcome, environment=context.environment, generation=generation)
    return replace(settled, text=text), outcome, kept


def refuse_what_others_need(found: ForeignEnvironment) -> None:
    """Make sure that an environment belongs to one project, and that tfprov does not stand in it.

    Raises:
        TfprovError: `not-supported`.
    """
    why = refusal(found)
    if why:
        raise TfprovError(
            "not-supported",
            f"`{found.named}` is not replaced",
            evidence=(why,),
            hint=f"`tfprov adopt {found.named}` writes a profile, from which `tfprov up` makes one elsewhere",
        )


def refuse_running(root: Path, *, force: bool) -> None:
    """Make sure that no process runs from an environment: what it imports later would come from another one.

    Raises:
        TfprovError: `environment-in-use`.
    """
    holders: tuple[Holder, ...] = () if force else running_from(root)
    if holders:
        raise TfprovError(
            "environment-in-use",
            f"processes run from `{root}`, which is not replaced under them",
            evidence=tuple(f"process {one.pid}: {one.command}" for one in holders),
            hint="end them, or replace it all the same with `--force`: what they import from then on is the new one's",
        )


def _proved(subject: AdoptionSubject, settled: Settled, work: Path, emit: Emit) -> tuple[Settled, Outcome]:
    """A verified environment in tfprov's own folder; with fewer pins where what was there does not work."""
    found = subject.found
    while True:
        lock = work / settled.lock_name
        lock.write_bytes(settled.document)
        request = request_of(subject, settled.wanted, settled.text, lock)
        try:
            return settled, up(request, emit)
        except TfprovError as error:
            less = relaxed(settled.wanted, error)
            # What the user has looked at, and may have changed, is not changed behind his back. And each try takes as
            # long as an installation: another release of TensorFlow would be another environment.
            if less is None or adopted(subject.profile, found.root) or not _is_alike(less, settled.wanted):
                _leave_nothing(Context(request, emit).environment)
                error.evidence = (*error.evidence, f"`{found.named}` is as it was: nothing was changed")
                raise
            emit(Note(text=f"it does not work as it was ({error.what}): asking for less", level="warning"))
            settled = settle_for(subject, less, emit)


def _is_alike(less: Asked, wanted: Asked) -> bool:
    """Whether the same TensorFlow, Python and packages are asked for, with fewer pins or without the user's files."""
    names = [[one.name for one in each.packages if not one.is_carried] for each in (less, wanted)]
    same = (less.tensorflow, less.python) == (wanted.tensorflow, wanted.python) and names[0] == names[1]
    return same and less != wanted


def _leave_nothing(environment: Environment) -> None:
    """Delete what a failed adoption made, unless there was an environment before."""
    if environment.root.is_dir() and not environment.generations():
        with contextlib.suppress(OSError), environment.locked():
            trees.delete(environment.remove())


def _exchanged(context: Context, found: ForeignEnvironment) -> tuple[Generation, Generation]:
    """The old environment as it is kept, and the new one at its path."""
    environment = context.environment
    generation = environment.active()
    if generation is None or generation.seal is None:
        raise TfprovError("internal", "the environment that was just verified is gone")
    kept = takeover.take_over(environment, found.root, _seal(found))
    # Now that the link is there, it is the environment's own.
    environment.claim()
    git.exclude(Path(environment.owner.link))
    seal = replace(generation.seal, profile_digest=context.loaded.digest)
    return kept, environment.reseal(generation, seal)


def _seal(found: ForeignEnvironment) -> Seal:
    tensorflow = tensorflow_of(found)
    version = tensorflow.version if tensorflow else ""
    return Seal(
        kind="conda" if found.kind == "conda" else "venv",
        profile_digest="",
        lock_digest="",
        target=Target(
            package=tensorflow.name if tensorflow else "",
            version=version,
            extras=(),
            accelerator="",
            python=found.python.minor,
            platform="",
        ),
        python=str(found.python.target),
        python_version=found.python.version,
        tensorflow=version,
        level="",
        smoke_digest="",
        sealed_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        adopted=str(found.root),
    )
