"""What a profile demands of the publishers of its files."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tfprov.lock.attestations import Publisher
from tfprov.lock.records import LockedFile
from tfprov.pipeline.backends.venv import attesting
from told import refusal

FILES = tuple(
    LockedFile(name=name, version="1", filename=f"{name}-1-py3-none-any.whl", url="https://h/x", sha256="a" * 64)
    for name in ("one", "two", "three", "four", "five", "six", "seven")
)
PUBLISHER = Publisher(kind="GitHub", claims=(("repository", "me/one"),))


def run(policy: str, *, offline: bool = False) -> tuple[Any, Any, list[str]]:
    """A context with such a policy, a machine, and what the run was told."""
    notes: list[str] = []
    index = SimpleNamespace(attestations=policy)
    loaded = SimpleNamespace(profile=SimpleNamespace(index=index))
    context = SimpleNamespace(loaded=loaded, emit=lambda event: notes.append(event.text), deadline=None)
    return context, SimpleNamespace(network=SimpleNamespace(offline=offline)), notes


@pytest.fixture(autouse=True)
def _index(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index with the attestation of the first file alone."""
    monkeypatch.setattr(attesting, "require_library", lambda: None)
    monkeypatch.setattr(attesting, "verified", lambda _file, _given: (PUBLISHER,))
    monkeypatch.setattr(
        attesting, "provenance_of", lambda files, *_, **__: [b"{}" if file.name == "one" else None for file in files]
    )


def test_files_without_one_are_counted_where_all_are_required() -> None:
    context, machine, _ = run("require")
    shown = ", ".join(f"`{file.filename}`" for file in FILES[1:6])
    assert refusal(lambda: attesting._attested(context, machine, FILES, older={}))[:4] == (
        "attestation-missing",
        "6 of 7 files have no attestation of their publisher, and the profile requires it",
        *(f"{shown} and 1 more", '`index.attestations = "require"`'),
    )


def test_where_they_are_preferred_files_without_one_pass() -> None:
    context, machine, notes = run("prefer")
    assert attesting._attested(context, machine, FILES, older={}) == {"one": (PUBLISHER,)}
    assert notes == ["1 of 7 files have a publisher who signed them"]


def test_a_project_that_had_a_publisher_needs_one() -> None:
    context, machine, _ = run("prefer")
    found = refusal(lambda: attesting._attested(context, machine, FILES, older={"two": (PUBLISHER,)}))
    assert found[:2] == ("publisher-changed", "`two` has another publisher than when it was locked")


def test_without_a_network_only_a_demand_ends_the_run() -> None:
    what = "who published 7 files of the lock cannot be asked without network"
    context, machine, _ = run("require", offline=True)
    found = refusal(lambda: attesting._attested(context, machine, FILES, older={}))
    assert found[:2] == ("offline-missing", what)
    assert found[2:7] == tuple(file.filename for file in FILES[:5])
    context, machine, notes = run("prefer", offline=True)
    assert attesting._attested(context, machine, FILES, older={}) is None
    assert notes == [what]
