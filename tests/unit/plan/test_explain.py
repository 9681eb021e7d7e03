"""Whole messages: what a person reads when nothing fits, or when something unexpected was chosen."""

from __future__ import annotations

import dataclasses

import pytest
from packaging.version import Version

import hosts
from decisions import plan, profile
from hosts import Host, nvidia, python
from tfprov.errors import TfprovError
from tfprov.host.records import Libc
from tfprov.plan.compat import Bound, table, within
from tfprov.plan.explain import few, glibc_of, macos_of
from tfprov.profile.records import Profile


def message(asked: Profile, host: Host) -> str:
    with pytest.raises(TfprovError) as caught:
        plan(asked, host)
    error = caught.value
    lines = [f"{error.code.name} {error.exit_code}: {error.what}", *(f"- {line}" for line in error.evidence)]
    return "\n".join([*lines, f"hint: {error.hint}"])


T4 = Host(gpus=(hosts.T4,), driver="470.82.01")

MESSAGES = {
    "python": (
        profile("==2.21.*", python={"version": "==3.9.*"}),
        Host(),
        """\
python-unsupported 10: TensorFlow 2.21.0 has no wheel for any Python that the profile allows
- Pythons that other releases run on: 3.9.18
- Python 3.10.13, 3.11.7, 3.12.1, 3.13.0: outside `python.version = "==3.9.*"`
- tensorflow 2.21.0: it has wheels for Python 3.10 to 3.13 only
- the profile asks for `tensorflow.version = "==2.21.*"`
hint: TensorFlow 2.21.0 has wheels for Python 3.10 to 3.13; 3.9 ends at 2.20.0; TensorFlow 2.20.0 on Python 3.9 would \
fit""",
    ),
    "python too new": (
        profile(python={"version": ">=3.14"}),
        Host(pythons=("3.14.0",)),
        """\
python-unsupported 10: TensorFlow 2.21.0 has no wheel for any Python that the profile allows
- Pythons that other releases run on: 3.14.0
- tensorflow 1.15.0 to 2.21.0: it has wheels for Python 3.10 to 3.13 only (2.21.0)
hint: TensorFlow 2.21.0 has wheels for Python 3.10 to 3.13; 3.14 begins with the pre-release 2.22.0rc0""",
    ),
    "several reasons against the pythons": (
        profile(python={"install": False}),
        Host(pythons=("3.5.10", python("3.12.1", bits=32), python("3.11.0", implementation="pypy"))),
        """\
python-not-found 10: no suitable Python for TensorFlow 2.21.0 was found on this machine
- Python 3.5.10: environments can be made for Python 3.6 and newer
- Python 3.12.1: it is a 32-bit build
- Python 3.11.0: TensorFlow has wheels for CPython only; this is pypy
- tensorflow 1.15.0 to 2.21.0: it has wheels for Python 3.10 to 3.13 only (2.21.0)
hint: TensorFlow 2.21.0 has wheels for Python 3.10 to 3.13; `python.install = true` would install Python 3.13""",
    ),
    "libc": (
        profile("==2.21.*"),
        Host(libc=Libc(kind="glibc", version="2.17")),
        """\
glibc-too-old 11: TensorFlow 2.21.0 cannot run here: its wheel needs glibc 2.27; this system has glibc 2.17
- the profile asks for `tensorflow.version = "==2.21.*"`
hint: TensorFlow 2.20.0 is the last for this C library; use a newer system or a container; TensorFlow 2.20.0 on \
Python 3.13 would fit""",
    ),
    "musl": (
        profile(),
        Host(libc=Libc(kind="musl", version="1.2.4")),
        """\
musl-libc 11: TensorFlow has no wheels for musl 1.2.4, the C library of this system
- musl 1.2.4 (test)
hint: use an image with glibc, such as a Debian or Ubuntu one""",
    ),
    "system too old for a downloaded python": (
        profile(),
        Host(libc=Libc(kind="glibc", version="2.12"), pythons=("2.6.6",)),
        """\
python-unsupported 10: no Python on this machine can run TensorFlow 2.8.4
- Python 2.6.6: environments can be made for Python 3.6 and newer
- tensorflow 2.9.0 to 2.21.0: its wheel needs glibc 2.27; this system has glibc 2.12 (2.21.0)
- tensorflow 1.15.0 to 2.8.4: it has wheels for Python 3.7 to 3.10 only (2.8.4)
- a downloaded Python needs glibc 2.17; this system has glibc 2.12
hint: TensorFlow 2.8.4 has wheels for Python 3.7 to 3.10""",
    ),
    "system too old for conda": (
        profile(environment={"kind": "conda"}),
        Host(libc=Libc(kind="glibc", version="2.12")),
        """\
glibc-too-old 11: conda has no Python for this system: a downloaded Python needs glibc 2.17; this system has glibc 2.12
- `environment.kind = "conda"`
- glibc 2.12 (test)
hint: use a newer system or a container""",
    ),
    "no avx": (
        profile(),
        Host(flags=hosts.SSE),
        """\
cpu-no-avx 11: the processor has no AVX, and every TensorFlow wheel for x86-64 needs it
- no `avx` among 3 processor flags (/proc/cpuinfo)
hint: in a virtual machine, pass the processor of the host through; else set `environment.kind = "conda"` and \
`conda.tensorflow = "conda"`: conda-forge has a build for processors without AVX; or use another machine""",
    ),
    "wsl1": (
        profile(accelerator="cuda"),
        Host(wsl=True, os_version="4.4.0-22621-Microsoft"),
        """\
gpu-no-driver 17: CUDA cannot work on this machine: WSL1 gives no access to GPUs
- the profile demands a GPU: `tensorflow.accelerator = "cuda"`
- Linux on x86-64, WSL1
- GPUs: none (NVML)
- driver: none (NVML)
hint: convert the distribution to WSL2 with `wsl --set-version NAME 2`; or use the CPU""",
    ),
    "32-bit": (
        profile(),
        Host(machine="armv7l", flags=()),
        """\
platform-no-wheel 11: no TensorFlow has wheels for Linux on armv7l
- this is Linux on armv7l (test)
hint: use a 64-bit system where the processor can run one; else use another machine, or build TensorFlow from source""",
    ),
    "macos too old": (
        profile(),
        dataclasses.replace(hosts.MAC_ARM, os_version="11.7"),
        """\
platform-no-wheel 11: no TensorFlow that the profile allows can run here: its wheel needs macOS 12.0; this is macOS 11.7
- tensorflow 2.13.0 to 2.21.0: the same
- tensorflow 1.15.0 to 2.15.0.post1: no wheel for macOS on Apple silicon
hint: update the operating system, or use another machine""",
    ),
    "platform that was left": (
        profile(">=2.17"),
        hosts.MAC_INTEL,
        """\
platform-no-wheel 11: no TensorFlow that the profile allows can run here: no wheel for macOS on Intel
- tensorflow 2.17.0 to 2.21.0: the same
- the profile asks for `tensorflow.version = ">=2.17"`
hint: TensorFlow 2.16.2 is the last with wheels for macOS on Intel; TensorFlow 2.16.2 on Python 3.12 would fit""",
    ),
    "driver": (
        profile("==2.21.*", "cuda"),
        T4,
        """\
gpu-driver-too-old 17: TensorFlow 2.21.0 with CUDA cannot run here: CUDA 12.5.1 needs driver 525.60.13 or newer; this \
machine has 470.82.01
- the profile asks for `tensorflow.version = "==2.21.*"`
hint: TensorFlow 2.14.1 is the newest that this machine's GPU and driver can run; driver 525.60.13 or newer would \
support 2.21.0""",
    ),
    "no gpu": (
        profile(accelerator="cuda"),
        Host(),
        """\
gpu-no-driver 17: CUDA cannot work on this machine: there is no NVIDIA GPU and no driver (NVML)
- the profile demands a GPU: `tensorflow.accelerator = "cuda"`
- Linux on x86-64
- GPUs: none (NVML)
- driver: none (NVML)
hint: on a machine with an NVIDIA GPU, install an NVIDIA driver of 525.60.13 or newer; to build here for another \
machine, set `smoke.gpu = "later"` and `tensorflow.accelerator = "cuda"`; or use the CPU""",
    ),
    "old driver in wsl": (
        profile(accelerator="cuda"),
        Host(gpus=(nvidia("7.5", "NVIDIA GeForce RTX 2060"),), driver="441.66", wsl=True),
        """\
gpu-driver-too-old 17: no TensorFlow that the profile allows with CUDA can run here: CUDA 12.5.1 needs driver 528.33 \
or newer; this machine has 441.66
- tensorflow 2.10.0 to 2.21.0: CUDA 12.5.1 needs driver 528.33 or newer; this machine has 441.66 (2.21.0)
- tensorflow 1.15.0 to 2.9.3: the CUDA libraries that it needs are not available as wheels, or not verified with it
- tensorflow 1.15.2 to 2.0.4: its wheel for this platform has no CUDA; that of `tensorflow-gpu` needs CUDA libraries \
that are not available as wheels
hint: driver 528.33 or newer on Windows would support 2.21.0; driver 452.39 or newer on Windows would support 2.14.1""",
    ),
    "no gpu in wsl": (
        profile(accelerator="cuda"),
        Host(wsl=True),
        """\
gpu-no-driver 17: CUDA cannot work on this machine: there is no NVIDIA GPU and no driver in WSL2, which uses the \
driver of Windows (NVML)
- the profile demands a GPU: `tensorflow.accelerator = "cuda"`
- Linux on x86-64, WSL2
- GPUs: none (NVML)
- driver: none (NVML)
hint: install the NVIDIA driver on Windows of 528.33 or newer, never one inside WSL2; or use the CPU""",
    ),
    "blackwell": (
        profile(">=2.20", "cuda"),
        Host(gpus=(nvidia("12.0", "NVIDIA GeForce RTX 5090"),), driver="575.57.08"),
        """\
gpu-arch-unsupported 17: no TensorFlow that the profile allows with CUDA can run here: no code for NVIDIA GeForce RTX \
5090 (compute capability 12.0, Blackwell): the wheel has 6.0, 7.0, 8.0, 8.9 and 9.0; its PTX fails on newer GPUs
- tensorflow 2.21.0, 2.20.0: the same
- the profile asks for `tensorflow.version = ">=2.20"`
hint: conda-forge's TensorFlow 2.19.1 for CUDA 12.8 has code for this GPU; use NVIDIA's TensorFlow container; or use \
the CPU""",
    ),
    "known bad": (
        profile("==2.16.1", "cuda"),
        Host(gpus=(hosts.T4,), driver="550.54.15"),
        """\
known-bad-release 15: TensorFlow 2.16.1 with CUDA is known not to work: the CUDA libraries beside it are not on its \
run path, so that no GPU is found
- the profile asks for `tensorflow.version = "==2.16.1"`
hint: take TensorFlow 2.16.2""",
    ),
    "conflict": (
        profile("==2.11.*", packages={"requirements": ["numpy>=2"]}),
        Host(),
        """\
resolver-conflict 15: TensorFlow 2.11.1 does not fit the profile: it needs `numpy<2` (the release was built for NumPy \
1 and does not say so), and packages.requirements asks for `numpy>=2`
- tensorflow 2.11.1, 2.11.0: the same
- the profile asks for `tensorflow.version = "==2.11.*"`
hint: without `numpy>=2`, TensorFlow 2.11.1 on Python 3.10 would fit; TensorFlow 2.21.0 on Python 3.13 would fit""",
    ),
    "metal on an intel mac": (
        profile(accelerator="metal"),
        hosts.MAC_INTEL,
        """\
metal-plugin-mismatch 16: tfprov supports Metal on Macs with Apple silicon only
- this is macOS on Intel
- `tensorflow.accelerator = "metal"`
hint: use `tensorflow.accelerator = "auto"`""",
    ),
    "driver for conda": (
        profile(accelerator="cuda", environment={"kind": "conda"}, conda={"tensorflow": "conda"}),
        T4,
        """\
gpu-driver-too-old 17: CUDA cannot work on this machine: conda-forge's TensorFlow 2.19.1 needs driver 525.60.13 \
or newer, for CUDA 12.8; this machine has 470.82.01, for CUDA 11.4
- the profile demands a GPU: `tensorflow.accelerator = "cuda"`
- Linux on x86-64
- GPUs: Tesla T4 (compute capability 7.5, Turing) (NVML)
- driver: 470.82.01 (NVML)
hint: install an NVIDIA driver of 525.60.13 or newer; use `conda.tensorflow = "wheel"`: TensorFlow 2.14.1 has a \
wheel for this GPU and driver; or use the CPU""",
    ),
    "hidden gpus": (
        profile(accelerator="cuda"),
        Host(
            gpus=(dataclasses.replace(hosts.T4, visible=False),),
            driver="550.54.15",
            visible=(("CUDA_VISIBLE_DEVICES", "-1"),),
        ),
        """\
gpu-no-device 17: CUDA cannot work on this machine: `CUDA_VISIBLE_DEVICES=-1` hides every GPU
- the profile demands a GPU: `tensorflow.accelerator = "cuda"`
- Linux on x86-64
- GPUs: Tesla T4 (compute capability 7.5, Turing) (NVML)
- driver: 550.54.15 (NVML)
hint: unset `CUDA_VISIBLE_DEVICES`, or name the GPUs to use; or use the CPU""",
    ),
    "older than tfprov knows": (
        profile("==1.14.0"),
        Host(),
        """\
version-not-available 10: no TensorFlow release is within the range that the profile allows
- `tensorflow.version = "==1.14.0"` allows none of the known releases: 1.15.0 to 2.21.0
hint: tfprov installs TensorFlow 1.15.0 and newer""",
    ),
    "two ranges that contradict each other": (
        profile("==2.20.*", packages={"constraints": ["tensorflow<2.17"]}),
        Host(),
        """\
version-not-available 10: no TensorFlow release is within the range that the profile allows
- `tensorflow.version = "==2.20.*"` and `packages.constraints: tensorflow<2.17` together allow none of the known \
releases: 1.15.0 to 2.21.0
hint: without `tensorflow.version = "==2.20.*"`, TensorFlow 2.16.2 would be the newest; without \
`packages.constraints: tensorflow<2.17`, TensorFlow 2.20.0 would be the newest""",
    ),
    "before the first wheels for a platform": (
        profile(index={"exclude-newer": "2021-06-30"}),
        Host(machine="aarch64", flags=()),
        """\
version-not-available 10: no TensorFlow had wheels for Linux on aarch64 at that time
- `index.exclude-newer = "2021-06-30"`
- TensorFlow 2.10.0 was the first with wheels for Linux on aarch64
hint: `index.exclude-newer = "2022-09-06"` would allow TensorFlow 2.10.0""",
    ),
    "nothing but the cpu": (
        profile(accelerator="cuda"),
        hosts.MAC_INTEL,
        """\
wheel-without-cuda 17: CUDA cannot work on this machine: no TensorFlow for macOS has CUDA
- the profile demands a GPU: `tensorflow.accelerator = "cuda"`
- macOS on Intel
- GPUs: none (NVML)
- driver: none (NVML)
hint: use the CPU""",
    ),
    "metal from conda": (
        profile(accelerator="metal", environment={"kind": "conda"}, conda={"tensorflow": "conda"}),
        hosts.MAC_ARM,
        """\
conda-package-missing 15: conda-forge has no TensorFlow for Metal
- 2.19.1 for cuda
- 2.19.1 for cpu
hint: use `tensorflow.accelerator = "auto"`""",
    ),
    "only a pre-release": (
        profile("==2.22.*"),
        Host(),
        """\
version-not-available 10: no TensorFlow release is within the range that the profile allows
- `tensorflow.version = "==2.22.*"` allows none of the known releases: 1.15.0 to 2.21.0
- pre-releases count only when the range names one: 2.22.0rc0
hint: `>=2.22.0rc0` would allow the pre-release 2.22.0rc0""",
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_the_message_says_what_happened_on_what_evidence_and_what_to_do(name: str) -> None:
    asked, host, expected = MESSAGES[name]
    assert message(asked, host) == expected


def test_no_message_ends_with_a_stop() -> None:
    for asked, host, _ in MESSAGES.values():
        assert not any(line.endswith(".") for line in message(asked, host).splitlines())


def test_a_plan_for_an_old_driver_tells_the_whole_story() -> None:
    found = plan(profile(), T4)
    assert found.decision.tensorflow.why == (
        "the newest release that fits; with CUDA 11.8, which driver 470.82.01 serves on Tesla T4 "
        "(compute capability 7.5, Turing)"
    )
    assert found.decision.python.why == (
        "the newest compatible one here: TensorFlow 2.14.1 has wheels for 3.9 to 3.11; not 3.11, because its "
        "`and-cuda` extra asks for tensorrt 8.5.3.1, which has no wheel for Python 3.11"
    )
    assert [(one.what.split(" (")[0], one.code) for one in found.refused] == [
        ("tensorflow 2.15.0.post1 to 2.21.0", "gpu-driver-too-old"),
        ("tensorflow 2.16.1", "known-bad-release"),
        ("tensorflow 2.15.0", "known-bad-release"),
        ("Python 3.13.0", "python-unsupported"),
        ("Python 3.12.1", "python-unsupported"),
        ("Python 3.11.7", "python-unsupported"),
        ("Python 3.9.18", "python-passed-over"),
    ]
    assert found.refused[-2].why.endswith("asks for tensorrt 8.5.3.1, which has no wheel for Python 3.11")


def test_auto_on_a_gpu_that_nothing_serves_names_the_ways_to_cuda() -> None:
    found = plan(profile(), Host(gpus=(hosts.RTX5090,), driver="575.57.08"))
    assert any(note.startswith("for CUDA: conda-forge's TensorFlow 2.19.1") for note in found.notes)
    for gpus, told in ((), False), ((hosts.ORIN,), True):
        notes = plan(profile(), Host(gpus=gpus, machine="aarch64", flags=("asimd",))).notes
        assert any("for CUDA: name an index" in note and "NVIDIA's container" in note for note in notes) is told
    assert not any("for CUDA" in note for note in plan(profile(), Host()).notes)


def test_mig_and_ptx_are_mentioned() -> None:
    mig = plan(profile(), Host(gpus=(hosts.MIG,), driver="550.54.15"))
    assert any("MIG is on" in note for note in mig.notes)
    hopper = plan(profile(), Host(gpus=(hosts.H100,), driver="570.124.06"))
    assert any("the first run is slow" in note for note in hopper.notes)
    ampere = plan(profile(), Host(gpus=(hosts.A100,), driver="570.124.06"))
    assert not any("slow" in note or "MIG" in note for note in ampere.notes)


def test_releases_that_fail_for_different_reasons_are_told_apart() -> None:
    said = message(profile(packages={"requirements": ["keras<3", "protobuf>=5"]}), Host())
    lines = [line for line in said.splitlines() if line.startswith("- tensorflow")]
    assert [line.partition(":")[0] for line in lines] == [
        "- tensorflow 2.16.1 to 2.21.0",
        "- tensorflow 1.15.0 to 2.15.1",
    ]
    # 2.16 and 2.17 contradict both; what is told is what holds for all of the line.
    assert lines[0].endswith("it needs `keras>=3.12.0`, and packages.requirements asks for `keras<3` (2.21.0)")
    assert "`protobuf" in lines[1]


@pytest.mark.parametrize("bound", [row for row in table().bounds if row.below is None], ids=lambda row: row.requirement)
def test_a_bound_of_the_table_tells_its_reason(bound: Bound) -> None:
    newest = next(row for row in table().releases if within(Version(row.version), bound.releases))
    name, _, limit = bound.requirement.partition("<")
    asked = profile(f"=={newest.version}", "cpu", packages={"requirements": [f"{name}=={limit}"]})
    said = message(asked, Host(pythons=("3.7.16", "3.9.18", "3.12.1")))
    assert f"needs `{bound.requirement}` ({bound.why})" in said


def test_showing_some_gpus_is_proposed_only_where_enough_are_left() -> None:
    mixed = Host(gpus=(hosts.RTX3090, dataclasses.replace(hosts.RTX5090, index=1)), driver="575.57.08")
    for wanted, proposed in ((1, True), (2, False)):
        said = message(profile(accelerator="cuda", smoke={"require-gpus": wanted}), mixed)
        assert ("CUDA_VISIBLE_DEVICES=0` leaves" in said) is proposed
    older = Host(gpus=(hosts.GTX980, dataclasses.replace(hosts.RTX4090, index=1)), driver="550.54.15")
    for wanted, proposed in ((1, True), (2, False)):
        notes = plan(profile(smoke={"require-gpus": wanted}), older).notes
        assert any("limits this machine" in note for note in notes) is proposed


def test_auto_on_the_cpu_tells_what_would_show_the_gpu() -> None:
    hidden = dataclasses.replace(hosts.T4, visible=False)
    host = Host(gpus=(hidden,), driver="550.54.15", visible=(("CUDA_VISIBLE_DEVICES", "-1"),))
    refused = plan(profile(), host).refused[0]
    assert refused.what == "cuda"
    assert refused.why.endswith("hides every GPU; unset `CUDA_VISIBLE_DEVICES`, or name the GPUs to use")


def test_releases_outside_the_range_are_told_in_one_line() -> None:
    found = plan(profile("==2.15.*"), Host())
    assert 'newer releases are outside `tensorflow.version = "==2.15.*"`: 2.16.1 to 2.21.0' in found.notes


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["2.21.0"], "2.21.0"),
        (["2.21.0", "2.20.0"], "2.21.0, 2.20.0"),
        (["2.21.0", "2.20.0", "2.19.1", "2.19.0", "2.18.1"], "2.18.1 to 2.21.0"),
    ],
)
def test_many_releases_are_told_by_their_ends(texts: list[str], expected: str) -> None:
    assert few(texts) == expected


def test_tags_tell_what_a_wheel_needs() -> None:
    assert glibc_of(["manylinux2014_x86_64", "manylinux_2_17_x86_64"]) == "2.17"
    assert glibc_of(["manylinux_2_27_x86_64", "manylinux_2_31_x86_64"]) == "2.27"
    assert glibc_of(["linux_x86_64"]) is None
    assert macos_of(["macosx_12_0_arm64"]) == "12.0"
    assert macos_of(["win_amd64"]) is None


def test_a_release_candidate_lies_within_a_range_of_the_table() -> None:
    assert within(Version("2.22.0rc0"), ">=2.20")
    assert not within(Version("2.20.0"), "<2.20")
