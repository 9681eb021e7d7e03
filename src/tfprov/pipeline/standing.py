"""Whether a verdict still stands on this machine, as it is now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tfprov.envs.records import Generation
from tfprov.errors import CODES, TfprovError

if TYPE_CHECKING:
    from tfprov.envs.generations import Environment
    from tfprov.host.fingerprint import Reading
    from tfprov.host.records import Fingerprint, MachineChange

Readings = dict[tuple[str, bool], "Reading"]
"""What was looked at already, by interpreter and by whether GPUs count: a driver is asked once a run."""

PROVED_AGAIN = frozenset({"verdict-stale", "gpu-changed", "gpu-driver-changed"})
"""Changes that are no cause by themselves: a new proof tells what they mean. The others have a remedy of their own."""

MOST_PROOFS = 64
"""So many machines a seal remembers: a folder that the nodes of a cluster share is proved once on each."""


def standing(generation: Generation, environ: Mapping[str, str], readings: Readings) -> tuple[MachineChange, ...]:
    """What of this machine is not as it was when a sealed generation was proved on it; nothing when all of it is.

    Args:
        generation: with its seal.
        environ: variables of the user.
        readings: looked up, and added to.
    """
    from tfprov.host.fingerprint import changes, read

    if generation.seal is None:
        raise TfprovError("internal", f"generation {generation.number} has no seal")
    proofs = generation.seal.proofs
    has_gpus = any(proof.has_gpus for proof in proofs)
    wanted = (generation.seal.python, has_gpus)
    if wanted not in readings:
        readings[wanted] = read(environ, python=generation.seal.python, has_gpus=has_gpus)
    return changes(proofs, readings[wanted])


def check(environment: Environment, generation: Generation, environ: Mapping[str, str], profile: str) -> None:
    """Make sure that an environment is as it was verified, on this machine as it is now.

    Args:
        environment: whose.
        generation: of it, sealed.
        environ: variables of the user.
        profile: as the user named it, for the next step.

    Raises:
        TfprovError: the code of what is not as it was.
    """
    again = f"`{f'tfprov up {profile}'.rstrip()}`"
    flaw = environment.flaw(generation)
    if flaw is not None:
        what = f"the environment of `{environment.owner.name}` is not as it was verified"
        raise TfprovError(flaw.code, what, evidence=(flaw.words,), hint=f"run {again}: it is made anew")
    changed = standing(generation, environ, {})
    if changed:
        first = changed[0]
        raise TfprovError(
            first.code,
            f"the environment of `{environment.owner.name}` was not proved on this machine as it is now",
            evidence=tuple(map(str, changed)),
            hint=next_step(first) or f"run {again}: it is proved again, and nothing is built",
        )


def next_step(change: MachineChange) -> str:
    """What mends a change that is a cause by itself; empty for one that a new proof tells the meaning of."""
    from tfprov.host.records import LOST_DEVICES

    if change.code in PROVED_AGAIN:
        return ""
    if LOST_DEVICES in change.now:
        from tfprov.plan.refuse import RESTART_CONTAINER

        return RESTART_CONTAINER
    return CODES[change.code].remedy


def with_proof(proofs: tuple[Fingerprint, ...], proof: Fingerprint) -> tuple[Fingerprint, ...]:
    """What a seal remembers after one more proof; an older one on the same machine goes."""
    from dataclasses import replace

    others = (each for each in proofs if replace(each, taken_at="") != replace(proof, taken_at=""))
    return (*others, proof)[-MOST_PROOFS:]
