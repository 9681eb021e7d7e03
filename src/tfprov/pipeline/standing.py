"""Whether a verdict still stands on this machine, as it is now."""

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
"""Changes that are no cause by themselves: a new proof tells what they mean. The others have a remedy of their own."""

MOST_PROOFS = 64
"""So many machines a seal remembers: a folder that the nodes of a cluster share is proved once on each."""


class Standing:
    """Whether verdicts still stand: a machine is looked at once a run, however many generations rest on it.

    Args:
        environ: variables of the user.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        # By interpreter and by whether GPUs count.
        self._readings: dict[tuple[str, bool], Reading] = {}
        self._asking: dict[tuple[str, bool], threading.Thread] = {}

    def begin(self, generation: Generation) -> None:
        """Ask the driver of the GPUs that a sealed generation was proved on, while the caller looks at other things.

        Without it, `changes` does that and waits.
        """
        _, has_gpus = wanted = _rests_on(_sealed(generation))
        if has_gpus and wanted not in self._asking:
            # Not in the thread: it shall wait for the answer, and not take turns with whoever looks at files.
            import tfprov.host.fingerprint
            import tfprov.host.gpu  # noqa: F401 - likewise

            self._asking[wanted] = threading.Thread(target=self._ask, args=wanted, name="driver", daemon=True)
            self._asking[wanted].start()

    def changes(self, generation: Generation) -> tuple[MachineChange, ...]:
        """What of this machine is not as it was when a sealed generation was proved on it."""
        from tfprov.host.fingerprint import changes

        seal = _sealed(generation)
        wanted = _rests_on(seal)
        if wanted in self._asking:
            self._asking[wanted].join()
        if wanted not in self._readings:
            self._readings[wanted] = self._read(*wanted)
        return changes(seal.proofs, self._readings[wanted])

    def _ask(self, python: str, has_gpus: bool) -> None:
        # What goes wrong here goes wrong again, and is told, where somebody wants to know.
        with contextlib.suppress(Exception):
            self._readings[python, has_gpus] = self._read(python, has_gpus)

    def _read(self, python: str, has_gpus: bool) -> Reading:
        from tfprov.host.fingerprint import read

        return read(self._environ, python=python, has_gpus=has_gpus)


def _sealed(generation: Generation) -> Seal:
    if generation.seal is None:
        raise TfprovError("internal", f"generation {generation.number} has no seal")
    return generation.seal


def _rests_on(seal: Seal) -> tuple[str, bool]:
    """What a verdict rests on besides the machine itself: the interpreter, and whether GPUs count."""
    return seal.python, any(proof.has_gpus for proof in seal.proofs)


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
    standing = Standing(environ)
    standing.begin(generation)
    flaw = environment.flaw(generation)
    if flaw is not None:
        what = f"the environment of `{environment.owner.name}` is not as it was verified"
        raise TfprovError(flaw.code, what, evidence=(flaw.words,), hint=f"run {again}: it is made anew")
    changed = standing.changes(generation)
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
