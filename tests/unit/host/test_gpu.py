"""What is known of GPUs without NVML, and what variables hide."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nvidia_smi import SMI
from tfprov.host.devices import parse_driver, without_library
from tfprov.host.gpu import ambiguous_numbers, graphics, visible
from tfprov.host.graphics import GpuHost, Graphics
from tfprov.host.nvml import parse_nvml
from tfprov.host.records import Gpu, MigSlice, Problem

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the files of these tests are those of Linux")

VERSION = (
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.144.03  Mon Dec 30 17:44:08 UTC 2024\n"
    "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
)
OPEN_VERSION = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build  (dvs-builder@U16-I1)\n"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "sys/bus/pci/devices").mkdir(parents=True)
    return folder


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def pci(root: Path, address: str, vendor: str, device: str, group: str = "0x030000", **more: str) -> Path:
    folder = root / "sys/bus/pci/devices" / address
    for name, text in (("vendor", vendor), ("device", device), ("class", group), *more.items()):
        write(folder / name, f"{text}\n")
    return folder


def look(
    root: Path, *, container: str | None = None, wsl: bool = False, machine: str = "x86_64", **environ: str
) -> Graphics:
    place = GpuHost(system="linux", container=container, wsl=wsl, machine=machine, root=root)
    return graphics({"PATH": "", **environ}, place)


def test_a_machine_without_gpus_has_no_problem(root: Path) -> None:
    pci(root, "0000:00:02.0", "0x1af4", "0x1050")
    found = look(root)

    assert found.gpus.value == ()
    assert found.driver.value is None
    assert found.problem.value is None
    assert found.gpus.source == str(root / "sys/bus/pci/devices")


def test_a_machine_without_sysfs_has_no_problem(tmp_path: Path) -> None:
    assert look(tmp_path / "nothing").problem.value is None


def test_a_gpu_without_a_driver_is_told_by_name(root: Path) -> None:
    write(
        root / "usr/share/misc/pci.ids",
        "# comment\n1002  AMD\n\t2330  not this one\n10de  NVIDIA Corporation\n\t2330  GH100 [H100 SXM5 80GB]\n"
        "\t\t10de 16c1  a board\n\t2331  another\n10df  Emulex\n\t2330  nor this\n",
    )
    pci(root, "0000:1a:00.0", "0x10de", "0x2330", "0x030200")
    pci(root, "0000:1b:00.0", "0x10de", "0x22a3", "0x068000")

    found = look(root)

    (one,) = found.gpus.value
    assert (one.name, one.pci, one.vendor) == ("GH100 [H100 SXM5 80GB]", "0000:1a:00.0", "nvidia")
    assert found.problem.value == Problem(
        code="gpu-no-driver", why="GH100 [H100 SXM5 80GB] is in this machine, but it has no NVIDIA driver"
    )


def test_nouveau_is_named(root: Path) -> None:
    device = pci(root, "0000:1a:00.0", "0x10de", "0x1b80")
    (root / "sys/bus/pci/drivers/nouveau").mkdir(parents=True)
    (device / "driver").symlink_to("../../drivers/nouveau")

    found = look(root)

    assert found.problem.value is not None
    assert found.problem.value.code == "gpu-no-driver"
    assert "`nouveau`" in found.problem.value.why


def test_a_container_without_access_is_told_apart(root: Path) -> None:
    pci(root, "0000:1a:00.0", "0x10de", "0x2330", "0x030200")

    found = look(root, container="docker")

    assert found.problem.value is not None
    assert found.problem.value.code == "docker-no-gpu"


@pytest.mark.parametrize(
    ("text", "version"), [(VERSION, "550.144.03"), (OPEN_VERSION, "570.86.15"), ("", None), ("nonsense 1.2\n", None)]
)
def test_the_kernel_module_tells_its_version(text: str, version: str | None) -> None:
    assert parse_driver(text) == version


@pytest.mark.parametrize(("container", "code"), [(None, "gpu-no-driver"), ("podman", "docker-no-gpu")])
def test_a_module_without_its_library_is_a_problem(container: str | None, code: str, root: Path) -> None:
    write(root / "proc/driver/nvidia/version", VERSION)
    write(
        root / "proc/driver/nvidia/gpus/0000:1a:00.0/information",
        "Model: \t\t NVIDIA A100-SXM4-40GB\nIRQ:   \t\t 44\nGPU UUID: \t GPU-1234\nBus Location: \t 0000:1a:00.0\n",
    )
    write(
        root / "proc/driver/nvidia/gpus/0000:1b:00.0/information",
        "Model: \t\t NVIDIA A100-SXM4-40GB\nGPU UUID: \t GPU-????????-????\nBus Location: \t 0000:1b:00.0\n",
    )

    found = look(root, container=container)

    assert found.driver.value is not None
    assert (found.driver.value.version, found.driver.value.cuda) == ("550.144.03", None)
    assert [(one.name, one.uuid, one.pci) for one in found.gpus.value] == [
        ("NVIDIA A100-SXM4-40GB", "GPU-1234", "0000:1a:00.0"),
        ("NVIDIA A100-SXM4-40GB", None, "0000:1b:00.0"),
    ]
    assert found.problem.value is not None
    assert found.problem.value.code == code


def test_gpus_of_other_vendors_are_listed_with_what_sysfs_tells(root: Path) -> None:
    pci(root, "0000:00:02.0", "0x8086", "0x9a49")
    pci(
        root,
        "0000:c1:00.0",
        "0x1002",
        "0x740f",
        "0x120000",
        product_name="AMD Instinct MI210",
        mem_info_vram_total="68702699520",
        mem_info_vram_used="1048576",
    )
    write(root / "sys/class/kfd/kfd/topology/nodes/0/properties", "cpu_cores_count 64\ngfx_target_version 0\n")
    write(
        root / "sys/class/kfd/kfd/topology/nodes/1/properties",
        "gfx_target_version 90010\nlocation_id 49408\ndomain 0\nvendor_id 4098\n",
    )

    found = look(root)

    intel, amd = found.gpus.value
    assert (intel.vendor, intel.name, intel.pci) == ("intel", "INTEL 8086:9a49", "0000:00:02.0")
    assert (amd.vendor, amd.index, amd.name) == ("amd", 0, "AMD Instinct MI210 (gfx90a)")
    assert (amd.memory_total, amd.memory_used) == (68702699520, 1048576)
    assert found.problem.value is None


def test_the_board_of_a_jetson_is_known(root: Path) -> None:
    write(root / "proc/device-tree/compatible", "nvidia,p3737-0000+p3701-0005\0nvidia,p3701-0005\0nvidia,tegra234\0")
    write(root / "proc/device-tree/model", "NVIDIA Jetson AGX Orin Developer Kit\0")

    (one,) = look(root, machine="aarch64").gpus.value

    assert (one.name, one.compute_capability) == ("NVIDIA Jetson AGX Orin Developer Kit", "8.7")


def test_the_gpu_of_an_apple_processor_is_listed(root: Path) -> None:
    def look_at(machine: str) -> tuple[Gpu, ...]:
        place = GpuHost(system="macos", container=None, wsl=False, machine=machine, root=root)
        return graphics({"PATH": ""}, place).gpus.value

    (one,) = look_at("arm64")
    assert (one.vendor, one.index) == ("apple", 0)
    assert look_at("x86_64") == ()


def test_the_tool_is_asked_where_there_is_no_library(root: Path, tmp_path: Path) -> None:
    tool = tmp_path / "bin" / "nvidia-smi"
    without_capability = SMI.splitlines()[0].rpartition(",")[0]
    write(
        tool,
        '#!/bin/sh\ncase "$1" in\n'
        "*compute_cap*) echo 'Field \"compute_cap\" is not a valid field to query.' >&2; exit 2;;\n"
        f"--query*) echo '{without_capability}';;\n"
        "*) echo '| NVIDIA-SMI 550.144.03   Driver Version: 550.144.03   CUDA Version: 12.4 |';;\nesac\n",
    )
    tool.chmod(0o755)
    (root / "usr/lib").mkdir(parents=True)
    (root / "usr/lib/libcuda.so.1").touch()

    found = look(root, PATH=str(tmp_path / "bin"))

    assert found.driver.value is not None
    assert (found.driver.value.version, found.driver.value.cuda) == ("550.144.03", "12.4")
    assert found.driver.source == str(tool)
    assert [(one.name, one.compute_capability) for one in found.gpus.value] == [("NVIDIA H100 80GB HBM3", None)]
    assert found.problem.value is None


def test_the_cache_of_the_loader_is_read(root: Path) -> None:
    (root / "odd").mkdir()
    (root / "odd/libcuda.so.1").touch()
    write(
        root / "etc/ld.so.cache", "glibc-ld.so.cache1.1\0libcuda.so.1\0/odd/libcuda.so.1\0libz.so.1\0/lib/libz.so.1\0"
    )
    tool = root / "usr/lib/wsl/lib/nvidia-smi"
    write(tool, f"#!/bin/sh\nprintf '%s' '{SMI}'\n")
    tool.chmod(0o755)

    found = look(root)

    assert len(found.gpus.value) == 2
    assert found.problem.value is None


GPUS = (
    Gpu(index=0, name="a", uuid="GPU-aaaa"),
    Gpu(index=1, name="b", uuid="GPU-abbb", slices=(MigSlice(uuid="MIG-1234", name="1g"),)),
    Gpu(index=2, name="c", uuid="GPU-cccc"),
)


@pytest.mark.parametrize(
    ("value", "indexes"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("all", []),
        ("0,2", [0, 2]),
        (" 2 , 1 ", [1, 2]),
        ("1,-1,2", [1]),
        ("0,7,1", [0]),
        ("1,1", []),
        ("GPU-ab", [1]),
        ("GPU-cccc,GPU-aaaa", [0, 2]),
        ("GPU-zzzz,GPU-aaaa", []),
        ("MIG-1234", [1]),
        ("MIG-9", []),
    ],
)
def test_visible_devices_are_read_as_cuda_reads_them(value: str | None, indexes: list[int]) -> None:
    environ = {} if value is None else {"CUDA_VISIBLE_DEVICES": value}

    assert [one.index for one in visible(GPUS, environ) if one.visible] == indexes


@pytest.mark.parametrize(
    ("environ", "is_told"),
    [
        ({"CUDA_VISIBLE_DEVICES": "0"}, True),
        ({"CUDA_VISIBLE_DEVICES": "GPU-aaaa, 1"}, True),
        ({"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, False),
        ({"CUDA_VISIBLE_DEVICES": "GPU-aaaa"}, False),
        ({"CUDA_VISIBLE_DEVICES": ""}, False),
        ({}, False),
    ],
)
def test_numbers_of_different_gpus_are_ambiguous(environ: dict[str, str], is_told: bool) -> None:
    assert bool(ambiguous_numbers(GPUS, environ)) is is_told
    assert ambiguous_numbers(GPUS[:1] * 2, environ) == ()


@pytest.mark.parametrize(("container", "code"), [(None, "gpu-unhealthy"), ("docker", "docker-no-gpu")])
def test_an_unknown_error_in_a_container_means_that_it_lost_its_devices(
    container: str | None, code: str, root: Path
) -> None:
    write(root / "proc/driver/nvidia/version", VERSION)
    place = GpuHost(system="linux", container=container, wsl=False, machine="x86_64", root=root)
    refusal = parse_nvml({"error": {"number": 999, "text": "Unknown Error", "call": "nvmlInit_v2"}}, "x")
    assert isinstance(refusal, Problem)
    found = without_library(place, (), refusal).problem.value
    assert found is not None
    assert found.code == code
    assert ("lost its device files" in found.why) == (container is not None)
