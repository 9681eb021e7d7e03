"""The status of environments: as text, as JSON, and as a text file for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from tfprov.harmless import lined
from tfprov.pipeline.status import Status
from tfprov.products import Product
from tfprov.redact import redact
from tfprov.times import is_moment, moment
from tfprov.words import count

_FIRST = b"# HELP tfprov_status_timestamp_seconds "


def words(found: tuple[Status, ...]) -> str:
    """A line for each environment and each of its devices, with the reasons why one is no longer verified."""
    lines = [line for one in found for line in _lines(one)]
    return redact(lined(lines)) if lines else "no environments yet: `tfprov up PROFILE` makes one"


def document(found: tuple[Status, ...]) -> dict[str, object]:
    """The status of environments as a JSON document."""
    return {
        "environments": [
            {
                "name": one.environment.owner.name,
                "id": one.environment.id,
                "profile": one.environment.owner.profile,
                "path": one.environment.place,
                "state": one.state,
                "code": one.code,
                "reasons": one.reasons,
                "next": one.next_step,
                "verified_at": one.verified_at or None,
                "level": one.seal.level if one.seal else None,
                "lock": one.lock,
                "lock_digest": one.seal.lock_digest if one.seal else None,
                "generation": one.generation.number if one.generation else None,
                "kind": one.seal.kind if one.seal else None,
                "tensorflow": asdict(one.seal.target) if one.seal else None,
                "python": one.seal.python_version if one.seal else None,
                "devices": [asdict(device) for device in one.devices],
            }
            for one in found
        ]
    }


def prometheus(found: tuple[Status, ...], *, now: datetime) -> bytes:
    """The status in Prometheus' text format, for the textfile collector of its node exporter.

    Args:
        found: in display order.
        now: time of the check; an alert can use it to detect a file that is no longer updated.
    """
    every = (one.environment for one in found)
    names = {one.id: {"environment": one.owner.name, "id": one.id, "profile": one.owner.profile} for one in every}
    families: tuple[tuple[str, str, Sequence[tuple[dict[str, str], float]]], ...] = (
        ("status_timestamp_seconds", "Time of the last look.", [({}, now.timestamp())]),
        (
            "environment_verified",
            "1 when the environment is verified on this machine as it is now.",
            [(names[one.environment.id], int(one.code is None)) for one in found],
        ),
        (
            "environment_verified_timestamp_seconds",
            "When the environment was verified last.",
            [
                (names[one.environment.id], moment(one.verified_at).timestamp())
                for one in found
                if is_moment(one.verified_at)
            ],
        ),
        (
            "environment_info",
            "The environment in use, and the failure code of what changed since it was verified.",
            [({**names[one.environment.id], **_told(one)}, 1) for one in found],
        ),
        (
            "device_verified",
            "1 when the verdict about the device still counts.",
            [
                (
                    {**names[one.environment.id], "device": device.name, "description": device.description},
                    int(device.verified),
                )
                for one in found
                for device in one.devices
            ],
        ),
    )
    lines = []
    for name, meaning, samples in families:
        lines += [f"# HELP tfprov_{name} {meaning}", f"# TYPE tfprov_{name} gauge"]
        lines += [f"tfprov_{name}{_shown(labels)} {value}" for labels, value in samples]
    return redact("\n".join(lines) + "\n").encode("utf-8", "replace")


def write_prometheus(path: Path, found: tuple[Status, ...], *, now: datetime) -> None:
    """Write the text file atomically.

    Raises:
        TfprovError: `path-not-ours` when the path holds something else.
    """
    METRICS.write(path, prometheus(found, now=now))


METRICS = Product(what="a file of metrics", is_ours=lambda stream: stream.read(len(_FIRST)) == _FIRST)


def _lines(one: Status) -> Iterator[str]:
    seal, owner = one.seal, one.environment.owner
    if seal is None:
        yield f"{owner.name}  {one.state}  {owner.profile}"
    else:
        lock = f"{one.lock.name if one.lock else 'a lock that is gone'} ({seal.lock_digest[:12]})"
        yield (
            f"{owner.name}  {one.state}  TensorFlow {seal.tensorflow} ({seal.target.accelerator}), Python "
            f"{seal.python_version}, proved {one.verified_at} ({seal.level}) by {lock}"
        )
    for device in one.devices:
        state = "verified" if device.verified else one.state
        described = f"  {device.description}" if device.description else ""
        yield f"  {device.name:<12} {state}, {count(device.checks, 'check')} passed{described}"
    yield from (f"  {'changed' if one.code else 'note':<12} {reason}" for reason in one.reasons)
    if one.code is not None:
        yield f"  {'next':<12} {one.next_step}"


def _told(one: Status) -> dict[str, str]:
    seal = one.seal
    state = {"state": one.state, "code": one.code or ""}
    if seal is None:
        return state
    return {
        **state,
        "tensorflow": seal.tensorflow,
        "accelerator": seal.target.accelerator,
        "python": seal.python_version,
        "level": seal.level,
        "lock": seal.lock_digest,
        "generation": str(one.generation.number if one.generation else 0),
    }


def _shown(labels: Mapping[str, str]) -> str:
    """Labels in braces. In a value three characters are escaped, and no others."""
    escaped = (
        (name, value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for name, value in labels.items()
    )
    inner = ",".join(f'{name}="{value}"' for name, value in escaped)
    return f"{{{inner}}}" if inner else ""
