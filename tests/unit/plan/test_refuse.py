from __future__ import annotations

import dataclasses

import pytest

import hosts
from decisions import ARM, CUDA, D550, HOSTS, gpu, listing, plan, profile, short
from hosts import Host, nvidia
from tfprov.errors import TfprovError
from tfprov.host.records import Problem
from tfprov.plan.records import Listing, LockedChoice
from tfprov.profile.records import Profile


def test_a_required_gpu_makes_a_machine_without_one_an_error() -> None:
    with pytest.raises(TfprovError) as caught:
        plan(profile(smoke={"require-gpus": 1}), Host())
    assert caught.value.code.name == "gpu-no-driver"
    assert any("smoke.require-gpus = 1" in line for line in caught.value.evidence)


def test_cuda_cannot_be_built_for_later_where_no_wheel_has_it() -> None:
    with pytest.raises(TfprovError) as caught:
        plan(profile(accelerator="cuda", smoke={"gpu": "later"}), Host(**ARM))
    assert caught.value.code.name == "wheel-without-cuda"


@pytest.mark.parametrize("required", [0, 1])
@pytest.mark.parametrize(
    "host",
    [
        Host(),
        Host(container="docker"),
        Host(gpus=(hosts.RTX5090,), driver="575.57.08"),
        Host(gpus=(hosts.ORIN,), driver="540.4.0", **ARM),
        hosts.WINDOWS,
    ],
)
def test_who_requires_gpus_is_told_to_take_that_back_where_none_is_to_be_proved(host: Host, required: int) -> None:
    """A profile that requires a GPU on the CPU, or later, is refused."""
    accelerator = "auto" if required else "cuda"
    with pytest.raises(TfprovError) as caught:
        plan(profile(accelerator=accelerator, smoke={"require-gpus": required}), host)
    ways = [
        way for way in caught.value.hint.split("; ") if way.endswith("the CPU") or "later" in way or "require" in way
    ]
    assert ways
    assert [way.endswith(" with `smoke.require-gpus = 0`") for way in ways] == [bool(required)] * len(ways)


def test_a_new_gpu_beside_a_served_one_names_the_way_out() -> None:
    with pytest.raises(TfprovError) as caught:
        plan(profile(accelerator="cuda"), HOSTS["rtx 5090 beside v100"][0])
    assert "`CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=1`" in caught.value.hint


@pytest.mark.parametrize(("driver", "is_told"), [("570.124.06", True), ("470.82.01", False)])
def test_hiding_a_gpu_is_advised_only_where_the_others_then_work(driver: str, is_told: bool) -> None:
    two = (dataclasses.replace(hosts.A100, index=0), dataclasses.replace(hosts.GTX980, index=1))
    asked = profile(">=2.21", "cuda")
    with pytest.raises(TfprovError) as caught:
        plan(asked, Host(gpus=two, driver=driver))
    assert ("`CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=0` leaves" in caught.value.hint) is is_told
    if is_told:
        hidden = (two[0], dataclasses.replace(two[1], visible=False))
        assert plan(asked, Host(gpus=hidden, driver=driver)).decision.tensorflow.version == "2.21.0"


def test_blackwell_is_pointed_to_the_conda_build() -> None:
    with pytest.raises(TfprovError) as caught:
        plan(profile(accelerator="cuda"), HOSTS["rtx 5090"][0])
    assert "conda-forge's TensorFlow 2.19.1 for CUDA 12.8" in caught.value.hint


def test_an_old_driver_names_the_driver_and_the_release_that_would_do() -> None:
    with pytest.raises(TfprovError) as caught:
        plan(profile("==2.21.*", "cuda"), HOSTS["t4, driver 470"][0])
    assert "TensorFlow 2.14.1 is the newest" in caught.value.hint
    assert "driver 525.60.13 or newer would support 2.21.0" in caught.value.hint


def test_ptx_that_the_driver_cannot_compile_names_the_driver_that_can() -> None:
    with pytest.raises(TfprovError) as caught:
        plan(profile("==2.21.*", "cuda"), HOSTS["h100, driver 535"][0])
    assert "driver 555.42.02 or newer" in caught.value.hint


def test_an_extra_that_no_python_here_can_install_is_known_to_be_bad() -> None:
    host = dataclasses.replace(HOSTS["v100"][0], pythons=("3.11.7",))
    with pytest.raises(TfprovError) as caught:
        plan(profile("==2.14.*", "cuda", python={"install": False}), host)
    assert caught.value.code.name == "known-bad-release"
    assert caught.value.hint == "take Python 3.9 or 3.10, or TensorFlow 2.15.1"
    assert short(plan(profile("==2.14.*", "cuda"), host)) == f"{CUDA}==2.14.1 cuda (3.10)"


def test_a_requirement_that_fights_a_bound_is_a_conflict_with_both_sides_named() -> None:
    with pytest.raises(TfprovError) as caught:
        plan(profile("==2.11.*", packages={"requirements": ["numpy>=2"]}), Host())
    error = caught.value
    assert error.code.name == "resolver-conflict"
    assert "`numpy<2`" in error.what
    assert "`numpy>=2`" in error.what
    assert "TensorFlow 2.21.0 on Python 3.13 would fit" in error.hint


def test_what_would_fit_meets_the_other_requirements_too() -> None:
    asked = profile("==2.21.*", packages={"requirements": ["keras<3", "numpy<1.26"]}, python={"version": "==3.11.*"})
    with pytest.raises(TfprovError) as caught:
        plan(asked, Host())
    assert caught.value.hint == "TensorFlow 2.15.1 on Python 3.11 would fit"
    impossible = profile("==2.21.*", packages={"requirements": ["numpy>=2", "keras<2.10"]})
    with pytest.raises(TfprovError) as caught:
        plan(impossible, Host())
    assert caught.value.hint == "without `keras<2.10`, TensorFlow 2.21.0 on Python 3.13 would fit"


def test_a_known_bad_pin_names_both_sides() -> None:
    with pytest.raises(TfprovError) as caught:
        plan(profile("==2.16.1", "cuda"), HOSTS["v100"][0])
    assert "run path" in caught.value.what
    assert any('tensorflow.version = "==2.16.1"' in line for line in caught.value.evidence)
    assert caught.value.hint == "take TensorFlow 2.16.2"


@pytest.mark.parametrize(("offered", "code"), [(None, "offline-missing"), (listing(), "version-not-available")])
def test_without_nightly_builds_none_can_be_had(offered: Listing | None, code: str) -> None:
    with pytest.raises(TfprovError) as caught:
        plan(profile(tensorflow={"package": "tf-nightly"}), Host(), listing=offered)
    assert caught.value.code.name == code


def test_a_release_that_came_later_names_its_day() -> None:
    with pytest.raises(TfprovError) as caught:
        plan(profile("==2.21.*", index={"exclude-newer": "2024-01-01"}), Host())
    assert caught.value.code.name == "version-not-available"
    assert "TensorFlow 2.21.0 came out on 2026-03-06" in caught.value.evidence
    assert caught.value.hint == '`index.exclude-newer = "2026-03-06"` would allow TensorFlow 2.21.0'
    assert plan(profile("==2.21.*", index={"exclude-newer": "2026-03-06"}), Host())


def test_a_package_without_any_wheel_here_does_not_forbid_what_can_be_built() -> None:
    asked = {"requirements": ["numpy<2"]}
    only = Host(pythons=("3.13.0",))
    found = plan(profile("==2.21.*", packages=asked, python={"install": False}), only)
    assert found.decision.python.version == "3.13.0"
    with pytest.raises(TfprovError) as caught:
        plan(profile("==2.21.*", packages={**asked, "build": "never"}, python={"install": False}), only)
    assert "numpy 1.26.4 has no wheel for Python 3.13" in caught.value.what


@pytest.mark.parametrize(
    ("asked", "host", "code"),
    [
        (profile(accelerator="cuda"), Host(), "gpu-no-driver"),
        (profile(accelerator="cuda"), Host(container="docker"), "docker-no-gpu"),
        (
            profile(accelerator="cuda"),
            Host(container="docker", problem=Problem(code="docker-no-gpu", why="lost")),
            "docker-no-gpu",
        ),
        (
            profile(accelerator="cuda"),
            Host(gpus=(nvidia("8.0", visible=False),), driver="580.1", visible=(("CUDA_VISIBLE_DEVICES", ""),)),
            "gpu-no-device",
        ),
    ],
)
def test_a_lock_is_not_blamed_for_what_no_other_lock_would_mend(asked: Profile, host: Host, code: str) -> None:
    choice = LockedChoice(package="tensorflow", version="2.21.0", python_minor="3.12")
    with pytest.raises(TfprovError) as caught:
        plan(asked, host, choice)
    assert caught.value.code.name == code
    assert "--upgrade" not in caught.value.hint


@pytest.mark.parametrize(
    ("line", "because"),
    [
        ("tensorflow-gpu==1.15.5", "that of `tensorflow-gpu` needs CUDA libraries that are not available as wheels"),
        ("tensorflow-gpu==2.6.*", "the CUDA libraries that it needs are not available as wheels"),
    ],
)
def test_of_a_release_older_than_the_cuda_wheels_the_plan_says_which_has_them(line: str, because: str) -> None:
    host = gpu(hosts.T4, driver=D550, pythons=("3.7.16", "3.9.18"))
    found = plan(profile(packages={"requirements": [line]}), host)
    assert because in found.decision.tensorflow.why
    assert "for CUDA: TensorFlow 2.21.0 is the newest that this machine's GPU and driver can run" in found.notes
    # Without a GPU there is nothing to say of it.
    alone = plan(profile(packages={"requirements": [line]}), Host(pythons=host.pythons))
    assert not any("for CUDA" in note for note in alone.notes)
