"""The JSON documents are a contract: keys may be added, and then are added here; none may go or change its meaning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from outcomes import ALREADY, BAD, BARE_PLAN, BUILT, PLAN, SEAL, lock, with_settings
from tfprov.envs.generations import Environment
from tfprov.envs.records import Owner
from tfprov.errors import TfprovError
from tfprov.report import documents
from tfprov.smoke.verdict import as_document

FAILURE = TfprovError(
    "net-proxy", "the proxy wants a login", evidence=("http://me:pw@proxy",), tried=("normal",), hint="say who you are"
)
DECISION_KEYS = {"tensorflow", "python", "constraints", "also", "variables", "without"}


def rendered(command: str, body: dict[str, object] | None = None, failure: TfprovError | None = None) -> dict[str, Any]:
    found = json.loads(documents.render(command, body, failure=failure))
    assert isinstance(found, dict)
    return found


def test_every_document_begins_with_the_same_keys() -> None:
    found = rendered("list", {"environments": []})
    assert list(found) == ["schema", "command", "ok", "error", "environments"]
    assert (found["schema"], found["command"], found["ok"], found["error"]) == (1, "list", True, None)


def test_a_failure_is_whole_and_without_secrets() -> None:
    found = rendered("up", failure=FAILURE)
    assert found["ok"] is False
    assert found["error"] == {
        "code": "net-proxy",
        "group": "network",
        "exit_code": 12,
        "what": "the proxy wants a login",
        "evidence": ["http://****@proxy"],
        "tried": ["normal"],
        "hint": "say who you are",
    }


def test_the_document_of_up() -> None:
    found = rendered("up", documents.outcome(BUILT))
    assert {
        "environment", "decision", "verdict", "stages", "bytes_fetched", "bytes_reused", "attempts", "already",
    } <= set(found)  # fmt: skip
    assert found["environment"] == {
        "name": "train",
        "id": "train-1",
        "path": str(Path("/srv/my envs/.venv")),
        "python": "3.12.1",
        "generation": 2,
        "kind": "venv",
    }
    assert set(found["decision"]) == DECISION_KEYS
    assert (found["verdict"]["ok"], found["verdict"]["level"]) == (True, "quick")
    assert [device["name"] for device in found["devices"]] == ["environment", "GPU:0"]
    assert found["stages"][1] == {"name": "fetch", "seconds": 61.0}
    assert (found["bytes_fetched"], found["bytes_reused"], found["already"]) == (3_440_000_000, 12_000, False)
    # What was passed over is in the journal, not here.
    assert found["attempts"] == [{"stage": "fetch", "rung": "patient", "code": "net-reset", "seconds": 1.235}]


def test_the_document_of_up_with_nothing_to_do_has_the_last_verdict() -> None:
    found = rendered("up", documents.outcome(ALREADY))
    assert found["already"] is True
    assert found["decision"] is None
    assert found["verdict"] == {"ok": True, "level": "quick"}
    assert (found["devices"], found["attempts"]) == ([], [])
    assert set(found) == set(rendered("up", documents.outcome(BUILT)))


def test_the_document_of_plan() -> None:
    found = rendered("plan", documents.plan(PLAN))
    assert {"decision", "refused", "download_bytes", "unpacked_bytes", "peak_disk_bytes", "files"} <= set(found)
    assert set(found["decision"]) == DECISION_KEYS
    assert {"package", "version", "extras", "accelerator"} <= set(found["decision"]["tensorflow"])
    assert {"version", "path"} <= set(found["decision"]["python"])
    assert found["refused"][0] == {
        "what": "tensorflow 2.21.0",
        "code": "gpu-driver-too-old",
        "why": "needs driver 570, this is 550.144",
    }
    assert (found["download_bytes"], found["unpacked_bytes"], found["files"]) == (3_440_000_000, None, 21)
    assert rendered("plan", documents.plan(BARE_PLAN))["decision"]["python"]["path"] is None


def test_the_document_of_lock() -> None:
    found = rendered("lock", documents.lock(lock(5, None, changes=("there is no lock yet",))))
    assert {"path", "digest", "tensorflow", "files", "changes"} <= set(found)
    assert found["path"] == str(Path("/srv/pylock.train.toml"))
    assert [file["size"] for file in found["files"]] == [5, None]
    assert set(found["files"][0]) == {"name", "version", "filename", "url", "sha256", "size"}


def test_the_document_of_smoke() -> None:
    found = rendered("smoke", {**as_document(BAD)}, FAILURE)
    assert (found["verdict"]["ok"], found["verdict"]["level"]) == (False, "quick")
    device = found["devices"][1]
    assert {"name", "kind", "ok", "legs"} <= set(device)
    assert (device["name"], device["kind"], device["ok"]) == ("GPU:0", "gpu", False)
    assert {"leg", "ok", "code", "seconds", "evidence"} <= set(device["legs"][0])


def test_the_document_of_list(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "train-1", owner=Owner(name="train", profile="/srv/train.toml"))
    environment.claim()
    generation = environment.begin()
    (generation.path / "file").write_text("12345")
    with_settings(generation.path)
    environment.activate(environment.seal(generation, SEAL))
    (found,) = rendered("list", documents.listing([environment]))["environments"]
    assert {"name", "profile", "link", "id", "path", "active", "generations"} <= set(found)
    assert (found["id"], found["active"]) == ("train-1", 1)
    assert {"number", "path", "tensorflow", "python_version", "bytes", "sealed_at", "level"} <= set(
        found["generations"][0]
    )


@pytest.mark.parametrize("value", [Path("/a/b"), ("a", ("b",)), {"x": None}])
def test_any_record_can_be_rendered(value: object) -> None:
    assert rendered("x", {"value": value})["value"] in (str(Path("/a/b")), ["a", ["b"]], {"x": None})
