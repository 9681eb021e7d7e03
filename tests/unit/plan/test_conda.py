from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import hosts
from decisions import D550, HOSTS, gpu, plan, profile, short
from hosts import Host
from tfprov.errors import TfprovError
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.profile.records import Profile


def test_a_conda_environment_brings_its_python() -> None:
    found = plan(profile("==2.19.*", environment={"kind": "conda"}), Host())
    assert short(found) == "tensorflow-cpu==2.19.1 cpu (3.12)"
    assert "conda installs it" in found.decision.python.why


@pytest.mark.parametrize(
    ("asked", "host", "chosen"),
    [
        ({}, hosts.WINDOWS, "tensorflow==of the channel cpu (3.13)"),
        ({"version": "==2.30.1"}, Host(), "tensorflow==2.30.1 cpu (3.14)"),
        ({"version": "==2.30.*"}, Host(), "tensorflow==2.30.* cpu (3.14)"),
        ({"version": ">=2.30"}, gpu(hosts.GTX980, driver=D550), "tensorflow==>=2.30 cuda (3.14)"),
        ({"version": "==2.16.*"}, Host(), "tensorflow==2.16.* cpu (3.12)"),
        ({"python": {"version": ">=3.13,<3.14"}}, Host(), "tensorflow==of the channel cpu (3.13)"),
        ({"python": {"version": ">=3.14"}}, Host(), "tensorflow==of the channel cpu (3.14)"),
    ],
)
def test_a_conda_release_that_the_table_does_not_know_is_left_to_the_solver(
    asked: dict[str, Any], host: Host, chosen: str
) -> None:
    found = plan(conda(**asked), host)
    assert short(found) == chosen
    assert "the solver will show" in found.notes[-1]
    assert "the smoke test" in found.notes[-1]


@pytest.mark.parametrize("machine", ["s390x", "ppc64le", "riscv64"])
def test_conda_forge_alone_is_not_searched_for_a_processor_that_it_has_no_tensorflow_for(machine: str) -> None:
    host = Host(machine=machine, flags=())
    with pytest.raises(TfprovError) as caught:
        plan(conda(), host)
    assert caught.value.what == f"conda-forge has no TensorFlow for Linux on {machine}"
    assert caught.value.hint == (
        "name a channel that has it in `conda.channels`; else use another machine, or build TensorFlow from source"
    )
    found = plan(profile(None, environment={"kind": "conda"}, conda={"tensorflow": "conda", "channels": ["x"]}), host)
    assert short(found) == "tensorflow==of the channel cpu (3.13)"


@pytest.mark.parametrize("tensorflow", ["conda", "wheel"])
def test_a_plan_for_an_environment_of_conda_on_windows_says_that_it_is_for_a_lock_alone(tensorflow: str) -> None:
    asked = profile(None, environment={"kind": "conda"}, conda={"tensorflow": tensorflow})
    said = "tfprov can lock an environment of conda for Windows, but not make it there; one without conda it can"
    assert said in plan(asked, hosts.WINDOWS).notes
    assert said not in plan(asked, Host()).notes


def test_the_order_of_ranges_changes_nothing_in_what_the_solver_of_conda_is_asked() -> None:
    ranges = ["tensorflow<2.17", "tensorflow>=2.15"]
    found = [plan(conda(packages={"constraints": lines}), Host()) for lines in (ranges, ranges[::-1])]
    assert {each.decision.tensorflow.version for each in found} == {"<2.17,>=2.15"}


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ({"accelerator": "metal"}, 'use `tensorflow.accelerator = "auto"`'),
        ({"packages": {"requirements": ["tensorflow-metal"]}}, "leave out `tensorflow-metal`"),
        ({"accelerator": "cuda"}, "use the CPU"),
    ],
)
def test_metal_is_not_proposed_for_a_release_of_conda(asked: dict[str, Any], hint: str) -> None:
    with pytest.raises(TfprovError) as caught:
        plan(conda(**asked), hosts.MAC_ARM)
    assert caught.value.hint == hint


def conda(**changes: Any) -> Profile:
    return profile(environment={"kind": "conda"}, conda={"tensorflow": "conda"}, **changes)


def test_a_channel_that_is_known_for_its_builds_with_cuda_alone_may_have_others() -> None:
    rows = tuple(row for row in table().conda if row.accelerator == "cuda")
    known = dataclasses.replace(table(), conda=rows)
    found = decide(conda(accelerator="cpu"), Host().facts, known, None)
    assert (found.decision.tensorflow.accelerator, found.decision.tensorflow.why) == (
        "cpu",
        "the solver looks for it in the channels",
    )


def test_conda_serves_gpus_that_no_wheel_does() -> None:
    assert short(plan(conda(), HOSTS["rtx 5090"][0])) == "tensorflow==2.19.1 cuda (3.12)"
    assert short(plan(conda(), Host(flags=hosts.SSE))) == "tensorflow==2.19.1 cpu (3.12)"


@pytest.mark.parametrize(
    ("asked", "host", "code"),
    [
        (conda(python={"version": ">=3.99"}), Host(), "version-not-available"),
        (conda(version="==2.30.*", accelerator="cuda"), Host(), "gpu-no-driver"),
        (conda(accelerator="cuda"), Host(), "gpu-no-driver"),
        (conda(accelerator="cuda"), HOSTS["t4, driver 470"][0], "gpu-driver-too-old"),
        (conda(accelerator="cuda"), gpu(hosts.GTX980, driver=D550), "gpu-arch-unsupported"),
    ],
)
def test_what_cannot_work_with_conda_is_an_error_before_the_solver(asked: Profile, host: Host, code: str) -> None:
    with pytest.raises(TfprovError) as caught:
        plan(asked, host)
    assert caught.value.code.name == code


@pytest.mark.parametrize(
    ("host", "smoke", "why"),
    [
        (gpu(hosts.A100, driver=D550), "now", f", which driver {D550} serves on {hosts.A100.name} (compute"),
        (Host(), "later", " for a GPU that will be there later"),
    ],
)
def test_a_build_with_cuda_is_chosen_for_the_gpu_that_is_or_will_be_there(host: Host, smoke: str, why: str) -> None:
    found = plan(conda(accelerator="cuda", smoke={"gpu": smoke}), host)
    assert found.decision.tensorflow.why.startswith(f"with CUDA 12.8{why}")
