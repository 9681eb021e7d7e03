"""Wheels that the table does not know: what they say of their build, and what is decided by it."""

from __future__ import annotations

import dataclasses

import pytest

import hosts
from hosts import Host
from tfprov.errors import TfprovError
from tfprov.plan.builds import build_info, cuda_in, to_look_into, with_builds
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.plan.records import BuildInfo, IndexFile, Listing, Plan
from tfprov.profile.records import Profile

NEWEST = table().releases[0]
ARM_DRIVER = "575.57.08"
OWN = "tensorflow-2.21.0+own-cp312-cp312-manylinux_2_28_aarch64.whl"
HEAD = '"""Auto-generated module providing information about the build."""\nimport collections\n\n'


# As the public wheels of 2.21.0, of a nightly build and of 2.21.0 for aarch64 have it.
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "('cpu_compiler', 'clang'), ('cuda_compute_capabilities', ['sm_60', 'sm_70', 'sm_80', 'sm_89', "
            "'compute_90']), ('cuda_version', '12.5.1'), ('cudnn_version', '9'), ('is_cuda_build', True), "
            "('is_rocm_build', False), ('is_tensorrt_build', False)",
            BuildInfo(
                is_cuda=True,
                cuda="12.5.1",
                cudnn="9",
                capabilities=("sm_60", "sm_70", "sm_80", "sm_89", "compute_90"),
            ),
        ),
        (
            "('is_cuda_build', True), ('is_rocm_build', False), ('is_tensorrt_build', False)",
            BuildInfo(is_cuda=True),
        ),
        (
            "('is_cuda_build', False), ('is_rocm_build', False), ('is_tensorrt_build', False)",
            BuildInfo(is_cuda=False),
        ),
    ],
)
def test_a_wheel_says_how_it_was_built(said: str, expected: BuildInfo) -> None:
    assert build_info(f"{HEAD}build_info = collections.OrderedDict([{said}])\n") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "build_info = collections.OrderedDict(open('/etc/passwd'))",
        "build_info = collections.OrderedDict([('is_cuda_build', __import__('os'))])",
        "build_info = collections.OrderedDict([1, 2])",
        "build_info = collections.OrderedDict([('cuda_version', '12')])",
        f"build_info = collections.OrderedDict({'[' * 5000})",
    ],
)
def test_what_is_written_otherwise_says_nothing_and_is_not_run(text: str) -> None:
    assert build_info(text) is None


def test_the_code_in_a_wheel_is_what_it_says_and_the_rest_that_of_the_newest_release() -> None:
    assert NEWEST.cuda is not None
    said = cuda_in(
        BuildInfo(is_cuda=True, cuda="12.9.1", capabilities=("sm_90", "sm_100a", "compute_120")), NEWEST.cuda
    )
    assert (said.built_for, said.native, said.ptx, said.cudnn) == ("12.9.1", ("9.0", "10.0", "12.0"), ("12.0",), "9")
    assert cuda_in(BuildInfo(is_cuda=True), NEWEST.cuda) == NEWEST.cuda


def listing(*files: IndexFile) -> Listing:
    return Listing(files={"tensorflow": files}, source="test")


def test_a_look_is_taken_at_the_newest_wheels_that_the_table_does_not_know() -> None:
    def named(version: str, tag: str = "manylinux_2_28_aarch64", **changes: object) -> IndexFile:
        name = f"tensorflow-{version}-cp312-cp312-{tag}.whl"
        return dataclasses.replace(IndexFile(filename=name), **changes)  # type: ignore[arg-type]  # by name

    files = (
        named("2.21.0"),
        named("2.20.0", is_own=True),
        *(named(f"2.{minor}.0+own") for minor in (21, 30, 31, 32)),
        named("2.33.0", "manylinux_2_28_x86_64"),
        named("2.34.0", yanked=True),
        IndexFile(filename="tensorflow.whl"),
        IndexFile(filename="tensorflow-2.35.0.tar.gz"),
    )
    found = [file.filename.split("-")[1] for file in to_look_into(listing(*files), table(), "linux_aarch64")]
    assert found == ["2.32.0+own", "2.31.0+own", "2.30.0+own"]


def planned(host: Host, file: IndexFile, build: BuildInfo | None, accelerator: str = "auto") -> Plan:
    profile = Profile.model_validate({"name": "t", "tensorflow": {"accelerator": accelerator}})
    offered = listing(file) if build is None else with_builds(listing(file), [(file, build)])
    return decide(profile, host.facts, table(), offered)


def on_arm(gpu: object) -> Host:
    return Host(gpus=(gpu,), driver=ARM_DRIVER, machine="aarch64", flags=("fp", "asimd"))  # type: ignore[arg-type]


def test_a_wheel_with_cuda_serves_where_the_public_ones_have_none_and_says_where_it_is_from() -> None:
    file = IndexFile(filename=OWN, url="https://me:secret@wheels.example/own.whl")
    build = BuildInfo(is_cuda=True, cuda="12.8", cudnn="9", capabilities=("sm_90", "compute_100"))
    for gpu in (hosts.H100, hosts.B200):
        found = planned(on_arm(gpu), file, build)
        assert (found.decision.tensorflow.version, found.decision.tensorflow.accelerator) == ("2.21.0+own", "cuda")
        assert (
            "TensorFlow 2.21.0+own is a wheel with CUDA 12.8 for sm_90, compute_100, by its own build information: "
            "https://wheels.example/own.whl"
        ) in found.notes


@pytest.mark.parametrize(
    ("build", "gpu", "code"),
    [
        (None, hosts.H100, "wheel-without-cuda"),
        (BuildInfo(is_cuda=False), hosts.H100, "wheel-without-cuda"),
        (BuildInfo(is_cuda=True, cuda="12.5.1", capabilities=("sm_80", "sm_90")), hosts.B200, "gpu-arch-unsupported"),
        (BuildInfo(is_cuda=True, cuda="13.0", capabilities=("sm_90",)), hosts.H100, "gpu-driver-too-old"),
    ],
    ids=["nobody looked", "no CUDA", "no code for the GPU", "newer than the driver"],
)
def test_a_wheel_is_refused_by_its_content(build: BuildInfo | None, gpu: object, code: str) -> None:
    with pytest.raises(TfprovError) as caught:
        planned(on_arm(gpu), IndexFile(filename=OWN), build, "cuda")
    assert caught.value.code.name == code


def test_where_nothing_has_cuda_it_is_said_where_a_wheel_with_it_could_be_named() -> None:
    with pytest.raises(TfprovError) as caught:
        planned(on_arm(hosts.H100), IndexFile(filename=OWN), None, "cuda")
    assert "`index.extra` or `index.find-links`" in str((caught.value.hint, caught.value.evidence, caught.value.what))
