from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from hosts import Host
from seals import seal
from tfprov.envs.generations import Environment
from tfprov.envs.records import Flaw, Generation, Owner
from tfprov.errors import CODES, TfprovError
from tfprov.host import fingerprint
from tfprov.host.fingerprint import Reading
from tfprov.host.records import LOST_DEVICES, Card, Fingerprint, Problem
from tfprov.pipeline.standing import Standing, check, next_step
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.profile.records import Profile


def generation(number: int, *, has_gpus: bool) -> Generation:
    proved = seal(
        python="/usr/bin/python3", proofs=(Fingerprint(driver="570.0" if has_gpus else "", has_gpus=has_gpus),)
    )
    return Generation(number=number, path=Path(f"/{number:04}"), seal=proved)


class Machine:
    """What `fingerprint.read` sees, and which threads looked."""

    def __init__(self, *drivers: str | TfprovError) -> None:
        self.answers = list(drivers)
        self.threads: list[threading.Thread] = []
        self.may_answer = threading.Event()

    def read(self, _environ: Mapping[str, str], *, python: str, has_gpus: bool) -> Reading:
        self.threads.append(threading.current_thread())
        if has_gpus:
            self.may_answer.wait()
        answer = self.answers.pop(0)
        if isinstance(answer, TfprovError):
            raise answer
        return Reading(fingerprint=Fingerprint(driver=answer, has_gpus=has_gpus), python=python)


def standing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Standing:
    monkeypatch.setattr(fingerprint, "read", machine.read)
    return Standing({})


def test_a_driver_is_asked_once_while_the_caller_does_other_things(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine("580.0")
    looked = standing(machine, monkeypatch)
    for number in (1, 2):
        # It comes back although the driver has not answered.
        looked.begin(generation(number, has_gpus=True))
    machine.may_answer.set()
    for number in (1, 2):
        (change,) = looked.changes(generation(number, has_gpus=True))
        assert (change.code, change.was, change.now) == ("gpu-driver-changed", "570.0", "580.0")
    assert len(machine.threads) == 1
    assert machine.threads[0] is not threading.current_thread()


def test_without_gpus_nothing_is_begun_and_without_a_beginning_the_caller_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Machine("", "570.0")
    machine.may_answer.set()
    looked = standing(machine, monkeypatch)
    looked.begin(generation(1, has_gpus=False))
    assert machine.threads == []
    assert looked.changes(generation(1, has_gpus=False)) == ()
    assert looked.changes(generation(2, has_gpus=True)) == ()
    assert machine.threads == [threading.current_thread()] * 2


def test_what_goes_wrong_meanwhile_is_raised_where_the_answer_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = TfprovError("platform-no-wheel", "an operating system that no TensorFlow was built for")
    machine = Machine(failure, failure)
    machine.may_answer.set()
    looked = standing(machine, monkeypatch)
    looked.begin(generation(1, has_gpus=True))
    with pytest.raises(TfprovError) as raised:
        looked.changes(generation(1, has_gpus=True))
    assert raised.value is failure


class Changed(Environment):
    """An environment with this flaw, or none."""

    def __init__(self, flaw: Flaw | None = None) -> None:
        super().__init__(Path("/e"), owner=Owner(name="train", profile="/p/train.toml", link=""))
        self.its = flaw

    def flaw(self, generation: Generation) -> Flaw | None:
        return self.its


@pytest.mark.parametrize(("named", "command"), [("", "tfprov up"), ("train.toml", "tfprov up train.toml")])
def test_an_environment_that_changed_is_built_again(named: str, command: str) -> None:
    changed = Changed(Flaw(code="file-damaged", words="1 missing file, `six.py`"))
    with pytest.raises(TfprovError) as caught:
        check(changed, generation(1, has_gpus=False), {}, named)
    error = caught.value
    assert (error.code.name, error.what, error.evidence, error.hint) == (
        "file-damaged",
        "the environment of `train` changed since it was verified",
        ("1 missing file, `six.py`",),
        f"run `{command}` to rebuild it",
    )


def test_another_driver_wants_a_new_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine("580.0")
    machine.may_answer.set()
    monkeypatch.setattr(fingerprint, "read", machine.read)
    with pytest.raises(TfprovError) as caught:
        check(Changed(), generation(1, has_gpus=True), {}, "train.toml")
    error = caught.value
    assert (error.code.name, error.what, error.evidence, error.hint) == (
        "gpu-driver-changed",
        "the environment of `train` is not verified on this machine as it is now",
        ("driver: 570.0 then, 580.0 now",),
        "run `tfprov up train.toml` to verify it again, without rebuilding",
    )


KINDS = ("docker", "podman", "apptainer", "kubernetes", "containerd", "lxc", "systemd-nspawn")
UNHEALTHY = Problem(code="gpu-unhealthy", why="the driver did not answer within 10 s")
PROBLEMS = (
    None,
    Problem(code="docker-no-gpu", why="an NVIDIA GPU is in this machine, but the container has no libnvidia-ml.so.1"),
    Problem(code="docker-no-gpu", why=f"a container that {LOST_DEVICES}, as after an update"),
    Problem(code="docker-no-gpu", why="no libcuda.so.1: NVIDIA_DRIVER_CAPABILITIES lacks `compute`"),
)


@pytest.mark.parametrize("problem", PROBLEMS, ids=["none", "no library", "lost", "capabilities"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_container_without_its_gpus_gets_the_same_step_as_in_a_plan(kind: str, problem: Problem | None) -> None:
    proved = Fingerprint(has_gpus=True, driver="570.0", cards=(Card(id="GPU-a", name="A100"),))
    now = Reading(fingerprint=Fingerprint(has_gpus=True), python="/gone", problem=problem, container=kind)
    (change,) = fingerprint.changes((proved,), now)
    asked = Profile.model_validate({"name": "cuda", "tensorflow": {"accelerator": "cuda"}})
    with pytest.raises(TfprovError) as refused:
        decide(asked, Host(container=kind, problem=problem).facts, table(), None)
    assert (change.code, refused.value.code.name) == ("docker-no-gpu", "docker-no-gpu")
    assert refused.value.hint is not None
    assert refused.value.hint.partition(";")[0] == next_step(change).partition(";")[0]
    assert ("--gpus all" in next_step(change)) == (kind == "docker" and problem in PROBLEMS[:2])


def test_another_change_is_not_about_a_container() -> None:
    proved = Fingerprint(has_gpus=True, driver="570.0", cards=(Card(id="GPU-a", name="A100"),))
    for now, code in (
        (Reading(fingerprint=Fingerprint(has_gpus=True), python="/gone"), "gpu-no-driver"),
        (Reading(fingerprint=proved, python="/gone", container="docker", problem=UNHEALTHY), "gpu-unhealthy"),
    ):
        (change,) = fingerprint.changes((proved,), now)
        assert (change.code, change.container) == (code, None)
        assert next_step(change) == CODES[code].remedy
