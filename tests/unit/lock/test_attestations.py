"""A provenance object that the public index has of a release of sigstore-python, and what must not pass for it."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tfprov.errors import TfprovError
from tfprov.lock.attestations import Publisher, check_same, publisher_of, verified, with_publishers
from tfprov.lock.records import LockedFile
from tfprov.structured import toml_of
from told import told

FILE = LockedFile(
    name="sigstore",
    version="3.6.1",
    filename="sigstore-3.6.1.tar.gz",
    url="https://files.example/sigstore-3.6.1.tar.gz",
    sha256="ee60fdc9236fd6709271ad53b44027461360c3fde155d2af15482e4c451ff865",
)
PROVENANCE = Path(__file__).with_name("sigstore-3.6.1.tar.gz.provenance").read_bytes()
OWNER = Publisher(kind="GitHub", claims=(("repository", "sigstore/sigstore-python"), ("workflow", "release.yml")))


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """sigstore keeps the roots of trust that it brings in the user's cache."""
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))


def code_of(file: LockedFile, provenance: bytes) -> str:
    with pytest.raises(TfprovError) as caught:
        verified(file, provenance)
    return caught.value.code.name


def test_the_publisher_is_who_signed() -> None:
    assert verified(FILE, PROVENANCE) == (OWNER,)
    assert str(OWNER) == "GitHub sigstore/sigstore-python, release.yml"


@pytest.mark.parametrize(
    "file", [replace(FILE, sha256="00" * 32), replace(FILE, filename="sigstore-3.6.2.tar.gz")], ids=["hash", "name"]
)
def test_the_attestation_of_another_file_does_not_hold(file: LockedFile) -> None:
    assert code_of(file, PROVENANCE) == "attestation-invalid"


def _publisher(document: dict[str, Any]) -> None:
    document["attestation_bundles"][0]["publisher"]["repository"] = "somebody/else"


def _workflow(document: dict[str, Any]) -> None:
    document["attestation_bundles"][0]["publisher"]["workflow"] = "other.yml"


def _kind(document: dict[str, Any]) -> None:
    document["attestation_bundles"][0]["publisher"]["kind"] = "Unheard-of"


def _statement(document: dict[str, Any]) -> None:
    envelope = document["attestation_bundles"][0]["attestations"][0]["envelope"]
    forged = base64.b64decode(envelope["statement"]).replace(FILE.sha256.encode(), b"00" * 32)
    envelope["statement"] = base64.b64encode(forged).decode()


def _signature(document: dict[str, Any]) -> None:
    envelope = document["attestation_bundles"][0]["attestations"][0]["envelope"]
    raw = bytearray(base64.b64decode(envelope["signature"]))
    raw[-1] ^= 1
    envelope["signature"] = base64.b64encode(raw).decode()


def _log(document: dict[str, Any]) -> None:
    entry = document["attestation_bundles"][0]["attestations"][0]["verification_material"]["transparency_entries"][0]
    entry["inclusionProof"]["hashes"][0] = entry["inclusionProof"]["hashes"][1]


def _no_attestation(document: dict[str, Any]) -> None:
    document["attestation_bundles"][0]["attestations"] = []


def _no_bundle(document: dict[str, Any]) -> None:
    document["attestation_bundles"] = []


@pytest.mark.parametrize(
    "change",
    [_publisher, _workflow, _kind, _statement, _signature, _log, _no_attestation, _no_bundle],
    ids=lambda change: change.__name__[1:],
)
def test_whatever_is_changed_in_it_it_does_not_hold(change: Callable[[dict[str, Any]], None]) -> None:
    document = copy.deepcopy(json.loads(PROVENANCE))
    change(document)
    file = replace(FILE, sha256="00" * 32) if change is _statement else FILE
    assert code_of(file, json.dumps(document).encode()) == "attestation-invalid"


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"version": 2, "attestation_bundles": []}', b"\xff"])
def test_what_is_no_provenance_does_not_hold(text: bytes) -> None:
    assert code_of(FILE, text) == "attestation-invalid"


def test_a_publisher_may_not_change_nor_vanish() -> None:
    other = replace(OWNER, claims=(("repository", "somebody/else"), ("workflow", "release.yml")))
    check_same("x", (), (OWNER,))
    check_same("x", (other, OWNER), (OWNER,))
    for now in ((other,), ()):
        with pytest.raises(TfprovError) as caught:
            check_same("x", (OWNER,), now)
        assert told(caught.value) == (
            *("publisher-changed", "`x` has another publisher than when it was locked"),
            f"in the lock: {OWNER}",
            f"on the index: {'; '.join(map(str, now)) or 'no publisher is named'}",
            "ask the project whether it moved; if it did, delete `attestation-identities` of `x` in the lock and run "
            "again",
        )


def test_the_environment_of_a_workflow_is_told_and_not_compared() -> None:
    named = publisher_of({**OWNER.document, "environment": "release"})
    assert named.document["environment"] == "release"
    check_same("x", (OWNER,), (named,))


def test_publishers_stand_in_the_lock_as_the_standard_has_them() -> None:
    text = 'lock-version = "1.0"\n[[packages]]\nname = "sigstore"\nversion = "3.6.1"\n[[packages]]\nname = "other"\n'
    odd = Publisher(kind="GitHub", claims=(("repository", 'a/"b"\\'),))
    first, second = toml_of(with_publishers(text, {"sigstore": (OWNER, odd)}))["packages"]
    assert first["attestation-identities"] == [OWNER.document, odd.document]
    assert second == {"name": "other"}
