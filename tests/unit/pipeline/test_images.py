from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tfprov.envs import manifest
from tfprov.host.records import Interpreter
from tfprov.pipeline.images import beside_the_smoke_test

MODULE = "lib/python3.12/site-packages/thing.py"


@pytest.fixture
def context(tmp_path: Path) -> Any:
    return SimpleNamespace(
        home=SimpleNamespace(images=tmp_path / "images"),
        backend=SimpleNamespace(owned_files=lambda _: frozenset()),
        environment=SimpleNamespace(clear_aside=lambda **_: None),
        drafted={},
    )


@pytest.fixture
def installation(tmp_path: Path) -> Any:
    path = tmp_path / "generations" / "0001"
    (path / MODULE).parent.mkdir(parents=True)
    (path / MODULE).write_text("value = 1\n")
    return SimpleNamespace(
        generation=SimpleNamespace(path=path),
        locked=SimpleNamespace(
            lock=SimpleNamespace(content=("1",)), interpreter=Interpreter(path="/usr/bin/python3", version="3.12.1")
        ),
        ahead=None,
    )


def test_image_and_manifest_are_drafted_beside_a_smoke_test_that_passes(context: Any, installation: Any) -> None:
    path = installation.generation.path
    with beside_the_smoke_test(context, installation):
        pass
    drafted = context.drafted[path]
    assert list(drafted.manifest.files) == [MODULE]
    assert drafted.image.save(path)
    assert (drafted.image.folder / "tree" / MODULE).samefile(path / MODULE)


def test_nothing_is_left_of_both_when_it_fails(context: Any, installation: Any) -> None:
    with pytest.raises(ValueError, match="it failed"), beside_the_smoke_test(context, installation):
        raise ValueError("it failed")
    assert context.drafted == {}
    assert list(context.home.images.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), RuntimeError("can't start new thread")])
def test_a_draft_that_cannot_be_made_is_done_without(
    context: Any, installation: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def draft(*_: object) -> manifest.Draft:
        raise error

    monkeypatch.setattr(manifest, "draft", draft)
    with beside_the_smoke_test(context, installation):
        pass
    assert context.drafted == {}
