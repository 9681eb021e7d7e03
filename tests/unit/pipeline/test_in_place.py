"""An environment that others need, or that runs, is not replaced."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from founds import env
from tfprov.adopt.records import CondaSide, ForeignEnvironment
from tfprov.envs.records import Holder
from tfprov.errors import TfprovError
from tfprov.pipeline import in_place


def test_processes_that_run_from_it_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holders = (Holder(pid=7, command="python train.py"), Holder(pid=8, command="tensorboard"))
    monkeypatch.setattr(in_place, "running_from", lambda _root: holders)
    with pytest.raises(TfprovError) as caught:
        in_place.refuse_running(tmp_path, force=False)
    error = caught.value
    assert (error.code.name, error.what) == ("environment-in-use", f"processes are running from `{tmp_path}`")
    assert error.evidence == ("process 7: python train.py", "process 8: tensorboard")
    assert error.hint == "stop them, or pass `--force`: what they import from then on comes from the new environment"
    in_place.refuse_running(tmp_path, force=True)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (env(kind="interpreter"), "it is the folder of an interpreter that other programs use"),
        (
            env(kind="conda", conda=CondaSide(is_base=True)),
            "it is the base environment of conda, which other environments need",
        ),
        (env(root=Path(os.path.realpath(sys.prefix))), "tfprov itself is running from it"),
    ],
)
def test_what_others_need_stays(found: ForeignEnvironment, why: str) -> None:
    with pytest.raises(TfprovError) as caught:
        in_place.refuse_what_others_need(found)
    error, place = caught.value, found.named
    assert (error.code.name, error.what, error.evidence) == ("not-supported", f"`{place}` cannot be replaced", (why,))
    assert error.hint == f"`tfprov adopt {place}` writes a profile; `tfprov up` then makes a new environment elsewhere"


def test_any_other_environment_may_be_replaced() -> None:
    in_place.refuse_what_others_need(env())
