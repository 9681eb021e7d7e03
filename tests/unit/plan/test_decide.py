from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

import hosts
from decisions import (
    ARM,
    CUDA,
    D550,
    D575,
    GLIBC_2_17,
    HOSTS,
    OLD,
    SECOND_V100,
    gpu,
    listing,
    plan,
    profile,
    short,
    wheel,
)
from hosts import Host, nvidia, python
from tfprov.errors import TfprovError
from tfprov.host.records import Fact, Gpu, Hazard, MigSlice
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.plan.records import IndexFile, Listing, LockedChoice, Plan
from tfprov.profile.records import Profile
from told import refusal


@pytest.mark.parametrize("name", HOSTS)
def test_each_host_gets_what_it_can_run(name: str) -> None:
    host, version, accelerator, expected = HOSTS[name]
    try:
        decided = short(plan(profile(version, accelerator), host))
    except TfprovError as error:
        decided = error.code.name
        assert error.evidence
        assert error.hint
    assert decided == expected


def test_there_are_enough_hosts() -> None:
    assert len({id(row[0]) for row in HOSTS.values()}) >= 40


MANY = ("server without gpu", "v100", "h100, driver 535", "rtx 5090", "mac intel", "arm server", "windows", "centos 7")


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize("release", [row.version for row in table().releases])
def test_every_release_on_a_host_is_chosen_or_refused_with_a_reason(name: str, release: str) -> None:
    host = HOSTS[name][0]
    host = dataclasses.replace(host, pythons=(*OLD, *host.pythons))
    try:
        found = plan(profile(f"=={release}", "auto"), host)
    except TfprovError as error:
        assert error.code.group.label in ("platform", "resolve")
        assert release in error.what + " ".join(error.evidence)
    else:
        assert found.decision.tensorflow.version == release
        assert found.decision.python.path is not None


# --- interpreters ----------------------------------------------------------------------------------------------------


def test_pythons_that_do_not_fit_the_release_are_refused_with_the_reason() -> None:
    found = plan(profile("==2.15.*"), Host())
    refused = {one.what.split()[1]: (one.code, one.why) for one in found.refused if one.what.startswith("Python")}
    reason = ("python-unsupported", "TensorFlow 2.15.1 has wheels for Python 3.9 to 3.11")
    older = ("python-passed-over", "also compatible; using the newest")
    assert refused == {"3.13.0": reason, "3.12.1": reason, "3.10.13": older, "3.9.18": older}


def test_an_extra_that_a_release_does_not_have_is_left_out_and_that_is_said() -> None:
    asked = {"requirements": ["tensorflow[gpu-support,gcs_filesystem]==2.21.0"]}
    found = plan(profile(packages=asked), Host())
    assert found.decision.tensorflow.extras == ("gcs-filesystem",)
    said = "TensorFlow 2.21.0 has no extra `gpu-support`, which is left out; it has `and-cuda`, `gcs-filesystem`"
    assert said in found.notes
    asked = {"requirements": ["tensorflow[and_cuda]==2.21.0"]}
    assert not any("no extra" in note for note in plan(profile(packages=asked), Host()).notes)


def test_a_python_of_ones_own_is_preferred_to_that_of_the_operating_system() -> None:
    system = python("3.12.9", path="/usr/bin/python3.12", externally_managed=True, found_by="PATH")
    found = plan(profile("==2.19.*"), Host(pythons=(system, "3.12.1", "3.11.7")))
    assert found.decision.python.path == "/opt/python/3.12.1/bin/python"
    assert "operating system" in found.decision.python.why


def test_the_python_of_the_operating_system_is_taken_for_a_newer_minor_version() -> None:
    system = python("3.12.9", path="/usr/bin/python3.12", externally_managed=True, found_by="PATH")
    found = plan(profile("==2.19.*"), Host(pythons=("3.11.7", system)))
    assert found.decision.python.path == "/usr/bin/python3.12"


def test_the_newest_patch_release_wins() -> None:
    assert plan(profile(), Host(pythons=("3.13.0", "3.13.5", "3.13.1"))).decision.python.version == "3.13.5"


def test_a_python_of_a_virtual_environment_is_not_taken_unless_the_profile_names_it() -> None:
    inside = python("3.12.4", virtual=True, path="/venv/bin/python")
    found = plan(profile(), Host(pythons=(inside, "3.12.1")))
    assert found.decision.python.version == "3.12.1"
    named = dataclasses.replace(inside, found_by="profile")
    found = plan(profile(python={"path": "/venv/bin/python"}), Host(pythons=(named, "3.13.0")))
    assert found.decision.python.path == "/venv/bin/python"
    assert "named by the profile" in found.decision.python.why


def test_a_python_that_is_here_beats_a_newer_release_and_the_plan_says_so() -> None:
    found = plan(profile(), Host(pythons=("3.9.18",)))
    assert any("2.21.0 would need Python 3.13" in note for note in found.notes)
    assert "for a Python on this machine" in found.decision.tensorflow.why


def test_a_python_to_bring_obeys_the_range_of_the_profile() -> None:
    found = plan(profile(python={"version": ">=3.11.4,<3.13"}), Host(pythons=()))
    assert (found.decision.python.version, found.decision.python.path) == ("3.12", None)


def test_an_interpreter_with_an_older_libc_gets_the_release_that_it_can_load() -> None:
    old = python("3.12.1", libc=GLIBC_2_17)
    found = plan(profile(python={"install": False}), Host(pythons=(old,)))
    assert found.decision.tensorflow.version == "2.20.0"


# --- GPUs ------------------------------------------------------------------------------------------------------------


def test_no_gpu_gives_the_cpu_and_the_reason() -> None:
    found = plan(profile(), Host(container="docker"))
    assert "on the CPU, because this docker container has no GPU" in found.decision.tensorflow.why
    assert found.refused[0].what == "cuda"
    assert found.refused[0].code == "docker-no-gpu"


def test_fewer_gpus_than_required_are_an_error() -> None:
    with pytest.raises(TfprovError) as caught:
        plan(profile(smoke={"require-gpus": 2}), gpu(hosts.A100, driver=D550))
    assert caught.value.code.name == "gpu-no-device"


def test_cuda_can_be_built_for_a_gpu_that_comes_later() -> None:
    found = plan(profile(accelerator="cuda", smoke={"gpu": "later"}), Host(container="docker"))
    assert short(found) == f"{CUDA}==2.21.0 cuda 3.13.0"
    assert "later" in found.decision.tensorflow.why


def test_a_gpu_that_comes_later_has_to_be_asked_for() -> None:
    found = plan(profile(smoke={"gpu": "later"}), Host())
    assert found.decision.tensorflow.accelerator == "cpu"
    assert any('needs `tensorflow.accelerator = "cuda"`' in note for note in found.notes)


def test_an_old_gpu_says_what_it_costs_the_others() -> None:
    found = plan(profile(), HOSTS["gtx 980 beside v100"][0])
    assert any(
        "`CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=1` it would be 2.21.0" in note for note in found.notes
    )


def test_gpus_below_7_5_hold_cudnn_back() -> None:
    def bounds(host: Host) -> set[str]:
        return {bound.requirement for bound in plan(profile(), host).decision.constraints}

    assert "nvidia-cudnn-cu12<9.11" in bounds(HOSTS["v100"][0])
    assert "nvidia-cudnn-cu12<9.11" not in bounds(HOSTS["t4"][0])


def test_a_release_without_the_cuda_extra_gets_its_libraries_named() -> None:
    for accelerator in ("cuda", "auto"):
        found = plan(profile("==2.13.*", accelerator), HOSTS["v100"][0])
        assert any(also.requirement.startswith("nvidia-cudnn-cu11") for also in found.decision.also)
        assert any("made to open them first" in note for note in found.notes)


def test_libraries_that_were_not_out_yet_are_not_added() -> None:
    def chosen(day: str, accelerator: str = "auto") -> str:
        return short(plan(profile("==2.11.*", accelerator, index={"exclude-newer": day}), HOSTS["v100"][0]))

    assert chosen("2023-02-01") == "tensorflow-cpu==2.11.0 cpu 3.10.13"
    assert chosen("2023-02-02") == "tensorflow==2.11.0 cuda 3.10.13"
    with pytest.raises(TfprovError) as caught:
        chosen("2023-02-01", "cuda")
    assert caught.value.code.name == "gpu-libs-missing"
    assert caught.value.hint.startswith('`index.exclude-newer = "2023-02-02"` would allow TensorFlow 2.11.0')


def test_gpus_that_are_not_used_are_told() -> None:
    hidden = dataclasses.replace(hosts.A100, index=1, visible=False)
    lost = dataclasses.replace(hosts.A100, index=2, usable=False, health=("a GPU has fallen off the bus",))
    found = plan(profile(), gpu(hosts.A100, hidden, lost, dataclasses.replace(hidden, index=3), driver=D550))
    assert [note for note in found.notes if note.startswith("not used")] == [
        "not used: GPU 1 NVIDIA A100-SXM4-80GB, GPU 3 NVIDIA A100-SXM4-80GB (it is hidden)",
        "not used: GPU 2 NVIDIA A100-SXM4-80GB (a GPU has fallen off the bus)",
    ]


def test_a_gpu_of_unknown_capability_is_not_called_unused() -> None:
    found = plan(profile(), gpu(nvidia("N/A", "NVIDIA A100-SXM4-40GB"), driver=D550))
    assert found.decision.tensorflow.accelerator == "cuda"
    assert not any(note.startswith("not used") for note in found.notes)


def test_another_cuda_on_the_library_path_is_told_where_it_matters() -> None:
    where = Fact(value=("/usr/local/cuda-11.2/lib64",), source="LD_LIBRARY_PATH")
    with_gpu = dataclasses.replace(HOSTS["v100"][0].facts, library_path=where)
    without = dataclasses.replace(Host().facts, library_path=where)
    assert any("cuda-11.2" in note for note in decide(profile(), with_gpu, table(), None).notes)
    assert not any("cuda-11.2" in note for note in decide(profile(), without, table(), None).notes)


def test_faults_of_a_gpu_are_told() -> None:
    assert any("pending row remap" in note for note in plan(profile(), HOSTS["unhealthy"][0]).notes)


# --- what the profile asks for ---------------------------------------------------------------------------------------


def test_old_releases_get_the_bounds_that_make_them_work_today() -> None:
    bounds = {bound.requirement for bound in plan(profile("==2.11.*"), Host()).decision.constraints}
    assert bounds == {"numpy<2", "setuptools<81"}
    assert plan(profile("==2.21.*"), Host()).decision.constraints == ()


def test_an_old_python_is_taken_where_no_newer_one_may_be_brought() -> None:
    decision = plan(profile(python={"install": False}), Host(pythons=OLD)).decision
    assert (decision.tensorflow.version, decision.python.version) == ("2.13.1", "3.8.18")


@pytest.mark.parametrize(
    ("pythons", "install", "chosen"),
    [
        (("3.8.18", "3.10.13"), False, "tensorflow-cpu==2.10.1 cpu 3.10.13"),
        (("3.8.18", "3.10.13"), True, "tensorflow-cpu==2.10.1 cpu 3.10.13"),
        ((), True, "tensorflow-cpu==2.10.1 cpu (3.10)"),
    ],
)
def test_a_newer_release_that_runs_on_an_old_python_alone_is_passed_over(
    pythons: tuple[str, ...], install: bool, chosen: str
) -> None:
    requirements = ["tensorflow<2.14", "tensorflow<2.11; python_version >= '3.9'"]
    asked = profile(packages={"requirements": requirements}, python={"install": install})
    found = plan(asked, Host(pythons=pythons))
    assert short(found) == chosen
    assert found.decision.tensorflow.why.startswith(
        "the newest release within `packages.requirements: tensorflow<2.14` for Python 3.9 or newer; "
    )
    assert (
        "TensorFlow 2.13.1 would need Python 3.8; one before 3.9 is used only if no release runs on a newer one"
        in found.notes
    )


def test_an_old_python_is_passed_over_where_one_with_a_newer_release_may_be_brought() -> None:
    found = plan(profile(), Host(pythons=("3.8.18",)))
    assert short(found).endswith(" (3.13)")
    assert [(each.code, each.why) for each in found.refused if each.what.startswith("Python")] == [
        ("python-unsupported", f"TensorFlow {found.decision.tensorflow.version} has wheels for Python 3.10 to 3.13")
    ]
    assert short(plan(profile(python={"install": False}), Host(pythons=("3.8.18",)))).endswith(" 3.8.18")


@pytest.mark.parametrize(
    ("asked", "pythons", "chosen"),
    [
        (["tensorflow==2.13.*"], ("3.8.18",), "tensorflow-cpu==2.13.1 cpu 3.8.18"),
        (["tensorflow==2.13.*"], ("3.7.16", "3.8.18"), "tensorflow-cpu==2.13.1 cpu 3.8.18"),
        (["tensorflow==2.6.2"], ("3.6.15",), "tensorflow-cpu==2.6.2 cpu 3.6.15"),
        # A patch release is newer, too.
        (["tensorflow==2.6.*"], ("3.6.15",), "tensorflow-cpu==2.6.5 cpu (3.9)"),
        (
            ["tensorflow<2.14", "tensorflow<2.11; python_version >= '3.9'"],
            ("3.7.16",),
            "tensorflow-cpu==2.11.0 cpu 3.7.16",
        ),
    ],
)
def test_no_python_is_brought_for_a_release_that_runs_on_one_that_is_here(
    asked: list[str], pythons: tuple[str, ...], chosen: str
) -> None:
    assert short(plan(profile(packages={"requirements": asked}), Host(pythons=pythons))) == chosen


def test_lines_that_exclude_each_other_are_all_named_and_no_release_is_blamed() -> None:
    requirements = [
        "flask==3.0.3",
        "keras==3.4.1",
        "flask==2.1.1",
        "six",
        "keras==3.9.0",
        "tensorflow==2.17.0",
        "flask>=3",
    ]
    with pytest.raises(TfprovError) as caught:
        plan(profile(packages={"requirements": requirements}), Host())
    assert (caught.value.code.name, caught.value.what) == (
        "resolver-conflict",
        "lines of the profile exclude each other",
    )
    assert sorted(caught.value.evidence) == [
        "packages.requirements asks for `flask==2.1.1`, and packages.requirements for `flask==3.0.3`",
        "packages.requirements asks for `flask==2.1.1`, and packages.requirements for `flask>=3`",
        "packages.requirements asks for `keras==3.9.0`, and packages.requirements for `keras==3.4.1`",
    ]


def test_what_the_machine_lacks_comes_before_lines_that_exclude_each_other() -> None:
    """Without one of the lines it would not fit either, as a hint would say."""
    asked = profile(None, "cuda", packages={"requirements": ["numpy<1.26", "numpy>=2"]})
    with pytest.raises(TfprovError, match="CUDA cannot work on this machine"):
        plan(asked, Host())
    with pytest.raises(TfprovError, match="exclude each other"):
        plan(asked, HOSTS["v100"][0])


def test_a_constraint_that_excludes_a_line_is_named_with_it() -> None:
    with pytest.raises(TfprovError) as caught:
        plan(profile(packages={"requirements": ["six>=2"], "constraints": ["six<2"]}), Host())
    assert caught.value.evidence == ("packages.constraints asks for `six<2`, and packages.requirements for `six>=2`",)


@pytest.mark.parametrize(
    ("host", "asked", "why"),
    [
        (gpu(hosts.A100, driver=D550), profile("==2.14.*"), "3.11, because its `and-cuda` extra asks for tensorrt"),
        (gpu(hosts.A100, driver=D550, pythons=()), profile("==2.14.*"), "3.11, because its `and-cuda` extra asks"),
        (gpu(hosts.A100, driver=D550, pythons=("3.10.13",)), profile("==2.14.*"), ""),
        (Host(), profile(packages={"constraints": ["numpy<2"]}), "3.13, because numpy 1.26.4 has no wheel for"),
        (hosts.MAC_ARM, profile("==2.17.*", "metal"), "3.12, because `tensorflow-metal` 1.1.0 has wheels for"),
        (Host(), profile("==2.14.*"), ""),
    ],
)
def test_the_choice_of_a_python_says_why_no_newer_one_was_taken(host: Host, asked: Profile, why: str) -> None:
    found = plan(asked, host).decision.python.why
    assert (f"; not {why}" if why else "TensorFlow 2.14.1 has wheels for 3.9 to 3.11") in found
    assert ("; not " in found) is bool(why)


def test_a_release_that_is_known_not_to_work_with_cuda_is_noted_with_what_to_take() -> None:
    found = plan(profile(packages={"requirements": ["tensorflow==2.15.0"]}), gpu(hosts.A100, driver=D550))
    assert short(found) == "tensorflow-cpu==2.15.0 cpu 3.11.7"
    assert "for CUDA: take TensorFlow 2.15.1" in found.notes


@pytest.mark.parametrize(
    ("packages", "version", "expected"),
    [
        # As in uv: in place of requirements, of the profile and of packages, …
        ({"requirements": ["protobuf>=5"], "overrides": ["protobuf>=5"]}, "==2.15.*", "2.15.1 3.11.7"),
        ({"requirements": ["protobuf<4"], "overrides": ["Protobuf>=5"]}, "==2.15.*", "2.15.1 3.11.7"),
        ({"requirements": ["numpy>=2"], "overrides": ["numpy>=2"]}, "==2.17.*", "2.17.1 3.12.1"),
        ({"overrides": ["numpy<2"]}, None, "2.21.0 3.12.1"),
        ({"requirements": ["tensorflow>=2.16"], "overrides": ["tensorflow==2.15.1"]}, None, "2.15.1 3.11.7"),
        ({"requirements": ["keras<3"], "exclude": ["keras"]}, None, "2.21.0 3.13.0"),
        # … but constraints, and what makes a release work at all, still hold.
        ({"overrides": ["numpy"], "constraints": ["numpy<2"]}, None, "2.21.0 3.12.1"),
        ({"requirements": ["numpy>=2"], "overrides": ["numpy>=2"]}, "==2.11.*", "resolver-conflict"),
        # What is only constrained counts where something needs it.
        ({"constraints": ["keras>=3"]}, "==2.5.*", "2.5.3 3.9.18"),
        ({"constraints": ["tensorflow-text==2.15.*"]}, None, "2.21.0 3.13.0"),
    ],
)
def test_overrides_exclusions_and_constraints_mean_what_they_mean_to_the_resolver(
    packages: dict[str, list[str]], version: str | None, expected: str
) -> None:
    try:
        decision = plan(profile(version, packages=packages), Host()).decision
        found = f"{decision.tensorflow.version} {decision.python.version}"
    except TfprovError as error:
        found = error.code.name
    assert found == expected


def test_constraints_that_exclude_each_other_count_where_every_release_needs_the_project() -> None:
    with pytest.raises(TfprovError) as caught:
        plan(profile(packages={"constraints": ["numpy<1.26", "numpy==1.26.4"]}), Host())
    assert caught.value.evidence == (
        "packages.constraints asks for `numpy<1.26`, and packages.constraints for `numpy==1.26.4`",
    )
    # Nothing needs this one.
    assert plan(profile(packages={"constraints": ["flask<3", "flask>=3"]}), Host())


def test_lines_that_exclude_each_other_on_some_pythons_only_choose_the_python() -> None:
    requirements = ["numpy<2; python_version < '3.13'", "numpy<1.27", "numpy>=2; python_version >= '3.13'"]
    found = plan(profile(packages={"requirements": requirements}), Host(pythons=("3.12.1", "3.13.0")))
    assert short(found).endswith(" 3.12.1")


@pytest.mark.parametrize(
    ("requirements", "chosen"),
    [
        (["keras==2.2.4"], "tensorflow==1.15.5 cpu 3.7.16"),
        (["keras==2.1.0", "tensorflow>=1.3"], "tensorflow==1.15.5 cpu 3.7.16"),
        (["keras<2.3", "tensorflow>=1.15"], "tensorflow==1.15.5 cpu 3.7.16"),
        # Code for the Keras in TensorFlow often has both pins.
        (["keras==2.2.4", "tensorflow==2.1.*"], "tensorflow-cpu==2.1.4 cpu 3.7.16"),
        (["keras==2.2.4", "tensorflow>=2,<2.2"], "tensorflow-cpu==2.1.4 cpu 3.7.16"),
        (["keras==2.3.1", "tensorflow==2.1.*"], "tensorflow-cpu==2.1.4 cpu 3.7.16"),
    ],
)
def test_keras_for_tensorflow_1_alone_leads_to_it_unless_2_is_asked_for(requirements: list[str], chosen: str) -> None:
    found = plan(
        profile(packages={"requirements": requirements}), Host(pythons=("3.6.15", "3.7.16", "3.8.18", "3.11.7"))
    )
    assert short(found) == chosen


@pytest.mark.parametrize(
    ("requirement", "version"),
    [("keras<3", "2.15.1"), ("protobuf<4", "2.19.1"), ("numpy<1.26", "2.17.1"), ("numpy==2.2.*", "2.21.0")],
)
def test_an_open_release_follows_the_other_requirements(requirement: str, version: str) -> None:
    found = plan(profile(packages={"constraints": [requirement]}), Host())
    assert found.decision.tensorflow.version == version


def test_a_requirement_for_another_platform_is_no_conflict() -> None:
    asked = profile("==2.11.*", packages={"requirements": ["numpy>=2; sys_platform == 'win32'"]})
    assert plan(asked, Host()).decision.tensorflow.version == "2.11.1"


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("tensorflow==2.15.*", "tensorflow-cpu==2.15.1 cpu 3.11.7"),
        ("tensorflow-gpu<2.13", "tensorflow-cpu==2.12.1 cpu 3.11.7"),
        ("tensorflow-cpu", "tensorflow-cpu==2.21.0 cpu 3.13.0"),
        ("tensorflow[gcs-filesystem]", "tensorflow-cpu[gcs-filesystem]==2.21.0 cpu 3.13.0"),
        ("tensorflow[and-cuda]>=2.17,<2.20", "tensorflow-cpu==2.19.1 cpu 3.12.1"),
    ],
)
def test_tensorflow_among_the_packages_narrows_the_choice(requirement: str, expected: str) -> None:
    assert short(plan(profile(packages={"requirements": [requirement]}), Host())) == expected


@pytest.mark.parametrize(
    ("pythons", "expected"),
    [
        (("3.10.13", "3.11.7", "3.13.0"), "tensorflow-cpu==2.15.1 cpu 3.11.7"),
        # Whoever has no other Python gets the release that fits it.
        (("3.10.13",), "tensorflow-cpu==2.21.0 cpu 3.10.13"),
    ],
)
def test_a_python_on_which_the_project_has_tensorflow_is_preferred(pythons: tuple[str, ...], expected: str) -> None:
    asked = profile(packages={"requirements": ["tensorflow<2.16; python_version >= '3.11'"]})
    assert short(plan(asked, Host(pythons=tuple(map(python, pythons))))) == expected


def test_the_placeholder_package_is_rewritten_and_said_so() -> None:
    found = plan(profile(packages={"requirements": ["tensorflow-gpu==2.15.*"]}), HOSTS["v100"][0])
    assert short(found) == f"{CUDA}==2.15.1 cuda 3.11.7"
    assert any("`tensorflow-gpu==2.15.*` is a former name" in note for note in found.notes)


def test_the_cpu_package_by_name_means_the_cpu() -> None:
    asked = profile(packages={"requirements": ["tensorflow-cpu"]})
    assert plan(asked, HOSTS["v100"][0]).decision.tensorflow.accelerator == "cpu"
    with pytest.raises(TfprovError) as caught:
        plan(profile(accelerator="cuda", packages={"requirements": ["tensorflow-cpu"]}), HOSTS["v100"][0])
    assert caught.value.code.name == "resolver-conflict"


@pytest.mark.parametrize(
    "beside", [(), (hosts.T4, dataclasses.replace(hosts.T4, visible=False))], ids=["alone", "beside"]
)
def test_gpus_of_other_vendors_are_counted_too(beside: tuple[Gpu, ...]) -> None:
    host = Host(gpus=(hosts.RX7900, *beside))
    with pytest.raises(TfprovError) as caught:
        plan(profile(accelerator="rocm", smoke={"require-gpus": 2}), host)
    assert (caught.value.code.name, caught.value.what, caught.value.hint) == (
        "gpu-no-device",
        "the profile asks for 2 GPUs, and 1 can be used",
        FEWER,
    )


def test_a_gpu_that_is_demanded_is_not_planned_away_by_the_package_for_cpus() -> None:
    demanded = {"require-gpus": 1}
    with pytest.raises(TfprovError) as caught:
        plan(profile(smoke=demanded, packages={"requirements": ["tensorflow-cpu==2.20.*"]}), HOSTS["v100"][0])
    assert (caught.value.code.name, caught.value.what, caught.value.evidence, caught.value.hint) == (
        "resolver-conflict",
        "`tensorflow-cpu==2.20.*` is the CPU build, and the profile demands a GPU",
        ("packages.requirements asks for `tensorflow-cpu==2.20.*`", "`smoke.require-gpus = 1`"),
        "drop `smoke.require-gpus`, or `tensorflow-cpu==2.20.*`",
    )


@pytest.mark.parametrize(("package", "accelerator"), [("tensorflow-cpu", None), ("tensorflow", "cpu")])
def test_a_lock_for_cpus_does_not_fit_a_profile_that_demands_a_gpu(package: str, accelerator: str | None) -> None:
    locked = LockedChoice(package=package, version="2.20.0", python_minor="3.11", accelerator=accelerator)
    with pytest.raises(TfprovError) as caught:
        plan(profile(smoke={"require-gpus": 1}), HOSTS["v100"][0], locked=locked)
    assert caught.value.code.name == "lock-unfit"
    assert caught.value.evidence == (
        f"it holds {package} for the CPU; the profile demands a GPU: `smoke.require-gpus = 1`",
    )


@pytest.mark.parametrize("requirement", ["tf-nightly-gpu", "intel-tensorflow", "tensorflow-rocm"])
def test_another_build_of_tensorflow_is_a_conflict(requirement: str) -> None:
    with pytest.raises(TfprovError) as caught:
        plan(profile(packages={"requirements": [requirement]}), Host())
    assert caught.value.code.name == "resolver-conflict"


def test_fallbacks_are_offered_only_when_allowed() -> None:
    host = HOSTS["v100"][0]
    assert plan(profile(), host).fallbacks == ()
    allowed = plan(profile(tensorflow={"allow-fallback": True}), host).fallbacks
    tried = [(each.tensorflow.version, each.tensorflow.accelerator) for each in allowed]
    assert tried == [("2.20.0", "cuda"), ("2.19.1", "cuda"), ("2.18.1", "cuda"), ("2.21.0", "cpu")]


def test_a_release_newer_than_the_table_is_taken_by_its_wheels_and_called_unverified() -> None:
    offered = listing(*(wheel("2.23.0", minor) for minor in (11, 12)), wheel("2.21.0", 13))
    found = plan(profile(), HOSTS["v100"][0], listing=offered)
    assert short(found) == f"{CUDA}==2.23.0 cuda 3.12.1"
    assert not found.decision.tensorflow.verified
    assert any("newer than the table" in note for note in found.notes)


def test_the_index_decides_which_releases_there_are() -> None:
    offered = listing(wheel("2.20.0", 12, "tensorflow_cpu", "manylinux2014_x86_64"), wheel("2.20.0", 12))
    assert short(plan(profile(), Host(), listing=offered)) == "tensorflow-cpu==2.20.0 cpu 3.12.1"


def test_without_the_small_package_in_the_index_the_full_one_serves_the_cpu() -> None:
    assert short(plan(profile(), Host(), listing=listing(wheel("2.21.0", 12)))) == "tensorflow==2.21.0 cpu 3.12.1"


def test_withdrawn_files_and_nightly_builds_do_not_count() -> None:
    with pytest.raises(TfprovError) as caught:
        plan(profile(), Host(), listing=listing(wheel("2.21.0", 12), yanked=True))
    assert caught.value.code.name == "package-name-wrong"
    found = plan(profile(), Host(), listing=listing(wheel("2.21.0", 12), wheel("2.23.0.dev20261019", 12)))
    assert found.decision.tensorflow.version == "2.21.0"


NIGHTLIES = listing(
    wheel("2.21.0", 12),
    wheel("2.23.0rc0", 12),
    wheel("2.23.0.dev20261018", 12, "tf_nightly_cpu"),
    wheel("2.23.0.dev20261018", 12, "tf_nightly"),
    wheel("2.23.0.dev20261019", 12, "tf_nightly"),
    wheel("2.24.0.dev20261020", 14, "tf_nightly"),
)


@pytest.mark.parametrize(
    ("tables", "host", "expected"),
    [
        ({"tensorflow": {"package": "tf-nightly"}}, Host(), "tf-nightly==2.23.0.dev20261019 cpu 3.12.1"),
        ({"packages": {"requirements": ["tf-nightly"]}}, Host(), "tf-nightly==2.23.0.dev20261019 cpu 3.12.1"),
        (
            {"packages": {"requirements": ["tf_nightly_cpu==2.23.0.dev20261018"]}},
            Host(),
            "tf-nightly-cpu==2.23.0.dev20261018 cpu 3.12.1",
        ),
        (
            {"tensorflow": {"package": "tf-nightly", "version": "<2.23.0.dev20261019"}},
            Host(),
            "tf-nightly-cpu==2.23.0.dev20261018 cpu 3.12.1",
        ),
        (
            {"tensorflow": {"package": "tf-nightly"}, "packages": {"requirements": ["tensorflow>=2.16"]}},
            HOSTS["v100"][0],
            "tf-nightly[and-cuda]==2.23.0.dev20261019 cuda 3.12.1",
        ),
    ],
)
def test_nightly_builds_are_chosen_where_they_are_asked_for(tables: dict[str, Any], host: Host, expected: str) -> None:
    found = plan(profile(python={"install": False}, **tables), host, listing=NIGHTLIES)
    assert short(found) == expected
    assert any("build of the development branch" in note for note in found.notes)
    assert not found.decision.tensorflow.verified


def test_a_release_and_a_nightly_build_cannot_both_be_asked_for() -> None:
    with pytest.raises(TfprovError) as caught:
        plan(profile(packages={"requirements": ["tf-nightly", "tensorflow"]}), Host(), listing=NIGHTLIES)
    assert caught.value.code.name == "resolver-conflict"


def test_a_constraint_on_a_nightly_build_asks_for_none() -> None:
    asked = profile(packages={"constraints": ["tf-nightly<2.23"]})
    assert plan(asked, Host(), listing=NIGHTLIES).decision.tensorflow.version == "2.21.0"


@pytest.mark.parametrize(
    ("package", "version", "fits", "unfit"),
    [
        ("tf-nightly", "2.23.0.dev20261019", "tf-nightly", "tensorflow"),
        ("tensorflow-cpu", "2.21.0", "tensorflow", "tf-nightly"),
    ],
)
def test_a_lock_of_the_other_kind_no_longer_fits(package: str, version: str, fits: str, unfit: str) -> None:
    locked = LockedChoice(package=package, version=version, python_minor="3.12", accelerator="cpu")
    found = plan(profile(tensorflow={"package": fits}), Host(), locked=locked)
    assert found.decision.tensorflow.version == version
    with pytest.raises(TfprovError) as caught:
        plan(profile(tensorflow={"package": unfit}), Host(), locked=locked)
    assert caught.value.code.name == "lock-unfit"
    assert "the profile asks for" in caught.value.evidence[0]


def test_a_wheel_for_any_python_and_platform_fits() -> None:
    assert short(plan(profile(), Host(), listing=listing("tensorflow-2.21.0-py3-none-any.whl"))) == (
        "tensorflow==2.21.0 cpu 3.13.0"
    )


def test_a_free_threaded_python_is_taken_once_wheels_for_it_exist() -> None:
    free = python("3.14.0", free_threaded=True)
    asked = profile(python={"install": False})
    offered = listing("tensorflow-2.24.0-cp314-cp314t-manylinux_2_27_x86_64.whl")
    assert short(plan(asked, Host(pythons=(free,)), listing=offered)) == "tensorflow==2.24.0 cpu 3.14.0"
    with pytest.raises(TfprovError) as caught:
        plan(asked, Host(pythons=(free,)), listing=listing(wheel("2.24.0", 14)))
    assert caught.value.code.name == "python-unsupported"


def test_without_an_index_the_plan_says_that_the_table_decided() -> None:
    assert any("the index was not asked for releases" in note for note in plan(profile(), Host()).notes)


def test_a_time_pinned_profile_gets_the_release_of_that_time() -> None:
    old = IndexFile(filename=wheel("2.20.0", 12), uploaded="2025-08-13T16:00:00Z")
    new = IndexFile(filename=wheel("2.21.0", 12), uploaded="2026-03-06T16:00:00Z")
    offered = Listing(files={"tensorflow": (old, new), "tensorflow-cpu": ()}, source="test")
    found = plan(profile(index={"exclude-newer": "2026-01-01"}), Host(), listing=offered)
    assert found.decision.tensorflow.version == "2.20.0"
    assert not any("exclude-newer" in note for note in found.notes)


def test_a_time_pin_holds_by_the_table_where_the_index_says_no_times() -> None:
    asked = profile(index={"exclude-newer": "2026-01-01"})
    found = plan(asked, Host(), listing=listing(wheel("2.21.0", 12), wheel("2.20.0", 12)))
    assert found.decision.tensorflow.version == "2.20.0"
    assert any("the index gives no upload times" in note for note in found.notes)
    assert plan(asked, Host()).decision.tensorflow.version == "2.20.0"


def test_what_other_packages_had_at_that_time_counts() -> None:
    asked = profile("==2.18.*", index={"exclude-newer": "2024-12-01"}, packages={"requirements": ["numpy==2.0.2"]})
    assert plan(asked, Host()).decision.tensorflow.version == "2.18.0"
    early = profile("==2.18.*", index={"exclude-newer": "2024-12-01"}, packages={"requirements": ["pandas>=2.3"]})
    with pytest.raises(TfprovError) as caught:
        plan(early, Host())
    assert "pandas 2.3.0 came out on 2025-06-" in caught.value.what


@pytest.mark.parametrize(
    ("requirement", "python"),
    [("numpy<2", "3.12.1"), ("pandas<1.4", "3.10.13"), ("numpy>=2", "3.13.0"), ("something-else", "3.13.0")],
)
def test_the_wheels_of_other_packages_decide_the_python(requirement: str, python: str) -> None:
    found = plan(profile("==2.21.*", packages={"requirements": [requirement]}), Host())
    assert found.decision.python.version == python


# --- the lock --------------------------------------------------------------------------------------------------------


def test_a_lock_binds_the_decision() -> None:
    locked = LockedChoice(package="tensorflow-cpu", version="2.19.0", python_minor="3.11")
    found = plan(profile(), Host(), locked)
    assert short(found) == "tensorflow-cpu==2.19.0 cpu 3.11.7"
    assert "in the lock" in found.decision.tensorflow.why


def test_a_cpu_lock_stays_on_the_cpu_where_cuda_could_work_and_says_so() -> None:
    locked = LockedChoice(package="tensorflow-cpu", version="2.21.0", python_minor="3.12")
    found = plan(profile(), HOSTS["v100"][0], locked)
    assert short(found) == "tensorflow-cpu==2.21.0 cpu 3.12.1"
    assert any("tfprov lock --upgrade" in note for note in found.notes)


def test_a_full_package_that_was_locked_for_the_cpu_stays_on_the_cpu() -> None:
    locked = LockedChoice(package="tensorflow", version="2.21.0", python_minor="3.12", accelerator="cpu")
    assert short(plan(profile(), HOSTS["v100"][0], locked)) == "tensorflow==2.21.0 cpu 3.12.1"


def test_a_cuda_lock_runs_on_the_cpu_where_the_gpu_is_gone() -> None:
    locked = LockedChoice(package="tensorflow", version="2.21.0", python_minor="3.12", accelerator="cuda")
    assert short(plan(profile(), Host(), locked)) == "tensorflow==2.21.0 cpu 3.12.1"
    assert short(plan(profile(), HOSTS["v100"][0], locked)) == f"{CUDA}==2.21.0 cuda 3.12.1"


def test_a_lock_of_a_release_that_nobody_knows_is_followed() -> None:
    locked = LockedChoice(package="tensorflow", version="2.30.0", python_minor="3.13", accelerator="cpu")
    found = plan(profile(), Host(), locked)
    assert short(found) == "tensorflow==2.30.0 cpu 3.13.0"
    assert not found.decision.tensorflow.verified


@pytest.mark.parametrize(
    ("asked", "host", "locked", "said"),
    [
        (profile("==2.20.*"), Host(), ("tensorflow-cpu", "2.21.0", "3.12"), "the profile asks for"),
        (profile(accelerator="cuda"), "v100", ("tensorflow-cpu", "2.21.0", "3.12"), "asks for CUDA"),
        (profile(python={"version": ">=3.13"}), Host(), ("tensorflow-cpu", "2.21.0", "3.12"), "made for Python 3.12"),
        (profile(python={"install": False}), Host(pythons=("3.13.0",)), ("tensorflow-cpu", "2.21.0", "3.12"), "wheels"),
        (profile(), Host(libc=GLIBC_2_17), ("tensorflow-cpu", "2.21.0", "3.12"), "glibc 2.27"),
        (profile(accelerator="cuda"), "v100", ("tensorflow", "2.16.1", "3.12"), "run path"),
        (profile(), hosts.MAC_ARM, ("tensorflow-cpu", "2.21.0", "3.12"), "no wheel here"),
    ],
)
def test_a_lock_that_cannot_be_followed_says_what_changed(
    asked: Profile, host: Host | str, locked: tuple[str, str, str], said: str
) -> None:
    package, version, minor = locked
    choice = LockedChoice(package=package, version=version, python_minor=minor)
    with pytest.raises(TfprovError) as caught:
        plan(asked, HOSTS[host][0] if isinstance(host, str) else host, choice)
    assert caught.value.code.name == "lock-unfit"
    assert said in " ".join(caught.value.evidence)
    assert "--upgrade" in caught.value.hint


# --- the rest --------------------------------------------------------------------------------------------------------


def test_sizes_are_those_of_the_release_and_variant() -> None:
    found = plan(profile(), HOSTS["v100"][0])
    assert found.download_bytes == 3_440_021_109
    assert found.unpacked_bytes == 6_485_737_605
    assert found.files == 27_897
    assert found.peak_disk_bytes is not None
    assert found.peak_disk_bytes > found.download_bytes + found.unpacked_bytes
    assert plan(profile(), hosts.MAC_ARM).download_bytes is None


def test_the_decision_is_the_same_twice() -> None:
    for host, version, accelerator, expected in HOSTS.values():
        if "==" in expected:
            asked = profile(version, accelerator)
            assert plan(asked, host) == plan(asked, host)


def test_an_emulated_container_is_decided_by_its_own_architecture_and_gets_a_note() -> None:
    emulated = plan(profile(), Host(machine="aarch64", emulation="qemu"))
    native = plan(profile(), Host(machine="aarch64"))

    assert short(emulated) == short(native)
    assert [note for note in emulated.notes if note not in native.notes] == [
        "aarch64 is emulated here by qemu (test): TensorFlow works, but takes many times longer"
    ]


@pytest.mark.parametrize(
    ("version", "lacks", "system", "kind", "why"),
    [
        ("==2.21.*", ("vcruntime140_threads.dll",), "windows", "venv", "this Windows lacks `vcruntime140_threads.dll`"),
        (
            "==2.21.*",
            ("msvcp140.dll", "vcruntime140_threads.dll"),
            "windows",
            "venv",
            "this Windows lacks `msvcp140.dll` and `vcruntime140_threads.dll`",
        ),
        ("==2.20.*", ("vcruntime140_threads.dll",), "windows", "venv", None),
        ("==2.20.*", ("msvcp140.dll",), "windows", "venv", "this Windows lacks `msvcp140.dll`"),
        ("==2.21.*", (), "windows", "venv", None),
        ("==2.21.*", ("vcruntime140_threads.dll",), "linux", "venv", None),
        ("==2.21.*", ("vcruntime140_threads.dll",), "windows", "conda", None),
    ],
)
def test_a_windows_without_the_runtime_of_visual_c_gets_it_by_a_package(
    version: str, lacks: tuple[str, ...], system: Any, kind: str, why: str | None
) -> None:
    found = tuple(Hazard(code="windows-dll-load", name=name, value="", why="") for name in lacks)
    host = dataclasses.replace(hosts.WINDOWS if system == "windows" else Host(), hazards=found)
    asked = profile(
        version, environment={"kind": kind}, **({"conda": {"tensorflow": "wheel"}} if kind == "conda" else {})
    )
    got = [(each.requirement, each.why) for each in plan(asked, host).decision.also]
    assert got == ([("msvc-runtime", why)] if why else [])


def test_gpus_that_cannot_be_used_are_told_with_the_reason() -> None:
    eight = [dataclasses.replace(hosts.A100, index=index, uuid=f"GPU-{index}") for index in range(8)]
    eight[5] = dataclasses.replace(eight[5], usable=False, health=("it fell off the bus",))
    eight[7] = dataclasses.replace(eight[7], compute_mode="prohibited")
    with pytest.raises(TfprovError) as caught:
        plan(profile(accelerator="cuda", smoke={"require-gpus": 7}), gpu(*eight, driver=D550))
    assert caught.value.evidence == (
        f"6 of {A100}",
        f"{A100} cannot be used: it fell off the bus",
        f"{A100} cannot be used: its compute mode is `prohibited`",
    )
    ways = "or make more GPUs visible, or reset or replace NVIDIA A100-SXM4-80GB"
    assert caught.value.hint == f"{FEWER}, {ways}"


def test_a_gpu_in_mig_mode_counts_once_and_the_reason_is_told() -> None:
    slices = tuple(MigSlice(uuid=f"MIG-{number}", name="1g.10gb") for number in range(7))
    with pytest.raises(TfprovError) as caught:
        parts = dataclasses.replace(hosts.A100, mig=True, slices=slices)
        plan(profile(accelerator="cuda", smoke={"require-gpus": 2}), gpu(parts, driver=D550))
    assert caught.value.evidence == (f"{A100}: a program can use one of its 7 MIG devices at a time",)


ON_2_19 = LockedChoice(package="tensorflow-cpu", version="2.19.0", python_minor="3.11", accelerator="cpu")
ON_A100 = gpu(hosts.A100, driver=D575)
NIGHTLY = {"package": "tf-nightly"}
AVX = "and the x86-64 builds of TensorFlow need AVX, which the emulated processor does not list"
RENEW = "renew it with `tfprov lock --upgrade`"
FEWER = "lower `smoke.require-gpus`"
A100 = "NVIDIA A100-SXM4-80GB (compute capability 8.0, Ampere)"


def listed(name: str) -> Listing:
    """An index that knows a project and has no file of it."""
    return Listing(files={name: ()}, source="https://index.example/simple")


@pytest.mark.parametrize(
    ("decided", "words"),
    [
        (
            lambda: plan(profile(), Host(emulation="qemu", flags=ARM["flags"])),
            (
                *("rosetta-qemu", f"x86-64 is emulated here by qemu, {AVX}"),
                *("emulation: qemu (test)", "no `avx` among 2 processor flags (/proc/cpuinfo)"),
                "use a native arm64 image: TensorFlow has wheels for it",
            ),
        ),
        (
            lambda: plan(profile(accelerator="rocm"), Host()),
            ("rocm", "no AMD GPU for ROCm was found", "GPUs: none (NVML)", 'use `tensorflow.accelerator = "auto"`'),
        ),
        (
            lambda: plan(profile(accelerator="rocm"), Host(gpus=(hosts.RX7900,), **ARM)),
            (
                *("rocm", "TensorFlow for ROCm is built for Linux on x86-64 only", "this is Linux on aarch64"),
                *('`tensorflow.accelerator = "rocm"`', 'use `tensorflow.accelerator = "auto"`'),
            ),
        ),
        (
            lambda: plan(profile(accelerator="cuda", smoke={"require-gpus": 3}), ON_A100),
            ("gpu-no-device", "the profile asks for 3 GPUs, and 1 can be used", A100, FEWER),
        ),
        (
            lambda: plan(
                profile(accelerator="cuda", smoke={"require-gpus": 2}),
                gpu(hosts.A100, dataclasses.replace(SECOND_V100, visible=False), driver=D575),
            ),
            (
                *("gpu-no-device", "the profile asks for 2 GPUs, and 1 can be used"),
                *(A100, f"{SECOND_V100.name} (compute capability 7.0, Volta) cannot be used: it is hidden"),
                f"{FEWER}, or make more GPUs visible",
            ),
        ),
        (
            lambda: plan(profile(), Host(), listing=listed("tensorflow")),
            (
                *("package-name-wrong", "the index has no usable TensorFlow"),
                "https://index.example/simple lists no wheel of `tensorflow` since 1.15",
                "check `index.url`: it may be a partial mirror",
            ),
        ),
        (
            lambda: plan(profile(tensorflow=NIGHTLY), Host()),
            (
                "offline-missing",
                "only an index knows which nightly builds of TensorFlow exist, and it could not be read",
                "lock them where there is a network, or use a release",
            ),
        ),
        (
            lambda: plan(profile(tensorflow=NIGHTLY), Host(), listing=listed("tf-nightly")),
            (
                *("version-not-available", "the index has no nightly build of TensorFlow"),
                "https://index.example/simple lists no wheel of `tf-nightly` or `tf-nightly-cpu`",
                'use a release: `tensorflow.package = "tensorflow"`, and no `tf-nightly` among the requirements',
            ),
        ),
        (
            lambda: plan(profile("==2.20.*", "cuda", python={"version": ">=3.12"}), ON_A100, ON_2_19),
            (
                *("lock-unfit", "the lock no longer fits the profile"),
                'it holds tensorflow-cpu 2.19.0; the profile asks for `tensorflow.version = "==2.20.*"`',
                "it holds tensorflow-cpu for the CPU; the profile asks for CUDA",
                "it was made for Python 3.11; the profile asks for `>=3.12`",
                RENEW,
            ),
        ),
        (
            lambda: plan(profile(smoke={"require-gpus": 1}), ON_A100, ON_2_19),
            (
                *("lock-unfit", "the lock no longer fits the profile"),
                "it holds tensorflow-cpu for the CPU; the profile demands a GPU: `smoke.require-gpus = 1`",
                RENEW,
            ),
        ),
        (
            lambda: plan(profile(tensorflow=NIGHTLY), Host(), ON_2_19),
            (
                *("lock-unfit", "the lock no longer fits the profile"),
                *("it holds tensorflow-cpu 2.19.0; the profile asks for nightly builds", RENEW),
            ),
        ),
        (
            lambda: plan(profile(), Host(), dataclasses.replace(ON_2_19, python_minor="3.14")),
            (
                "lock-unfit",
                "the lock holds tensorflow-cpu 2.19.0 for Python 3.14, which does not fit",
                "TensorFlow 2.19.0 has no wheel for any Python on this machine",
                "Pythons that other releases run on: 3.13.0, 3.12.1, 3.11.7, 3.10.13, 3.9.18",
                "tensorflow 2.19.0: it has wheels for Python 3.9 to 3.12 only",
                RENEW,
            ),
        ),
        (
            lambda: plan(
                profile(python={"version": "==3.5.*"}, environment={"kind": "conda"}, conda={"tensorflow": "conda"}),
                Host(),
            ),
            (
                *("version-not-available", "no TensorFlow is known for a Python in `==3.5.*`"),
                *("TensorFlow is known for Python 3.6 to 3.14", "widen `python.version`"),
            ),
        ),
    ],
)
def test_a_refusal_says_what_it_rests_on_and_what_to_do(decided: Callable[[], Plan], words: tuple[str, ...]) -> None:
    assert refusal(decided) == words
