"""What is told where tfprov's own dependencies cannot be had. The resolver's answers are stand-ins."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

import hosts
from tfprov.errors import TfprovError
from tfprov.pipeline import own_wheels
from tfprov.pipeline.own_wheels import PYTHONS, kits


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    wheel = tmp_path / "tfprov-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"")
    monkeypatch.setattr(own_wheels, "own_wheel", lambda _folder: wheel)
    return wheel


def test_a_platform_without_the_dependencies_is_named_with_its_pythons(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(*_: object, **__: object) -> None:
        raise TfprovError("platform-no-wheel", "tfprov has a dependency without a wheel for it", evidence=("isal",))

    monkeypatch.setattr(own_wheels, "_resolve", resolve)
    machine = SimpleNamespace(facts=hosts.Host().facts, network=None)
    monkeypatch.setattr(
        own_wheels, "fetch_into_store", lambda *_, **__: SimpleNamespace(flusher=SimpleNamespace(wait=str), paths={})
    )
    context = SimpleNamespace(home=None, emit=None, deadline=None, skip=())
    found, lost = kits(context, machine, ("macos-arm64",), folder=tmp_path, known={})  # type: ignore[arg-type]  # stand-ins
    assert found == []
    assert lost == [
        f"tfprov cannot be started on macos-arm64 with Python {', '.join(PYTHONS)}: "
        "tfprov has a dependency without a wheel for it: isal"
    ]
