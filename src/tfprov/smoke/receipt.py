"""Receipts of smoke tests: what was proved, when, with which lock and on which machine; and how two of them differ.

A receipt is one JSON file. It contains no secrets and no address of an index, so that it can be committed, attached to
a result, or compared on another machine: `tfprov smoke --against RECEIPT`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from tfprov.contents import text_of
from tfprov.errors import TfprovError
from tfprov.host.records import Facts, vector_units
from tfprov.products import Product
from tfprov.redact import redact_all
from tfprov.smoke.records import Verdict
from tfprov.smoke.verdict import as_document
from tfprov.structured import json_of, list_of, mapping_of, mappings_of, string_of

FORMAT = 1
_LARGEST = 16 << 20
# Shorter legs are not compared: on a cold disk the first one easily takes a second longer.
_NOISE_S = 2.0
_SLOWER = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A difference between two receipts.

    Attributes:
        what: subject: `tensorflow`, `GPU:0 matmul`, …
        was: value in the old receipt; empty when it has none.
        now: value in the new one; empty when it has none.
        worse: whether a check that passed now fails or is missing.
    """

    what: str
    was: str
    now: str
    worse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The receipt of a smoke test.

    Attributes:
        made: moment of the test, ISO 8601 with its offset.
        tfprov: version of tfprov.
        lock: SHA-256 of the lock; None when the environment has none.
        machine: lasting properties of the machine by name: system, processor, driver, GPUs.
        document: `verdict` and `devices` as `--json` shows them.
    """

    made: str
    tfprov: str
    lock: str | None
    machine: Mapping[str, str]
    document: Mapping[str, object]

    @property
    def facts(self) -> str:
        """SHA-256 of `machine`, hexadecimal: equal for machines that do not differ in any of these properties."""
        return hashlib.sha256(json.dumps(dict(self.machine), sort_keys=True).encode()).hexdigest()


def make(verdict: Verdict, *, now: datetime, version: str, lock: str | None, machine: Mapping[str, str]) -> Receipt:
    """The receipt of a verdict.

    Args:
        verdict: good or bad, since a receipt of a failure is worth keeping, too.
        now: moment of the test, with a time zone.
        version: of tfprov.
        lock: SHA-256 of the lock; None when there is none.
        machine: from `machine_of`.
    """
    return Receipt(
        made=now.isoformat(timespec="seconds"),
        tfprov=version,
        lock=lock,
        machine=machine,
        document={**as_document(verdict)},
    )


def machine_of(facts: Facts) -> dict[str, str]:
    """The facts for a receipt by name: those that are lasting and can affect the results of a device."""
    libc, driver = facts.libc.value, facts.driver.value
    found = {
        "system": facts.os_version.value or facts.system.value,
        "architecture": facts.machine.value,
        "libc": f"{libc.kind} {libc.version}" if libc else "",
        "vector units": " ".join(vector_units(facts.cpu_flags.value)),
        "cores": str(facts.cores.value),
        "container": facts.container.value or "",
        "wsl": "yes" if facts.wsl.value else "",
        "driver": driver.version if driver else "",
        "gpus": ", ".join(gpu.name for gpu in facts.gpus.value),
    }
    return {name: value for name, value in found.items() if value}


def write(path: Path, receipt: Receipt) -> None:
    """Write a receipt to a file, atomically.

    Raises:
        TfprovError: `path-not-ours` when the path exists and is not a receipt.
    """
    RECEIPT.write(path, render(receipt))


def render(receipt: Receipt) -> bytes:
    """The content of a receipt's file, with secrets redacted."""
    content = {
        "receipt": FORMAT,
        "made": receipt.made,
        "tfprov": receipt.tfprov,
        "lock": receipt.lock,
        "facts": receipt.facts,
        "machine": dict(receipt.machine),
        **receipt.document,
    }
    return (json.dumps(redact_all(content), indent=2) + "\n").encode()


def read(path: Path) -> Receipt:
    """Read a receipt from a file.

    Raises:
        TfprovError: `usage` when it cannot be read, or is not a receipt of the current format.
    """
    hint = "name a file that `tfprov smoke --receipt FILE` wrote"
    try:
        content = json_of(text_of(path))
    except (OSError, ValueError) as error:
        raise TfprovError(
            "usage", f"`{path}` cannot be read as a receipt", evidence=(str(error),), hint=hint
        ) from error
    if not isinstance(content, dict) or content.get("receipt") != FORMAT or not _is_whole(content):
        raise TfprovError("usage", f"`{path}` is not a receipt of format {FORMAT}", hint=hint)
    return Receipt(
        made=str(content.get("made", "")),
        tfprov=str(content.get("tfprov", "")),
        lock=string_of(content.get("lock")) or None,
        machine={str(name): str(value) for name, value in mapping_of(content.get("machine")).items()},
        document={"verdict": content["verdict"], "devices": content["devices"]},
    )


def compare(old: Receipt, new: Receipt) -> tuple[Difference, ...]:
    """The differences between two receipts, regressions first and the machine last; empty when there are none."""
    found = [
        *_values({"lock": (old.lock or "")[:12]}, {"lock": (new.lock or "")[:12]}),
        *_values(_versions(old), _versions(new)),
        *_devices(old, new),
        *_values(_prefixed(old.machine), _prefixed(new.machine)),
    ]
    return tuple(sorted(found, key=lambda difference: not difference.worse))


def _devices(old: Receipt, new: Receipt) -> list[Difference]:
    before, now = _legs(old), _legs(new)
    levels = (_level(old), _level(new))
    found = []
    if levels[0] != levels[1]:
        found.append(Difference(what="level", was=levels[0], now=levels[1]))
    for name in dict.fromkeys((*before, *now)):
        was, here = before.get(name), now.get(name)
        if was is None or here is None:
            # Different levels run different legs, so that only a missing device is reported between them.
            device_gone = here is None and name.split(" ")[0] not in {other.split(" ")[0] for other in now}
            if levels[0] == levels[1] or device_gone:
                found.append(
                    Difference(
                        what=name,
                        was=was.word if was else "",
                        now=here.word if here else "",
                        worse=here is None and was is not None and was.ok,
                    )
                )
        elif was.word != here.word:
            found.append(Difference(what=name, was=was.word, now=here.word, worse=was.ok and not here.ok))
        elif here.seconds > max(_NOISE_S, _SLOWER * was.seconds):
            found.append(Difference(what=f"{name} time", was=f"{was.seconds:.1f} s", now=f"{here.seconds:.1f} s"))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leg:
    ok: bool
    word: str
    seconds: float


def _legs(receipt: Receipt) -> dict[str, _Leg]:
    found = {}
    for device in mappings_of(receipt.document.get("devices")):
        for leg in mappings_of(device.get("legs")):
            ok = leg.get("ok") is True
            word = "ok" if ok else str(leg.get("code"))
            seconds = leg.get("seconds")
            found[f"{device.get('name')} {leg.get('leg')}"] = _Leg(
                ok=ok,
                word="skipped" if leg.get("skipped") is True else word,
                seconds=float(seconds) if isinstance(seconds, (int, float)) else 0.0,
            )
    return found


def _versions(receipt: Receipt) -> dict[str, str]:
    verdict = mapping_of(receipt.document.get("verdict"))
    found = {key: str(verdict.get(key) or "") for key in ("tensorflow", "python")}
    cures = verdict.get("cures")
    found["cures"] = "; ".join(map(str, list_of(cures)))
    packages = mapping_of(verdict.get("packages"))
    found.update({str(name): str(version) for name, version in packages.items()})
    descriptions = {
        f"{device.get('name')} is": str(device.get("description") or "")
        for device in mappings_of(receipt.document.get("devices"))
    }
    found.update({name: text for name, text in descriptions.items() if text})
    return found


def _values(old: Mapping[str, str], new: Mapping[str, str]) -> list[Difference]:
    return [
        Difference(what=name, was=old.get(name, ""), now=new.get(name, ""))
        for name in dict.fromkeys((*old, *new))
        if old.get(name, "") != new.get(name, "")
    ]


def _prefixed(machine: Mapping[str, str]) -> dict[str, str]:
    return {f"machine: {name}": value for name, value in machine.items()}


def _level(receipt: Receipt) -> str:
    return str(mapping_of(receipt.document.get("verdict")).get("level", ""))


def _is_receipt(stream: BinaryIO) -> bool:
    try:
        content = json_of(stream.read(_LARGEST))
    except ValueError:
        return False
    return isinstance(content, dict) and isinstance(content.get("receipt"), int) and _is_whole(content)


RECEIPT = Product(what="a receipt", is_ours=_is_receipt)


def _is_whole(content: Mapping[str, object]) -> bool:
    return isinstance(content.get("verdict"), dict) and isinstance(content.get("devices"), list)
