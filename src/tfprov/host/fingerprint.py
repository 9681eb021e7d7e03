"""Fingerprints: the properties of a machine that a verdict depends on, and how they changed since."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from tfprov.digests import sha256_of
from tfprov.host import processor, system
from tfprov.host.records import (
    Card,
    Driver,
    Facts,
    Fingerprint,
    Gpu,
    Libc,
    MachineChange,
    Problem,
    Vendor,
    vector_units,
)
from tfprov.times import shown
from tfprov.words import listed

_NAMED = 3
"""Maximum number of GPUs named in a line; the others are only counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The current state of a machine.

    Attributes:
        fingerprint: its `python_hash` is empty, because hashing the interpreter takes longer than all the rest.
        python: the interpreter that was examined.
        problem: why the GPUs of the machine cannot be used; None when they can, or when GPUs do not count.
        container: kind of container; None outside one, and when GPUs do not count.
        shows_processor: whether the system shows the features of the processor; not where `/proc` is not mounted.
    """

    fingerprint: Fingerprint
    python: str
    problem: Problem | None = None
    container: str | None = None
    shows_processor: bool = True


def of_facts(facts: Facts, *, python: str, vendor: Vendor | None, required: int) -> Fingerprint:
    """The fingerprint for a verdict that was just made on this machine.

    Args:
        facts: gathered before the test.
        python: the interpreter that the environment was made from; a relative name is that of an interpreter inside the
            environment.
        vendor: the vendor whose GPUs were proved; None for none.
        required: number of GPUs that the profile asks for.
    """
    return _fingerprint(
        python=python,
        libc=facts.libc.value,
        flags=facts.cpu_flags.value,
        driver=facts.driver.value if vendor == "nvidia" else None,
        gpus=tuple(gpu for gpu in facts.gpus.value if gpu.vendor == vendor),
        has_gpus=vendor is not None,
        required=required,
        digest=file_digest(python),
    )


def read(environ: Mapping[str, str], *, python: str, has_gpus: bool) -> Reading:
    """Examine the machine as it is now. Starts one process where GPUs count and there is an NVIDIA driver, else none.

    Args:
        environ: environment variables of the user.
        python: the interpreter to examine.
        has_gpus: whether GPUs count.

    Raises:
        TfprovError: `platform-no-wheel` on an operating system that TensorFlow has never been built for.
    """
    family = system.running_system().value
    driver: Driver | None = None
    gpus: tuple[Gpu, ...] = ()
    problem, container = None, None
    if has_gpus:
        from tfprov.host.gpu import graphics
        from tfprov.host.graphics import GpuHost

        container = system.container(environ).value
        machine, _ = processor.architecture(family, environ)
        place = GpuHost(
            system=family, container=container, wsl=system.wsl(environ).value, machine=machine.value, root=system.ROOT
        )
        found = graphics(environ, place, brief=True)
        driver, gpus, problem = found.driver.value, found.gpus.value, found.problem.value
    flags = processor.flags(family).value
    fingerprint = _fingerprint(
        python=python,
        libc=system.libc(family).value,
        flags=flags,
        driver=driver,
        gpus=gpus,
        has_gpus=has_gpus,
    )
    return Reading(
        fingerprint=fingerprint, python=python, problem=problem, container=container, shows_processor=bool(flags)
    )


def changes(proofs: tuple[Fingerprint, ...], now: Reading) -> tuple[MachineChange, ...]:
    """The changes of this machine that make a verdict stale; empty when the verdict was made on this machine as it is.

    Args:
        proofs: fingerprints of the machines that it was made on, newest last. Where none matches, the changes are those
            from the most similar one.
        now: this machine, limited to what the verdict depends on.
    """
    if not proofs:
        was = "not written down by the older tfprov that proved it"
        return (MachineChange(code="verdict-stale", what="machine", was=was, now=""),)
    known: list[str] = []

    def content() -> str:
        if not known:
            known.append(file_digest(now.python))
        return known[0]

    differences = (_differences(proof, now, content) for proof in reversed(proofs))
    # Other GPUs count for more than the same ones in another state.
    return min(differences, key=lambda found: (len(found), sum(change.code == "gpu-changed" for change in found)))


def file_digest(python: str) -> str:
    """SHA-256 of an interpreter's executable; empty where it does not exist or is part of the environment."""
    try:
        return sha256_of(Path(python)) if Path(python).is_absolute() else ""
    except OSError:
        return ""


def _fingerprint(
    *,
    python: str,
    libc: Libc | None,
    flags: tuple[str, ...],
    driver: Driver | None,
    gpus: tuple[Gpu, ...],
    has_gpus: bool,
    required: int = 0,
    digest: str = "",
) -> Fingerprint:
    size, changed = _identity(python)
    return Fingerprint(
        taken_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        vector_units=vector_units(flags),
        libc=f"{libc.kind} {libc.version}" if libc else "",
        python_bytes=size,
        python_time=changed,
        python_hash=digest,
        has_gpus=has_gpus,
        driver=driver.version if driver else "",
        cards=tuple(card for gpu in gpus if gpu.vendor != "intel" for card in _cards(gpu)),
        required=required,
    )


def _identity(python: str) -> tuple[int, int]:
    """Size of an interpreter and its modification time in whole seconds; zeros where it does not exist."""
    try:
        status = Path(python).stat() if Path(python).is_absolute() else None
    except OSError:
        status = None
    return (status.st_size, int(status.st_mtime)) if status else (0, 0)


def _cards(gpu: Gpu) -> tuple[Card, ...]:
    can_run = gpu.visible and gpu.usable and gpu.compute_mode != "prohibited"
    if gpu.slices:
        # A program sees the MIG devices; it cannot use the GPU itself.
        return tuple(Card(id=part.uuid, name=f"{gpu.name} {part.name}", visible=can_run) for part in gpu.slices)
    capability = gpu.compute_capability or ""
    name = gpu.uuid or gpu.pci or (gpu.name if gpu.vendor == "apple" else "")
    return (Card(id=name, name=gpu.name, capability=capability, visible=can_run, vendor=gpu.vendor),)


def _differences(proof: Fingerprint, now: Reading, content: Callable[[], str]) -> tuple[MachineChange, ...]:
    here = now.fingerprint
    found: list[MachineChange] = []
    if proof.has_gpus:
        found += _graphics(proof, now)
    gone = [unit for unit in proof.vector_units if unit not in here.vector_units]
    come = [unit for unit in here.vector_units if unit not in proof.vector_units]
    if gone or come:
        code = "cpu-no-avx" if "avx" in gone and now.shows_processor else "verdict-stale"
        was = f"with {', '.join(gone)}" if gone else f"without {', '.join(come)}"
        is_now = f"with {', '.join(come)}" if come else f"without {', '.join(gone)}"
        if not now.shows_processor:
            is_now = "not shown by the system"
        found.append(MachineChange(code=code, what="processor", was=was, now=is_now))
    if proof.libc != here.libc:
        found.append(
            MachineChange(code="verdict-stale", what="C library", was=proof.libc or "none", now=here.libc or "none")
        )
    if not _same_python(proof, here, content):
        was, is_now = (_described(each) for each in (proof, here))
        found.append(MachineChange(code="verdict-stale", what="interpreter", was=was, now=is_now))
    return tuple(found)


def _same_python(proof: Fingerprint, here: Fingerprint, content: Callable[[], str]) -> bool:
    if not proof.python_bytes:
        # It is part of the environment, whose files are checked in any case.
        return True
    if proof.python_bytes != here.python_bytes:
        return False
    # A copy or a restored backup has the same content with another time.
    return proof.python_time == here.python_time or proof.python_hash == content()


def _described(fingerprint: Fingerprint) -> str:
    if not fingerprint.python_bytes:
        return "gone"
    return f"{fingerprint.python_bytes} bytes of {shown(fingerprint.python_time)}"


def _graphics(proof: Fingerprint, now: Reading) -> list[MachineChange]:
    here = now.fingerprint
    vendors = {card.vendor for card in proof.cards} or {"nvidia"}
    there = [card for card in here.cards if card.vendor in vendors]
    found: list[MachineChange] = []
    if "nvidia" in vendors:
        if now.problem is not None or (not there and not here.driver):
            return [_without(proof, now)]
        if proof.driver != here.driver:
            found.append(
                MachineChange(
                    code="gpu-driver-changed", what="driver", was=proof.driver or "none", now=here.driver or "none"
                )
            )
    elif not there:
        return [MachineChange(code="gpu-no-device", what="GPUs", was=_told(proof), now="none")]
    before, after = ({card.identity: card for card in cards} for cards in (proof.cards, there))
    if before.keys() != after.keys():
        gone = [card for key, card in before.items() if key not in after]
        come = [card for key, card in after.items() if key not in before]
        was, is_now = (_names(gone) if gone else "not there"), (_names(come) if come else "gone")
        found.append(MachineChange(code="gpu-changed", what="GPUs", was=was, now=is_now))
        return found
    # Hiding some of the proved GPUs makes nothing stale. A GPU that was hidden during the test was not proved.
    usable = [key for key, card in after.items() if card.visible]
    fresh = [after[key] for key in usable if not before[key].visible]
    least = max(proof.required, 1 if any(card.visible for card in proof.cards) else 0)
    if fresh:
        found.append(
            MachineChange(
                code="gpu-changed", what="GPUs", was=f"{_names(fresh)} hidden or not usable", now="to be used"
            )
        )
    elif len(usable) < least:
        found.append(
            MachineChange(
                code="gpu-no-device", what="GPUs", was=_told(proof), now=f"{len(usable) or 'none'} of them to be used"
            )
        )
    return found


def _without(proof: Fingerprint, now: Reading) -> MachineChange:
    """The change where no NVIDIA GPU of the machine can be used any more."""
    if now.problem is not None:
        code, where = now.problem.code, now.problem.why
    elif now.container:
        code, where = "docker-no-gpu", f"none in this {now.container} container"
    else:
        code, where = "gpu-no-driver", "none, and no driver"
    container = now.container if code == "docker-no-gpu" else None
    return MachineChange(code=code, what="GPUs", was=_told(proof), now=where, container=container)


def _told(fingerprint: Fingerprint) -> str:
    cards = [card for card in fingerprint.cards if card.visible]
    driver = f" with driver {fingerprint.driver}" if fingerprint.driver else ""
    return f"{_names(cards)}{driver}" if cards else "none"


def _names(cards: list[Card]) -> str:
    return listed([str(card) for card in cards], _NAMED)
