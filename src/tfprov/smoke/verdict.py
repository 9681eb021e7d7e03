"""Converts a verdict into an error for the command line, and into a document for JSON and back."""

from __future__ import annotations

from collections.abc import Mapping

from tfprov.errors import CODES, TfprovError
from tfprov.smoke.records import Device, Leg, Verdict

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class UnprovedError(TfprovError):
    """The smoke test failed.

    Attributes:
        verdict: of the failed smoke test.
    """

    def __init__(
        self, verdict: Verdict, code: str, what: str, evidence: tuple[str, ...], hint: str | None = None
    ) -> None:
        """Arguments as in `TfprovError`, besides the verdict."""
        super().__init__(code, what, evidence=evidence, hint=hint)
        self.verdict = verdict


def verdict_behind(error: BaseException) -> Verdict | None:
    """The verdict that caused an error, directly or through other errors; None when no smoke test did."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UnprovedError):
            return cause.verdict
        cause = cause.__cause__ or cause.__context__
    return None


def as_error(verdict: Verdict) -> TfprovError:
    """The error for a bad verdict: code, evidence and next step of its first failure.

    Raises:
        ValueError: the verdict is good.
    """
    if verdict.ok:
        raise ValueError("the verdict is good: there is no failure to report")
    first = verdict.first_failure
    if first is None:
        return UnprovedError(
            verdict, "probe-failed", "the smoke test checked nothing", (verdict.note,) if verdict.note else ()
        )
    device, leg = first
    others = tuple(
        f"also failed: `{other.leg}` on {name_of(each)}: {other.code}"
        for each, other in verdict.legs
        if not other.ok and other is not leg
    )
    what = f"the smoke test failed: `{leg.leg}` on {name_of(device)}"
    if others:
        what += f" and {len(others)} more"
    evidence = (leg.evidence, *others[:8]) if leg.evidence else others[:8]
    return UnprovedError(verdict, leg.code or "probe-failed", what, evidence, remedy(leg) or None)


def name_of(device: Device) -> str:
    """The name of a device in a sentence."""
    return "the environment" if device.kind == "environment" else device.name


def as_document(verdict: Verdict) -> dict[str, Json]:
    """The verdict as `--json` shows it, under the keys `verdict` and `devices`."""
    return {
        "verdict": {
            "ok": verdict.ok,
            "level": verdict.level,
            "tensorflow": verdict.tensorflow,
            "python": verdict.python,
            "seconds": round(verdict.seconds, 3),
            "note": verdict.note,
            "cures": list(verdict.cures),
            "skipped": sum(leg.skipped for _, leg in verdict.legs),
            "findings": [{"code": finding.code, "evidence": finding.evidence} for finding in verdict.findings],
            "packages": dict(verdict.packages),
            "build": dict(verdict.build),
        },
        "devices": [
            {
                "name": device.name,
                "kind": device.kind,
                "description": device.description,
                "ok": device.ok,
                "legs": [_leg(leg) for leg in device.legs],
            }
            for device in verdict.devices
        ],
    }


def from_document(document: Mapping[str, object]) -> Verdict | None:
    """The verdict in a document made by `as_document`, such as that in a seal; None when it is not one.

    Findings, packages, build, cures and the start of legs are not restored.
    """
    found, devices = document.get("verdict"), document.get("devices")
    if not isinstance(found, Mapping) or not isinstance(devices, list):
        return None
    try:
        return Verdict(
            level=found["level"],
            tensorflow=found["tensorflow"],
            python=found["python"],
            seconds=float(found["seconds"]),
            note=found.get("note", ""),
            devices=tuple(
                Device(
                    name=device["name"],
                    kind=device["kind"],
                    description=device.get("description", ""),
                    legs=tuple(
                        Leg(
                            leg=leg["leg"],
                            ok=leg["ok"],
                            code=leg["code"],
                            skipped=leg.get("skipped", False),
                            seconds=float(leg["seconds"]),
                            evidence=leg.get("evidence", ""),
                        )
                        for leg in device["legs"]
                    ),
                )
                for device in devices
            ),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _leg(leg: Leg) -> Json:
    return {
        "leg": leg.leg,
        "ok": leg.ok,
        "code": leg.code,
        "skipped": leg.skipped,
        "started": None if leg.started is None else round(leg.started, 4),
        "seconds": round(leg.seconds, 4),
        "evidence": leg.evidence,
    }


def remedy(leg: Leg) -> str:
    """The next step after a failed leg; empty for a good one, and for a code that only a newer tfprov knows."""
    row = CODES.get(leg.code or "")
    if row is None:
        return ""
    if row.name != "system-library-missing":
        return row.remedy
    # Only this code has a different next step for each library. Imported late, because the rules are slow to load.
    from tfprov.smoke.causes import package_for

    return package_for(leg.evidence) or row.remedy
