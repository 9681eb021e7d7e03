from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import hosts
import machines
from hosts import Host, nvidia
from tfprov.host.records import Problem
from tfprov.host.system import wsl
from tfprov.plan.compat import Cuda, table
from tfprov.plan.gpus import (
    Gpus,
    conda_refusal,
    cuda_of_driver,
    describe,
    driver_for,
    driver_number,
    is_wsl1,
    known,
    last_branch,
    on_machine,
    refusal,
)
from tfprov.plan.records import Refusal

CUDA = Cuda(
    built_for="12.5.1",
    cudnn="9",
    native=("6.0", "7.0", "8.0", "8.9", "9.0"),
    ptx=("9.0",),
    mostly_ptx=("9.0",),
    pins=(),
    source="",
    capabilities_source="",
)
OLD = dataclasses.replace(CUDA, built_for="11.8", native=("3.5", "5.0", "7.0", "8.0"), ptx=("8.0",), mostly_ptx=())


NAMED = {
    "NVIDIA H100 PCIe": "9.0", "NVIDIA GH200 480GB": "9.0", "NVIDIA H20": "9.0", "NVIDIA H200 NVL": "9.0",
    "NVIDIA GB200": "10.0", "NVIDIA B300 SXM6 AC": "10.3", "NVIDIA GB10": "12.1", "NVIDIA GeForce RTX 5070 Ti": "12.0",
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": "12.0", "NVIDIA RTX 6000 Ada Generation": "8.9",
    "NVIDIA RTX 4000 SFF Ada Generation": "8.9", "NVIDIA L40S-48Q": "8.9", "NVIDIA L4": "8.9", "NVIDIA A10G": "8.6",
    "NVIDIA A40-8Q": "8.6", "NVIDIA RTX A6000": "8.6", "NVIDIA A2": "8.6", "NVIDIA A800-SXM4-80GB": "8.0",
    "GRID A100X-8C": None, "NVIDIA A30 MIG 1g.6gb": "8.0", "Quadro RTX 6000": "7.5", "GRID T4-16C": "7.5",
    "GeForce GTX 1660 SUPER": "7.5", "Tesla V100S-PCIE-32GB": "7.0", "TITAN V": "7.0", "Tesla P4": "6.1",
    "Quadro GP100": "6.0", "Tesla M60": "5.2", "NVIDIA GeForce GTX 970": "5.2", "Tesla K80": "3.7",
    "Tesla K20Xm": "3.5", "Orin (nvgpu)": "8.7", "NVIDIA Graphics Device": None, "GeForce GT 710": None,
    "Quadro M4000": None, "NVIDIA GeForce RTX 2080 Ti": "7.5", "NVIDIA GeForce RTX 2050": None,
    "NVIDIA RTX PRO 2000 Blackwell Generation Laptop GPU": "12.0", "NVIDIA RTX PRO 6000 Rubin": None,
}  # fmt: skip

# What each chip is sold as, by the PCI ID repository, and its capability, by NVIDIA's table of CUDA GPUs. Names that
# resemble those of another generation, and one of each that is common.
CHIPS = {
    "3.0": ("GRID K1", "GRID K2", "GRID K120Q", "GRID K240Q", "GRID K280Q", "Quadro K420", "Quadro K4000", "Tesla K10"),
    "5.0": (
        *("Tesla M10", "GRID M10-8Q", "GeForce MX130", "GeForce GTX 950M", "GeForce GTX 950A", "GeForce GTX 960M"),
        *("GeForce GTX 750 Ti", "GeForce 940MX", "Quadro M600M", "Quadro M2000M", "Quadro K2200", "Quadro K620"),
    ),
    "5.2": ("Tesla M4", "Tesla M6", "Tesla M40 24GB", "GRID M60-8Q", "GeForce GTX 980M", "GeForce GTX TITAN X"),
    "6.1": (
        *("Tesla P4", "Tesla P6", "GRID P40-24Q", "Quadro P400", "Quadro P4000", "Quadro P600", "Quadro P6000"),
        *("NVIDIA TITAN X (Pascal)", "TITAN Xp COLLECTORS EDITION", "GeForce GTX 1050 Ti with Max-Q Design"),
        *("GeForce MX150", "GeForce MX250", "GeForce MX330", "GeForce MX350", "GeForce GT 1030", "GeForce GT 1010"),
    ),
    "7.0": ("Quadro GV100", "GRID V100D-32Q", "TITAN V CEO Edition", "CMP 100-210"),
    "7.2": ("NVIDIA Jetson AGX Xavier", "Xavier (nvgpu)"),
    "7.5": (
        *("T400 4GB", "T600 Laptop GPU", "T1000 8GB", "T1200 Laptop GPU", "Quadro T1000", "Quadro T2000 with Max-Q"),
        *("GeForce MX450", "GeForce MX550", "GeForce GTX 1630", "GeForce GTX 1650 Ti", "GeForce RTX 2060 SUPER"),
        *("Quadro RTX 3000 with Max-Q Design", "Quadro RTX 8000", "GRID RTX6000-24Q", "CMP 40HX"),
    ),
    "8.0": ("A100X", "A100-PG509-200", "GRID A100D-80C", "A800 40GB Active", "A30X", "CMP 170HX"),
    "8.6": (
        *("GeForce RTX 2050", "GeForce MX570", "GeForce RTX 3050 6GB Laptop GPU", "GeForce RTX 3080 Ti Laptop GPU"),
        *("RTX A500 Laptop GPU", "RTX A1000", "RTX A2000 12GB", "RTX A4500", "RTX A5500 Laptop GPU", "A2-16Q", "A10M"),
    ),
    "8.7": ("NVIDIA Jetson Orin Nano", "Jetson AGX Orin"),
    "8.9": (
        *("GeForce RTX 3050 A Laptop GPU", "GeForce RTX 4090 D", "RTX 500 Ada Generation Laptop GPU", "L40S", "L2"),
        *("RTX 2000E Ada Generation", "RTX 3500 Ada Generation Laptop GPU", "RTX 5880 Ada Generation", "L4-24Q", "L20"),
    ),
    "9.0": ("GH200 144G HBM3e", "H100 NVL", "H800 PCIe", "H100L-94C", "H20-3e", "H200X-141C"),
    "10.0": ("GB200", "B200"),
    "10.3": ("GB300", "B300 SXM6 AC"),
    "11.0": ("Jetson T5000", "Jetson T4000", "NVIDIA Thor"),
    "12.0": (
        "GeForce RTX 5090 D v2",
        "RTX PRO 500 Blackwell Generation Laptop GPU",
        "RTX PRO 4500 Blackwell SFF Edition",
    ),
    "12.1": ("GB10",),
}


@pytest.mark.parametrize("name", NAMED)
def test_a_name_tells_the_capability_where_the_driver_does_not(name: str) -> None:
    for told in (None, "N/A"):
        assert known(nvidia(told, name), table()).compute_capability == NAMED[name]
    assert known(nvidia("9.9", name), table()).compute_capability == "9.9"


def test_the_name_of_no_gpu_tells_another_capability_than_its_own() -> None:
    sold = [
        nvidia(own, f"{brand}{name}") for own, names in CHIPS.items() for name in names for brand in ("", "NVIDIA ")
    ]
    for each in (*machines.GPUS, *sold):
        unknown = dataclasses.replace(each, compute_capability=None)
        assert known(unknown, table()).compute_capability in (None, each.compute_capability)


def gpus(capability: str | None, driver: str = "555.42.06", cuda: str | None = "12.5", wsl: bool = False) -> Gpus:
    return Gpus(usable=(nvidia(capability),), driver=driver, cuda=cuda, wsl=wsl)


@pytest.mark.parametrize(
    ("cuda", "machine", "code"),
    [
        (CUDA, gpus("7.0"), None),
        (CUDA, gpus("7.5"), None),  # machine code of the same major version and a smaller minor one
        (CUDA, gpus("8.6"), None),
        (CUDA, gpus("8.7"), None),
        (CUDA, gpus("6.1"), None),
        (CUDA, gpus("5.2"), "gpu-arch-unsupported"),
        (CUDA, gpus("3.7"), "gpu-arch-unsupported"),
        (CUDA, gpus("9.0"), None),
        (CUDA, gpus("9.0", "550.54.15", "12.4"), "gpu-driver-too-old"),  # most of its code is PTX
        (CUDA, gpus("8.0", "550.54.15", "12.4"), None),
        (CUDA, gpus("9.0", "550.54.15", None), None),  # nobody knows what the driver compiles: the smoke test will tell
        (CUDA, gpus("10.0"), "gpu-arch-unsupported"),
        (CUDA, gpus("12.0"), "gpu-arch-unsupported"),
        (CUDA, gpus(None), None),
        (CUDA, gpus("8.0", "525.60.11", "12.0"), "gpu-driver-too-old"),
        (CUDA, gpus("8.0", "525.60.13", "12.0"), None),
        (CUDA, gpus("8.0", "528.24", "12.0", wsl=True), "gpu-driver-too-old"),
        (CUDA, gpus("8.0", "528.33", "12.0", wsl=True), None),
        (CUDA, Gpus(usable=(), driver=None, cuda=None, wsl=False), None),
        (OLD, gpus("9.0"), None),  # by the PTX of 8.0
        (OLD, gpus("7.5"), None),
        (OLD, gpus("6.1"), "gpu-arch-unsupported"),  # PTX of 8.0 is for newer GPUs only
    ],
)
def test_what_a_wheel_can_serve(cuda: Cuda, machine: Gpus, code: str | None) -> None:
    found = refusal(cuda, machine, table())
    assert (found.code if found else None) == code


def test_every_gpu_must_be_served() -> None:
    both = Gpus(usable=(nvidia("8.0"), nvidia("5.2")), driver="555.42.06", cuda="12.5", wsl=False)
    found = refusal(CUDA, both, table())
    assert found is not None
    assert "5.2, Maxwell" in found.why


@pytest.mark.parametrize(
    ("driver", "windows", "cuda"),
    [
        ("450.80.02", False, "11.0"),
        ("340.108", False, None),
        ("470.82.01", False, "11.4"),
        ("535.161.08", False, "12.2"),
        ("555.42.02", False, "12.5"),
        ("580.65.06", False, "13.0"),
        ("551.61", True, "12.4"),
        ("581.15", True, "12.9"),  # NVIDIA names no driver of Windows for CUDA 13
    ],
)
def test_the_cuda_that_a_driver_serves(driver: str, windows: bool, cuda: str | None) -> None:
    assert cuda_of_driver(driver, table(), windows=windows) == cuda


@pytest.mark.parametrize(
    ("text", "expected"), [("550.144.03", "550.144.3"), ("535.129.03-grid", "535.129.3"), ("N/A", "0")]
)
def test_a_driver_of_a_special_build_has_a_number_too(text: str, expected: str) -> None:
    assert str(driver_number(text)) == expected


def test_the_driver_that_a_toolkit_needs() -> None:
    assert driver_for("12.5.1", table(), windows=False) == "555.42.02"
    assert driver_for("12.5.1", table(), windows=True) == "555.85"
    assert driver_for("99.0", table(), windows=False) is None


def test_a_problem_that_was_found_comes_before_what_could_be_guessed() -> None:
    problem = Problem(code="gpu-driver-mismatch", why="kernel module 1, library 2")
    host = Host(gpus=(hosts.A100,), driver="550.54.15", problem=problem)
    assert on_machine(host.facts, table(), "linux_x86_64", later=False) == Refusal(code=problem.code, why=problem.why)


def test_a_gpu_that_comes_later_needs_no_driver_now() -> None:
    found = on_machine(Host().facts, table(), "linux_x86_64", later=True)
    assert isinstance(found, Gpus)
    assert found.driver is None


def test_gpus_of_other_vendors_are_named_but_do_not_count() -> None:
    found = on_machine(Host(gpus=(hosts.RX7900,)).facts, table(), "linux_x86_64", later=False)
    assert isinstance(found, Refusal)
    assert found.code == "gpu-no-driver"
    assert "AMD Radeon RX 7900 XTX cannot run CUDA" in found.why


def test_only_visible_gpus_that_may_compute_are_used() -> None:
    hidden = dataclasses.replace(hosts.A100, index=1, visible=False)
    prohibited = dataclasses.replace(hosts.A100, index=2, compute_mode="prohibited")
    host = Host(gpus=(hosts.A100, hidden, prohibited), driver="550.54.15")
    found = on_machine(host.facts, table(), "linux_x86_64", later=False)
    assert isinstance(found, Gpus)
    assert found.usable == (hosts.A100,)


def test_a_gpu_that_cannot_compute_is_left_out_and_blamed_when_there_is_no_other() -> None:
    lost = dataclasses.replace(hosts.A100, index=1, usable=False, health=("a GPU has fallen off the bus",))
    both = on_machine(Host(gpus=(hosts.A100, lost), driver="550.54.15").facts, table(), "linux_x86_64", later=False)
    assert isinstance(both, Gpus)
    assert both.usable == (hosts.A100,)
    alone = on_machine(Host(gpus=(lost,), driver="550.54.15").facts, table(), "linux_x86_64", later=False)
    assert alone == Refusal(
        code="gpu-unhealthy", why="NVIDIA A100-SXM4-80GB cannot compute: a GPU has fallen off the bus"
    )


@pytest.mark.parametrize(
    ("changes", "container", "code", "why", "remedy"),
    [
        (None, None, "gpu-no-device", "the driver is loaded, but shows no GPU to this system (NVML)", "580"),
        (
            None,
            "docker",
            "docker-no-gpu",
            "the driver is loaded, but shows no GPU to the docker container (NVML)",
            None,
        ),
        ({"visible": False}, None, "gpu-no-device", "`CUDA_VISIBLE_DEVICES=` hides every GPU", "unset"),
        (
            {"usable": False, "mig": True},
            None,
            "gpu-no-device",
            "MIG mode is on, but there is no MIG device",
            "-cgi",
        ),
        (
            {"compute_mode": "prohibited"},
            None,
            "gpu-no-device",
            "the compute mode of every visible GPU is `prohibited`",
            "nvidia-smi -c DEFAULT",
        ),
    ],
)
def test_gpus_that_no_program_may_use(
    changes: dict[str, object] | None, container: str | None, code: str, why: str, remedy: str | None
) -> None:
    gpus = () if changes is None else (nvidia("8.0", **changes),)
    host = Host(gpus=gpus, driver="550.54.15", container=container, visible=(("CUDA_VISIBLE_DEVICES", ""),))
    found = on_machine(host.facts, table(), "linux_x86_64", later=False)
    assert isinstance(found, Refusal)
    assert (found.code, found.why) == (code, why)
    assert found.remedy is None if remedy is None else remedy in (found.remedy or "")


@pytest.mark.parametrize(
    ("machine", "driver"),
    [
        (gpus("8.0", "470.82.01", "11.4"), "525.60.13"),
        (gpus("9.0", "470.82.01", "11.4"), "555.42.02"),  # the oldest driver of CUDA 12 could not compile its PTX
        (gpus("9.0", "550.54.15", "12.4"), "555.42.02"),
        (gpus("8.0", "471.11", "11.4", wsl=True), "528.33"),
        (gpus("9.0", "551.61", "12.4", wsl=True), "555.85"),
    ],
)
def test_the_driver_that_a_refusal_names_is_good_enough(machine: Gpus, driver: str) -> None:
    found = refusal(CUDA, machine, table())
    assert found is not None
    assert found.driver == driver
    cuda = cuda_of_driver(driver, table(), windows=machine.wsl)
    assert refusal(CUDA, dataclasses.replace(machine, driver=driver, cuda=cuda), table()) is None


def test_a_gpu_without_code_is_told_before_a_driver_that_is_too_old() -> None:
    found = refusal(CUDA, gpus("3.7", "450.80.02", "11.0"), table())
    assert found is not None
    assert (found.code, found.driver) == ("gpu-arch-unsupported", None)


def test_conda_builds_are_judged_by_their_own_code_and_cuda() -> None:
    build = next(row for row in table().conda if row.cuda is not None)

    def code(*asked: Gpus) -> list[str | None]:
        found = [conda_refusal(build, each, table()) for each in asked]
        return [each.code if each else None for each in found]

    assert code(gpus("12.0", cuda="12.9"), gpus("8.6", cuda=None), gpus(None, cuda="12.0")) == [None, None, None]
    # What no driver mends comes first.
    assert code(gpus("5.2", cuda="12.9"), gpus("5.2", cuda="11.4")) == ["gpu-arch-unsupported"] * 2
    old = conda_refusal(build, gpus("8.0", "470.82.01", "11.4"), table())
    assert old is not None
    assert (old.code, old.driver) == ("gpu-driver-too-old", "525.60.13")
    new = cuda_of_driver(old.driver or "", table(), windows=False)
    assert code(gpus("8.0", old.driver or "", new)) == [None]


def test_a_gpu_is_described_with_its_family() -> None:
    assert describe(hosts.T4) == "Tesla T4 (compute capability 7.5, Turing)"
    assert describe(nvidia(None, "Tesla T4")) == "Tesla T4"
    assert describe(nvidia("99.0", "X")) == "X (compute capability 99.0)"


@pytest.mark.parametrize(
    ("native", "words"),
    [
        ((), "has none"),
        (("9.0",), "has 9.0"),
        (("8.0", "9.0"), "has 8.0 and 9.0"),
        (("7.5", "8.0", "9.0"), "7.5, 8.0 and 9"),
    ],
)
def test_a_wheel_that_was_built_for_one_gpu_is_described_too(native: tuple[str, ...], words: str) -> None:
    found = refusal(dataclasses.replace(CUDA, native=native, ptx=()), gpus("7.0", "570.0", "12.8"), table())
    assert found is not None
    assert words in found.why


@pytest.mark.parametrize(
    ("capability", "branch"),
    [("2.1", "390"), ("3.5", "470"), ("3.7", "470"), ("5.2", "580"), ("7.0", "580"), ("7.5", None), (None, None)],
)
def test_the_last_branch_of_drivers_for_a_gpu(capability: str | None, branch: str | None) -> None:
    assert last_branch(nvidia(capability)) == branch


def test_wsl1_is_told_by_the_kernel_that_the_host_reports(tmp_path: Path) -> None:
    release = tmp_path / "proc/sys/kernel/osrelease"
    release.parent.mkdir(parents=True)

    def is_told(kernel: str) -> bool:
        release.write_text(f"{kernel}\n", encoding="utf-8")
        facts = dataclasses.replace(Host(os_version="ubuntu 22.04").facts, wsl=wsl({}, root=tmp_path))
        return is_wsl1(facts)

    assert is_told("4.4.0-19041-Microsoft")
    assert not is_told("5.15.153.1-microsoft-standard-WSL2")
