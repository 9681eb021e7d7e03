"""Adopts an environment in place: a new, verified environment takes over its path, and the old one is kept unchanged.

The new environment is built and proved in tfprov's own folder. Only then are profile and lock written, and last the
path is switched, in one step. If anything ends the run before that step, the old environment is still at its path,
untouched, and running the same command again continues from there.
"""

from __future__ import annotations

import contextlib
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
from tfprov.lock.target_records import Target
from tfprov.paths import relative
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
from tfprov.temporary import temporary
from tfprov.words import quoted
from tfprov.writing import write_atomic, write_through


def adopt_in_place(asking: Asking, emit: Emit) -> Adoption:
    """Build and prove an environment like the old one, and put it at the old one's path.

    Raises:
        TfprovError: why that is not possible; the old environment is then still at its path, untouched.
    """
    with alone(asking, emit):
        found = look(asking)
        refuse_what_others_need(found)
        profile = place_of_profile(asking, found)
        is_again = adopted(profile, found.root)
        if not is_again:
            refuse_existing(profile)
        refuse_running(found.root, force=asking.force)
        if found.named != found.root:
            emit(Note(text=f"`{found.named}` is a link to `{found.root}`, which will be replaced"))
        defects = findings(found)
        subject = AdoptionSubject.of(asking, found, profile)
        with own_files(subject):
            settled, outcome, kept = _replaced(subject, emit, is_again=is_again)
        return replace(adoption(subject, defects, settled), outcome=outcome, kept=kept.path)


def _replaced(subject: AdoptionSubject, emit: Emit, *, is_again: bool) -> tuple[Settled, Outcome, Generation]:
    """Replace the old environment.

    Returns:
        The profile and lock that were written, the new environment at the old one's path, and the generation that the
        old one is kept as.
    """
    asking, found, profile = subject.asking, subject.found, subject.profile
    settled = settled_already(subject, emit) if is_again else settle(subject, emit)
    if not is_again:
        refuse_existing(profile.with_name(settled.lock_name))
    before = Context(request_of(subject, settled.wanted, settled.text), emit).environment
    takeover.check(before, found.root)
    with temporary("adopt") as work:
        settled, outcome = _proved(subject, settled, work, emit)
        document = content_of(work / settled.lock_name)
    inside = relative(found.root, profile.parent.resolve())
    path = str(found.root) if inside.startswith("..") else inside
    text = edited(settled.text, {"environment.path": path})
    # The profile first: it records that it was adopted, so that the same command continues after an interruption. A
    # lock without it would be refused as somebody else's file.
    write_through(profile, text.encode())
    write_atomic(profile.with_name(settled.lock_name), document)
    refuse_running(found.root, force=asking.force)
    context = Context(Request(profile=str(profile), cwd=asking.cwd, environ=asking.environ), emit)
    with context.alone():
        kept, generation = _exchanged(context, found)
    outcome = replace(outcome, environment=context.environment, generation=generation)
    return replace(settled, text=text), outcome, kept


def refuse_what_others_need(found: ForeignEnvironment) -> None:
    """Check that an environment may be replaced: no other program needs it, and tfprov does not run from it.

    Raises:
        TfprovError: `not-supported`.
    """
    why = refusal(found)
    if why:
        raise TfprovError(
            "not-supported",
            f"`{found.named}` cannot be replaced",
            evidence=(why,),
            hint=f"`tfprov adopt {quoted(str(found.named))}` writes a profile; `tfprov up` then makes a new "
            "environment elsewhere",
        )


def refuse_running(root: Path, *, force: bool) -> None:
    """Check that no process runs from an environment: after the switch, its imports would come from the new one.

    Args:
        root: folder of the environment, links resolved.
        force: skip the check.

    Raises:
        TfprovError: `environment-in-use`.
    """
    holders: tuple[Holder, ...] = () if force else running_from(root)
    if holders:
        raise TfprovError(
            "environment-in-use",
            f"processes are running from `{root}`",
            evidence=tuple(f"process {one.pid}: {one.command}" for one in holders),
            hint="stop them, or pass `--force`: what they import from then on comes from the new environment",
        )


def _proved(subject: AdoptionSubject, settled: Settled, work: Path, emit: Emit) -> tuple[Settled, Outcome]:
    """Make a verified environment in tfprov's own folder, with fewer pins if the versions of the old one do not work.

    Args:
        subject: the old environment and its profile.
        settled: the profile and lock to start with.
        work: folder for the lock.
        emit: receives progress.

    Returns:
        The profile and lock that the environment was made from, and the environment.
    """
    found = subject.found
    while True:
        lock = work / settled.lock_name
        lock.write_bytes(settled.document)
        request = request_of(subject, settled.wanted, settled.text, lock)
        try:
            return settled, up(request, emit)
        except TfprovError as error:
            less = relaxed(settled.wanted, error)
            # A profile that the user has reviewed, and may have edited, is not relaxed behind the user's back. Nor is
            # another release of TensorFlow tried: that would be a different environment, and each try takes as long as
            # an installation.
            if less is None or adopted(subject.profile, found.root) or not _is_alike(less, settled.wanted):
                _leave_nothing(Context(request, emit).environment)
                error.evidence = (*error.evidence, f"nothing was changed in `{found.named}`")
                raise
            emit(Note(text=f"the same versions do not work ({error.what}): trying with fewer pins", level="warning"))
            settled = settle_for(subject, less, emit)


def _is_alike(less: Asked, wanted: Asked) -> bool:
    """Whether `less` asks for the same TensorFlow, Python and packages, with fewer pins or without the user's files."""
    names = [[one.name for one in each.packages if not one.is_carried] for each in (less, wanted)]
    same = (less.tensorflow, less.python) == (wanted.tensorflow, wanted.python) and names[0] == names[1]
    return same and less != wanted


def _leave_nothing(environment: Environment) -> None:
    """Delete what a failed adoption made, unless the environment has a sealed generation."""
    if environment.root.is_dir() and not environment.generations():
        with contextlib.suppress(OSError), environment.locked():
            trees.delete(environment.remove())


def _exchanged(context: Context, found: ForeignEnvironment) -> tuple[Generation, Generation]:
    """Switch the path from the old environment to the new one; returns the generations of the old and the new one."""
    environment = context.environment
    generation = environment.active()
    if generation is None or generation.seal is None:
        raise TfprovError("internal", "the environment that was just verified is gone")
    kept = takeover.take_over(environment, found.root, _seal(found))
    # Only now, with the link in place, can the environment record it as its own.
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
