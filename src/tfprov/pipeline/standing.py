"""Checks whether a verdict is still valid on this machine as it is now."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tfprov.envs.records import Generation, Seal
from tfprov.errors import CODES, TfprovError

if TYPE_CHECKING:
    from tfprov.envs.generations import Environment
    from tfprov.host.fingerprint import Reading
    from tfprov.host.records import Fingerprint, MachineChange


PROVED_AGAIN = frozenset({"verdict-stale", "gpu-changed", "gpu-driver-changed"})
"""Codes of changes that need not be a fault: the remedy is a new proof. The others have their own remedies."""

MOST_PROOFS = 64
"""Maximum number of machines in a seal. A folder that the nodes of a cluster share is proved once on each of them."""


class Standing:
    """Checks verdicts against this machine, which is examined only once per run for all generations.

    Args:
        environ: variables of the user.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        # By interpreter, and whether the verdict depends on GPUs.
        self._readings: dict[tuple[str, bool], Reading] = {}
        self._asking: dict[tuple[str, bool], threading.Thread] = {}

    def begin(self, generation: Generation) -> None:
        """Start querying the GPU driver in a thread, if a sealed generation was proved on GPUs.

        Optional: without it, `changes` does the same and waits.
        """
        _, has_gpus = wanted = _rests_on(generation.sealed)
        if has_gpus and wanted not in self._asking:
            # Imported here, not in the thread: there it would compete with the caller for the GIL.
            import tfprov.host.fingerprint
            import tfprov.host.gpu  # noqa: F401 - only so that it is loaded

            self._asking[wanted] = threading.Thread(target=self._ask, args=wanted, name="driver", daemon=True)
            self._asking[wanted].start()

    def changes(self, generation: Generation) -> tuple[MachineChange, ...]:
        """Differences between this machine now and the machines that a sealed generation was proved on.

        Returns:
            Empty when it was proved on this machine as it is now.
        """
        from tfprov.host.fingerprint import changes

        seal = generation.sealed
        wanted = _rests_on(seal)
        if wanted in self._asking:
            self._asking[wanted].join()
        if wanted not in self._readings:
            self._readings[wanted] = self._read(*wanted)
        return changes(seal.proofs, self._readings[wanted])

    def _ask(self, python: str, has_gpus: bool) -> None:
        # A failure occurs again in `changes`, and is reported there.
        with contextlib.suppress(Exception):
            self._readings[python, has_gpus] = self._read(python, has_gpus)

    def _read(self, python: str, has_gpus: bool) -> Reading:
        from tfprov.host.fingerprint import read

        return read(self._environ, python=python, has_gpus=has_gpus)


def _rests_on(seal: Seal) -> tuple[str, bool]:
    """The interpreter that a verdict depends on, and whether it depends on GPUs."""
    return seal.python, any(proof.has_gpus for proof in seal.proofs)


def check(environment: Environment, generation: Generation, environ: Mapping[str, str], profile: str) -> None:
    """Check that an environment is unchanged since it was verified, and was proved on this machine as it is now.

    Args:
        environment: the environment.
        generation: a sealed generation of it.
        environ: variables of the user.
        profile: the profile as the user named it, for the hint.

    Raises:
        TfprovError: with the code of the first difference.
    """
    again = f"`{f'tfprov up {profile}'.rstrip()}`"
    standing = Standing(environ)
    standing.begin(generation)
    flaw = environment.flaw(generation)
    if flaw is not None:
        what = f"the environment of `{environment.owner.name}` changed since it was verified"
        raise TfprovError(flaw.code, what, evidence=(flaw.words,), hint=f"run {again} to rebuild it")
    changed = standing.changes(generation)
    if changed:
        first = changed[0]
        raise TfprovError(
            first.code,
            f"the environment of `{environment.owner.name}` is not verified on this machine as it is now",
            evidence=tuple(map(str, changed)),
            hint=next_step(first) or f"run {again} to verify it again, without rebuilding",
        )


def next_step(change: MachineChange) -> str:
    """The remedy for a change of the machine; empty where a new proof is the remedy."""
    if change.code in PROVED_AGAIN:
        return ""
    if change.container is not None:
        from tfprov.plan.refuse import into_container

        return into_container(change.container, change.now)
    return CODES[change.code].remedy


def with_proof(proofs: tuple[Fingerprint, ...], proof: Fingerprint) -> tuple[Fingerprint, ...]:
    """The proofs of a seal with one more; it replaces an older one with the same fingerprint.

    Returns:
        At most `MOST_PROOFS`, the newest last.
    """
    from dataclasses import replace

    others = (each for each in proofs if replace(each, taken_at="") != replace(proof, taken_at=""))
    return (*others, proof)[-MOST_PROOFS:]
