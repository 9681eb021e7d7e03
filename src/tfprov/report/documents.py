"""Results for machines: one versioned JSON document per command, also on failure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import TYPE_CHECKING

from tfprov.errors import TfprovError
from tfprov.redact import redact_all
from tfprov.structured import json_text

if TYPE_CHECKING:
    from pathlib import Path

    from tfprov.envs.generations import Environment
    from tfprov.envs.records import Defect, Flaw
    from tfprov.fetch.store import Swept
    from tfprov.host.records import MachineChange
    from tfprov.lock.records import Lock
    from tfprov.pipeline.cache import Kept
    from tfprov.pipeline.records import Outcome
    from tfprov.plan.records import Plan

SCHEMA = 1

Document = dict[str, object]


def render(command: str, body: Document | None = None, *, failure: TfprovError | None = None) -> str:
    """The whole JSON document of a command, as text.

    Args:
        command: name of the command.
        body: keys of this command.
        failure: the reason for failure; None on success.
    """
    document: Document = {
        "schema": SCHEMA,
        "command": command,
        "ok": failure is None,
        "error": None if failure is None else error(failure),
        **(body or {}),
    }
    return json_text(redact_all(document), default=str)


def error(failure: TfprovError) -> Document:
    """A failure as a JSON document."""
    return {
        "code": failure.code.name,
        "group": failure.code.group.label,
        "exit_code": failure.exit_code,
        "what": failure.what,
        "evidence": failure.evidence,
        "tried": failure.tried,
        "hint": failure.hint,
    }


def outcome(result: Outcome) -> Document:
    """The outcome of `up` as a JSON document."""
    seal = result.generation.seal
    proved: Document = {}
    if result.verdict:
        from tfprov.smoke.verdict import as_document

        proved = {**as_document(result.verdict)}
    elif seal:
        proved = seal.verdict
    return {
        "environment": {
            "name": result.environment.owner.name,
            "id": result.environment.id,
            "path": result.environment.stable,
            "python": seal.python_version if seal else None,
            "generation": result.generation.number,
            "kind": seal.kind if seal else "venv",
        },
        "decision": asdict(result.decision) if result.decision else None,
        "tensorflow": asdict(seal.target) if seal else None,
        "verdict": proved.get("verdict"),
        "devices": proved.get("devices"),
        "stages": [{"name": name, "seconds": round(seconds, 3)} for name, seconds in result.stages],
        "bytes_fetched": result.bytes_fetched,
        "bytes_reused": result.bytes_reused,
        "attempts": [
            {"stage": one.stage, "rung": one.rung, "code": one.code, "seconds": round(one.seconds, 3)}
            for one in result.attempts
            if one.number > 0
        ],
        "already": result.already,
        "rolled_back": result.rolled_back,
        "changes": result.changes,
    }


def plan(found: Plan) -> Document:
    """A plan as a JSON document."""
    shown = {key: value for key, value in asdict(found).items() if key not in ("fallbacks", "candidates")}
    return {**shown, "build_seconds": found.build_seconds}


def lock(found: Lock) -> Document:
    """A lock as a JSON document."""
    return {
        "path": found.path,
        "digest": found.digest,
        "tensorflow": asdict(found.target),
        "files": [{key: value for key, value in asdict(one).items() if key != "elsewhere"} for one in found.files],
        "changes": found.changes,
    }


def findings(found: Iterable[Defect]) -> Document:
    """The findings of `doctor` as a JSON document."""
    return {"findings": [asdict(one) for one in found]}


def kept(found: Iterable[Kept]) -> Document:
    """Folders with their sizes, as a JSON document."""
    return {"folders": [asdict(one) for one in found]}


def swept(found: Swept) -> Document:
    """What was deleted from the disk, as a JSON document."""
    return {"removed_files": found.files, "removed_bytes": found.bytes}


def listing(
    environments: Iterable[Environment],
    flaws: Mapping[Path, Flaw] = MappingProxyType({}),
    differences: Mapping[Path, tuple[str, ...]] = MappingProxyType({}),
    changes: Mapping[Path, tuple[MachineChange, ...]] = MappingProxyType({}),
    bundles: Mapping[str, str] = MappingProxyType({}),
) -> Document:
    """Environments with their generations, as a JSON document.

    Args:
        environments: in display order.
        flaws: reasons why generations must not be used, by folder.
        differences: changes of packages from the generation before, by folder.
        changes: changes of this machine since a generation was proved, by folder.
        bundles: id of the bundle that an environment last came from, by id of the environment.
    """
    documents = []
    for one in environments:
        active = one.active()
        documents.append(
            {
                **asdict(one.owner),
                "id": one.id,
                "bundle": bundles.get(one.id),
                "path": one.place,
                "active": active.number if active else None,
                "generations": [
                    {
                        "number": found.number,
                        "path": found.path,
                        **(asdict(found.seal) if found.seal else {}),
                        "driver": found.seal.proofs[-1].driver if found.seal and found.seal.proofs else "",
                        "flaw": asdict(flaws[found.path]) if found.path in flaws else None,
                        "differences": differences.get(found.path),
                        "changes": [asdict(each) for each in changes.get(found.path, ())],
                    }
                    for found in one.generations()
                ],
            }
        )
    return {"environments": documents}
