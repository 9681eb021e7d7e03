"""How environments stand on this machine, as it is now: looked at, and nothing changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tfprov.contents import content_of
from tfprov.envs import rollbacks
from tfprov.envs.generations import Environment
from tfprov.envs.records import Generation, Seal
from tfprov.envs.rollbacks import Rollback
from tfprov.errors import TfprovError
from tfprov.pipeline.backends.choose import lock_of
from tfprov.pipeline.standing import Standing, next_step
from tfprov.profile import source
from tfprov.smoke.verdict import from_document
from tfprov.words import quoted

if TYPE_CHECKING:
    from tfprov.host.records import MachineChange

State = Literal["verified", "stale", "outdated", "unusable", "missing"]
"""`stale`: proved on another machine than this one as it is now. `outdated`: profile or lock changed since.
`unusable`: its files, its interpreter or its place did. `missing`: there is no verified generation."""

# What of a machine only GPUs rest on; of the rest, every device does.
_OF_GPUS = frozenset({"GPUs", "driver"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStatus:
    """How one device stands.

    Attributes:
        name: `CPU:0`, `GPU:1`; `environment` for what concerns no device.
        description: product name where known.
        checks: so many the verdict has for it; skipped ones not counted.
        verified: whether the verdict still counts for it.
    """

    name: str
    description: str
    checks: int
    verified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How an environment stands.

    Attributes:
        environment: which one.
        generation: the one in use; None when there is none.
        state: of it.
        code: failure code of what is not as it was; None when it is verified.
        reasons: what is not as it was, a line each; of a verified one, what is worth knowing.
        next_step: what would be done, or is to be done.
        verified_at: moment in UTC, ISO 8601, of the last proof; empty when there is none.
        lock: the lock file; None when it is gone.
        devices: as they were proved last.
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
        """That of the generation in use."""
        return self.generation.seal if self.generation else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    state: State
    code: str
    reasons: tuple[str, ...]
    next_step: str


def look(environments: Sequence[Environment], environ: Mapping[str, str]) -> tuple[Status, ...]:
    """How environments stand on this machine, as it is now. A driver is asked once for all of them."""
    standing = Standing(environ)
    return tuple(_look(one, standing) for one in environments)


def _look(environment: Environment, standing: Standing) -> Status:
    """How an environment stands on this machine, as it is now.

    Args:
        environment: which one.
        standing: whether verdicts still stand on this machine.
    """
    up = f"`tfprov up {quoted(environment.owner.profile)}`"
    generation = environment.active()
    if generation is None or generation.seal is None:
        return Status(
            environment=environment,
            generation=None,
            state="missing",
            code="environment-missing",
            reasons=("there is no verified generation",),
            next_step=f"{up} makes it",
        )
    standing.begin(generation)
    seal, unusable = generation.seal, _unusable(environment, generation, up)
    changed = standing.changes(generation)
    lock, rolled_back = lock_of(environment, seal.kind), rollbacks.read(environment.root, generation)
    # After a rollback, profile and lock are those of what was left, and are known to be.
    known = rolled_back or seal
    found = (
        unusable
        or _profile_changed(environment, known.profile_digest, up)
        or _lock_changed(known.lock_digest, lock, up)
        or _stale(changed, up)
    )
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
    """The first environment that is not verified, as a failure; None when all are."""
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
    return _Finding(state="unusable", code=flaw.code, reasons=(flaw.words,), next_step=f"{up} makes it anew")


def _profile_changed(environment: Environment, known: str, up: str) -> _Finding | None:
    """Whether the profile has another digest than is known; a profile that is gone changes nothing."""
    path = Path(environment.owner.profile)
    if not path.is_file():
        return None
    try:
        seen = source.glance(path, shipped=False)
        if seen is None or seen.digest != known:
            # Whatever changed may be a mistake, which `up` would end with.
            from tfprov.profile.load import load

            seen = load(path, shipped=False).source
    except TfprovError as error:
        reasons = (f"the profile changed, and has mistakes: {error.what}",)
        return _Finding(state="outdated", code=error.code.name, reasons=reasons, next_step=error.hint)
    if seen.digest == known:
        return None
    reasons = ("the profile, or a file that it names, changed",)
    return _Finding(
        state="outdated", code="verdict-stale", reasons=reasons, next_step=f"{up} does what it asks for now"
    )


def _lock_changed(known: str, lock: Path | None, up: str) -> _Finding | None:
    if lock is None:
        reasons = ("the lock is gone",)
        return _Finding(state="outdated", code="lock-missing", reasons=reasons, next_step=f"{up} makes it anew")
    if hashlib.sha256(content_of(lock)).hexdigest() == known:
        return None
    reasons = (f"`{lock.name}` changed",)
    return _Finding(state="outdated", code="verdict-stale", reasons=reasons, next_step=f"{up} installs what it holds")


def _stale(changed: tuple[MachineChange, ...], up: str) -> _Finding | None:
    if not changed:
        return None
    code = changed[0].code
    step = next_step(changed[0]) or f"{up} proves it again; nothing is built"
    return _Finding(state="stale", code=code, reasons=tuple(map(str, changed)), next_step=step)


def _notes(environment: Environment, seal: Seal, rolled_back: Rollback | None) -> tuple[str, ...]:
    profile, verdict = environment.owner.profile, from_document(seal.verdict)
    gone = "" if Path(profile).is_file() else f"its profile `{profile}` is gone"
    back = ""
    if rolled_back is not None:
        stays = "`tfprov up` stays here" if rolled_back.keep else "`tfprov up` asks whether to stay here"
        back = f"rolled back from generation {rolled_back.before}, which profile and lock still ask for: {stays}"
    return tuple(filter(None, (verdict.note if verdict else "", gone, back)))


def _devices(seal: Seal, found: _Finding | None, changed: tuple[MachineChange, ...]) -> tuple[DeviceStatus, ...]:
    verdict = from_document(seal.verdict)
    if verdict is None:
        return ()
    # A machine with another driver has the processor that was proved; what concerns all of it concerns every device.
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
