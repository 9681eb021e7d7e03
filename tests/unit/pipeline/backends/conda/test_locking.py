"""What the lock of a conda environment refuses and assumes, in whole messages. The solver is not asked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import hosts
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.pipeline.backends.conda import locking


def context(folder: Path, **profile: Any) -> Any:
    events: list[object] = []
    return SimpleNamespace(
        lock_path=folder / "conda-lock.train.yml",
        request=SimpleNamespace(upgrade=True, host=None),
        loaded=SimpleNamespace(profile=SimpleNamespace(**profile)),
        emit=events.append,
        events=events,
    )


def test_a_lock_that_tfprov_did_not_make_is_not_renewed(tmp_path: Path) -> None:
    asked = context(tmp_path)
    asked.lock_path.write_text("metadata:\n  content_hash: {}\n")
    with pytest.raises(TfprovError) as caught:
        locking._why_solve(asked, SimpleNamespace())  # type: ignore[arg-type]  # not looked at
    error = caught.value
    assert (error.code.name, error.what, error.evidence, error.hint) == (
        "path-not-ours",
        f"`{asked.lock_path}` was not made by tfprov",
        ("`metadata.custom_metadata` does not name it",),
        "move it away; tfprov never overwrites what it did not make",
    )
    asked.lock_path.write_text("metadata:\n  custom_metadata:\n    created_by: tfprov\n")
    assert locking._why_solve(asked, SimpleNamespace()) == ("an upgrade was asked for",)  # type: ignore[arg-type]  # likewise
    asked.lock_path.unlink()
    assert locking._why_solve(asked, SimpleNamespace()) == ("there is no lock yet",)  # type: ignore[arg-type]  # likewise


@pytest.mark.parametrize("cuda", [None, "12.4"])
def test_the_cuda_of_a_driver_that_is_there_is_not_assumed(tmp_path: Path, cuda: str | None) -> None:
    asked = context(tmp_path, smoke=SimpleNamespace(gpu="now"))
    facts = hosts.Host(gpus=(hosts.A100,), driver="550.54", cuda=cuda).facts
    assert locking._cuda(asked, SimpleNamespace(facts=facts), SimpleNamespace()) == cuda  # type: ignore[arg-type]  # only the facts count
    assert asked.events == []


def test_the_cuda_of_a_later_driver_is_assumed_and_said(tmp_path: Path) -> None:
    asked = context(tmp_path, smoke=SimpleNamespace(gpu="later"), conda=SimpleNamespace(cuda=None, tensorflow="wheel"))
    decision = SimpleNamespace(tensorflow=SimpleNamespace(version="2.21.0"))
    machine = SimpleNamespace(facts=hosts.Host().facts)
    found = locking._cuda(asked, machine, decision)  # type: ignore[arg-type]  # only these are looked at
    assert found == "12.5"
    (note,) = asked.events
    assert isinstance(note, Note)
    assert note.text == "the driver of the target is assumed to support CUDA 12.5; if it does not, set `conda.cuda`"
    asked.loaded.profile.conda.cuda = "12.9"
    assert locking._cuda(asked, machine, decision) == "12.9"  # type: ignore[arg-type]  # likewise
