from __future__ import annotations

from dataclasses import replace

import pytest

from hosts import MAC_ARM, WINDOWS, Host
from tfprov.errors import TfprovError
from tfprov.host.records import Fact
from tfprov.pipeline.other_platforms import OtherPlatform, decisions, name_of, others, plan_for_all
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.profile.records import Profile
from told import refusal

LINUX = Host().facts
ALL = ["linux-x86_64", "linux-aarch64", "windows-amd64", "macos-arm64", "macos-x86_64"]


def profile(*platforms: str, version: str = "==2.15.1", **tables: object) -> Profile:
    return Profile.model_validate(
        {
            "name": "x",
            "tensorflow": {"version": version, "accelerator": "cpu"},
            "lock": {"platforms": list(platforms)},
            **tables,
        }
    )


def found(asked: Profile, host: Host | None = None) -> dict[str, OtherPlatform]:
    facts = (host or Host()).facts
    here = decide(asked, facts, table(), None).decision
    python = ".".join(here.python.version.split(".")[:2])
    return {each.name: each for each in decisions(asked, facts, here, python=python, table=table(), listing=None)}


def test_a_machine_has_the_name_that_profiles_use() -> None:
    hosts = (Host(), Host(machine="aarch64"), WINDOWS, MAC_ARM, Host(system="macos", libc=None))
    assert [name_of(host.facts) for host in hosts] == ALL
    with pytest.raises(TfprovError) as failure:
        name_of(Host(machine="riscv64").facts)
    assert failure.value.code.name == "platform-no-wheel"


def test_this_machine_is_not_among_the_others_and_each_of_them_counts_once() -> None:
    assert others(profile("windows-amd64", "linux-x86_64", "windows-amd64"), LINUX) == ("windows-amd64",)
    assert others(profile(), replace(LINUX, machine=Fact(value="riscv64", source="test"))) == ()


def test_each_platform_gets_the_package_that_it_would_get_itself() -> None:
    there = found(profile(*ALL))
    chosen = {name: each.decision.tensorflow for name, each in there.items()}
    assert {name: (each.package, each.version) for name, each in chosen.items()} == {
        "linux-aarch64": ("tensorflow", "2.15.1"),
        "windows-amd64": ("tensorflow", "2.15.1"),
        "macos-arm64": ("tensorflow", "2.15.1"),
        "macos-x86_64": ("tensorflow", "2.15.1"),
    }
    for name, each in there.items():
        assert each.facts.system.source == "`lock.platforms` of the profile"
        assert name_of(each.facts) == name
        assert each.decision.python.version == "3.11"


def test_a_mac_can_lock_for_linux_and_the_small_build_is_taken_there() -> None:
    linux = found(profile("linux-x86_64"), MAC_ARM)["linux-x86_64"].decision
    assert linux.tensorflow.package == "tensorflow-cpu"
    assert "setuptools<81" in [bound.requirement for bound in linux.constraints]


def test_the_gpu_of_this_machine_is_not_taken_for_one_of_theirs() -> None:
    from hosts import A100

    gpu = Host(gpus=(A100,), driver="550.54.14", cuda="12.4")
    asked = profile("windows-amd64", "macos-arm64", tensorflow={"version": "==2.15.1", "accelerator": "cuda"})
    for each in found(asked, gpu).values():
        assert (each.decision.tensorflow.accelerator, each.decision.tensorflow.extras) == ("cpu", ())


def test_cuda_by_name_is_taken_for_linux_too() -> None:
    here = decide(profile(), WINDOWS.facts, table(), None).decision
    asked = profile("linux-x86_64", tensorflow={"version": "==2.15.1", "accelerator": "cuda"})
    (there,) = decisions(asked, WINDOWS.facts, here, python="3.11", table=table(), listing=None)
    assert there.decision.tensorflow.accelerator == "cuda"
    assert there.decision.tensorflow.extras == ("and-cuda",)


def test_what_the_profile_says_of_this_machines_python_does_not_bind_the_others() -> None:
    asked = profile("windows-amd64", python={"path": "/opt/python", "install": False})
    here = decide(profile(), LINUX, table(), None).decision
    (there,) = decisions(asked, LINUX, here, python="3.10", table=table(), listing=None)
    assert there.decision.python.version == "3.10"


def test_a_requirement_on_tensorflow_under_an_old_name_is_met_everywhere() -> None:
    asked = profile("windows-amd64", packages={"requirements": ["tensorflow-cpu<2.16", "six"]})
    assert found(asked)["windows-amd64"].decision.tensorflow.version == "2.15.1"


def test_a_release_that_a_platform_never_had_is_an_error_that_names_both() -> None:
    with pytest.raises(TfprovError) as failure:
        found(profile("macos-x86_64", version="==2.21.0"))
    error = failure.value
    assert error.code.name == "platform-no-wheel"
    assert error.what.startswith("the lock cannot be made for macos-x86_64: ")
    assert error.evidence[-1] == (
        "`lock.platforms` names macos-x86_64; this machine takes tensorflow-cpu 2.21.0 on Python 3.13"
    )
    assert error.hint == (
        "TensorFlow 2.16.2 is the last with wheels for macOS on Intel; or take macos-x86_64 out of `lock.platforms`"
    )


@pytest.mark.parametrize(
    ("platforms", "tables", "expected"),
    [
        # 2.16.2 is the last for Intel Macs, and no release for Windows on Python 3.8 is newer than 2.13.0.
        (["macos-x86_64"], {}, ("2.16.2", "3.12.1")),
        (["macos-arm64"], {}, ("2.21.0", "3.13.0")),
        (["windows-amd64", "macos-x86_64"], {"python": {"version": "<3.12"}}, ("2.16.2", "3.11.7")),
        (["windows-amd64"], {"python": {"version": "==3.8.*"}}, ("2.13.0", "3.8")),
        # tensorflow-text has had no wheels for Windows since 2.10.
        (["windows-amd64"], {"packages": {"requirements": ["tensorflow-text"]}}, ("2.10.1", "3.10.13")),
        (["macos-arm64"], {"tensorflow": {"version": ">=2.22.0rc0", "accelerator": "cpu"}}, ("2.22.0rc0", "3.13.0")),
    ],
)
def test_the_release_is_one_that_all_platforms_can_take(
    platforms: list[str], tables: dict[str, object], expected: tuple[str, str]
) -> None:
    asked = Profile.model_validate(
        {"name": "x", "tensorflow": {"accelerator": "cpu"}, "lock": {"platforms": platforms}, **tables}
    )
    plan = plan_for_all(asked, LINUX, table(), None)
    here = plan.decision
    assert (here.tensorflow.version, here.python.version) == expected
    python = ".".join(expected[1].split(".")[:2])
    there = tuple(decisions(asked, LINUX, here, python=python, table=table(), listing=None))
    assert {each.decision.tensorflow.version for each in there} == {expected[0]}


def test_newer_releases_are_refused_with_the_platform_that_lacks_them() -> None:
    asked = profile("macos-x86_64", version=">=2.15")
    plan = plan_for_all(asked, LINUX, table(), None)
    assert plan.decision.tensorflow.why.startswith("the newest release that fits within")
    assert [(each.what, each.code, each.why) for each in plan.refused][:1] == [
        (
            "tensorflow 2.17.0 to 2.21.0",
            "platform-no-wheel",
            "on macos-x86_64, which `lock.platforms` names: no wheel for macOS on Intel",
        )
    ]


def test_where_no_release_serves_all_the_one_for_this_machine_is_taken_and_checked() -> None:
    asked = profile("macos-x86_64", version=">=2.17")
    plan = plan_for_all(asked, LINUX, table(), None)
    assert plan.decision.tensorflow.version == "2.21.0"
    with pytest.raises(TfprovError, match="the lock cannot be made for macos-x86_64"):
        tuple(decisions(asked, LINUX, plan.decision, python="3.13", table=table(), listing=None))


def test_a_platform_without_a_name_is_said_with_those_that_have_one() -> None:
    odd = replace(LINUX, machine=Fact(value="riscv64", source="uname"))
    assert refusal(lambda: name_of(odd))[:3] == (
        *("platform-no-wheel", "no lock for several platforms can be made on linux riscv64"),
        f"`lock.platforms` knows {', '.join(ALL)}",
    )
