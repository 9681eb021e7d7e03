"""Reports the state of environments on this machine as it is now. Changes nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tfprov.digests import sha256_of
from tfprov.envs import rollbacks
from tfprov.envs.generations import Environment
from tfprov.envs.records import Generation, Seal
from tfprov.envs.rollbacks import Rollback
from tfprov.errors import TfprovError
from tfprov.pipeline.backends.choose import backend_of, lock_of
from tfprov.pipeline.named import of_nobody
from tfprov.pipeline.standing import Standing, next_step
from tfprov.profile import source
from tfprov.smoke.verdict import from_document
from tfprov.words import quoted

if TYPE_CHECKING:
    from tfprov.host.records import MachineChange

State = Literal["verified", "stale", "outdated", "unusable", "missing"]
"""`stale`: not proved on this machine as it is now. `outdated`: profile or lock changed since it was verified.
`unusable`: its files, interpreter or location changed. `missing`: there is no verified generation."""

# Changes of a machine that affect only GPUs; all others affect every device.
_OF_GPUS = frozenset({"GPUs", "driver"})
# What `up` does away with.
_NO_MISTAKES = ("verdict-stale", "lock-missing")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStatus:
    """The state of one device.

    Attributes:
        name: `CPU:0`, `GPU:1`; `environment` for checks that concern no device.
        description: product name where known.
        checks: number of checks in the verdict, without skipped ones.
        verified: whether the verdict is still valid for it.
    """

    name: str
    description: str
    checks: int
    verified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of an environment.

    Attributes:
        environment: the environment.
        generation: the one in use; None when there is none.
        state: its state.
        code: failure code of the first difference; None when it is verified.
        reasons: the differences, a line each; for a verified environment, notes about it.
        next_step: what to do about it, or that there is nothing to do.
        verified_at: time of the last proof in UTC, ISO 8601; empty when there is none.
        lock: the lock file; None when it no longer exists.
        devices: the devices of the last proof.
    """

    environment: Environment
    generation: Generation | None
    state: State
    code: str | None
    reasons: tuple[str, ...]
    next_step: str
    verified_at: str = ""
    lock: Path | None = None
    devices: tuple[DeviceStatus, ...] = ()

    @property
    def seal(self) -> Seal | None:
        """The seal of the generation in use; None when there is none."""
        return self.generation.seal if self.generation else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    state: State
    code: str
    reasons: tuple[str, ...]
    next_step: str


def look(environments: Sequence[Environment], environ: Mapping[str, str]) -> tuple[Status, ...]:
    """The state of each environment on this machine as it is now. The GPU driver is queried once for all of them."""
    standing = Standing(environ)
    return tuple(_look(one, standing) for one in environments)


def _look(environment: Environment, standing: Standing) -> Status:
    """The state of an environment on this machine as it is now.

    Args:
        environment: the environment.
        standing: checks whether its verdict is still valid.
    """
    up = f"`tfprov up {quoted(environment.owner.profile)}`"
    generation = environment.active()
    if not environment.owner.is_known:
        damage = of_nobody(environment)
        return Status(
            environment=environment,
            generation=generation,
            state="unusable",
            code=damage.code.name,
            reasons=(damage.what, *damage.evidence),
            next_step=damage.hint,
        )
    if generation is None or generation.seal is None:
        mistake = _mistake(Path(environment.owner.profile))
        return Status(
            environment=environment,
            generation=None,
            state="missing",
            code="environment-missing",
            reasons=("there is no verified generation", *(_invalid(mistake, "the profile is") if mistake else ())),
            next_step=mistake.hint if mistake else f"{up} makes it",
        )
    standing.begin(generation)
    seal, unusable = generation.seal, _unusable(environment, generation, up)
    changed = standing.changes(generation)
    lock = lock_of(environment, seal.kind)
    outdated = _outdated(environment, seal, lock, up, kind=seal.kind)
    # After a rollback, profile and lock are those of the generation that was left, unless they were taken back, too.
    rolled_back = rollbacks.read(environment.root, generation) if outdated else None
    if rolled_back is not None and not _profile_changed(environment, rolled_back.profile_digest, up):
        outdated = _outdated(environment, rolled_back, lock, up, kind=seal.kind)
    found = unusable or outdated or _stale(changed, up)
    return Status(
        environment=environment,
        generation=generation,
        state=found.state if found else "verified",
        code=found.code if found else None,
        reasons=found.reasons if found else _notes(environment, seal, rolled_back),
        next_step=found.next_step if found else "nothing to do",
        verified_at=max([proof.taken_at for proof in seal.proofs], default=seal.sealed_at),
        lock=lock,
        devices=_devices(seal, found, changed),
    )


def as_error(found: tuple[Status, ...]) -> TfprovError | None:
    """A failure with the code of the first environment that is not verified; None when all are."""
    bad = [one for one in found if one.code is not None]
    if not bad or bad[0].code is None:
        return None
    first = bad[0]
    names = ", ".join(f"`{one.environment.owner.name}`" for one in bad)
    return TfprovError(
        str(first.code),
        f"{names} {'is' if len(bad) == 1 else 'are'} not verified on this machine as it is now",
        evidence=tuple(f"{one.environment.owner.name}: {reason}" for one in bad for reason in one.reasons),
        hint=first.next_step,
    )


def _unusable(environment: Environment, generation: Generation, up: str) -> _Finding | None:
    flaw = environment.flaw(generation)
    if flaw is None:
        return None
    return _Finding(state="unusable", code=flaw.code, reasons=(flaw.words,), next_step=f"{up} rebuilds it")


def _outdated(
    environment: Environment, known: Seal | Rollback, lock: Path | None, up: str, *, kind: str
) -> _Finding | None:
    profile = _profile_changed(environment, known.profile_digest, up)
    files = _lock_changed(known.lock_digest, lock, up, kind=kind)
    # A mistake in either comes first: `up` would fail on it.
    return next((one for one in (profile, files) if one and one.code not in _NO_MISTAKES), profile or files)


def _mistake(profile: Path) -> TfprovError | None:
    """What is wrong with a profile, so that `up` would fail; None if nothing is, or if there is none."""
    from tfprov.profile.load import load

    try:
        if profile.is_file():
            load(profile, shipped=False)
    except TfprovError as error:
        return error
    return None


def _invalid(mistake: TfprovError, what: str) -> tuple[str, ...]:
    return (f"{what} not valid: {mistake.what}", *mistake.evidence)


def _profile_changed(environment: Environment, known: str, up: str) -> _Finding | None:
    """The finding that the profile has changed; None if it has not, or no longer exists."""
    path = Path(environment.owner.profile)
    if not path.is_file():
        return None
    try:
        seen = source.glance(path, shipped=False)
        if seen is None or seen.digest != known:
            # The change may be a mistake, on which `up` would fail.
            from tfprov.profile.load import load

            seen = load(path, shipped=False).source
    except TfprovError as error:
        reasons = _invalid(error, "the profile changed and is")
        return _Finding(state="outdated", code=error.code.name, reasons=reasons, next_step=error.hint)
    if seen.digest == known:
        return None
    reasons = ("the profile or a file that it names changed, or `--set` gave the last `up` other values",)
    return _Finding(
        state="outdated", code="verdict-stale", reasons=reasons, next_step=f"{up} does what it asks for now"
    )


def _lock_changed(known: str, lock: Path | None, up: str, *, kind: str) -> _Finding | None:
    if lock is None:
        reasons = ("the lock is gone",)
        return _Finding(state="outdated", code="lock-missing", reasons=reasons, next_step=f"{up} makes a new one")
    if sha256_of(lock) == known:
        return None
    try:
        backend_of(kind).locked_python(lock)
    except TfprovError as error:
        mistake = (f"`{lock.name}` changed: {error.what}", *error.evidence)
        return _Finding(state="outdated", code=error.code.name, reasons=mistake, next_step=error.hint)
    reasons = (f"`{lock.name}` changed",)
    step = f"{up} installs what it lists, or renews it if the profile asks for something else"
    return _Finding(state="outdated", code="verdict-stale", reasons=reasons, next_step=step)


def _stale(changed: tuple[MachineChange, ...], up: str) -> _Finding | None:
    if not changed:
        return None
    code = changed[0].code
    step = next_step(changed[0]) or f"{up} verifies it again, without rebuilding"
    return _Finding(state="stale", code=code, reasons=tuple(map(str, changed)), next_step=step)


def _notes(environment: Environment, seal: Seal, rolled_back: Rollback | None) -> tuple[str, ...]:
    profile, verdict = environment.owner.profile, from_document(seal.verdict)
    gone = "" if Path(profile).is_file() else f"its profile `{profile}` no longer exists"
    back = ""
    if rolled_back is not None:
        stays = "`tfprov up` stays here" if rolled_back.keep else "`tfprov up` asks whether to stay here"
        back = f"rolled back from generation {rolled_back.before}, which profile and lock still ask for: {stays}"
    link, taken = environment.stable, ""
    if environment.place != link:
        does = "does not lead here any more" if os.path.lexists(link) else "is gone; `tfprov up` makes it again"
        taken = f"`{link}` {does}"
    return tuple(filter(None, (verdict.note if verdict else "", gone, taken, back)))


def _devices(seal: Seal, found: _Finding | None, changed: tuple[MachineChange, ...]) -> tuple[DeviceStatus, ...]:
    verdict = from_document(seal.verdict)
    if verdict is None:
        return ()
    # A change of the GPUs or their driver leaves the proof of the processor valid; all others affect every device.
    only_gpus = found is not None and found.state == "stale" and all(each.what in _OF_GPUS for each in changed)
    return tuple(
        DeviceStatus(
            name=device.name,
            description=device.description,
            checks=sum(not leg.skipped for leg in device.legs),
            verified=found is None or (only_gpus and device.kind == "cpu"),
        )
        for device in verdict.devices
    )
