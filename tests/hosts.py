"""Machines that we do not have, as facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tfprov.host.records import (
    Disk,
    Driver,
    Fact,
    Facts,
    Gpu,
    Hazard,
    IndexConfig,
    Interpreter,
    Libc,
    Problem,
    Proxies,
)

AVX2 = ("fpu", "sse2", "sse4_2", "avx", "avx2", "fma")
SSE = ("fpu", "sse2", "sse4_2")
GLIBC = Libc(kind="glibc", version="2.39")

PYTHONS = ("3.9.18", "3.10.13", "3.11.7", "3.12.1", "3.13.0")


def python(version: str, **changes: object) -> Interpreter:
    """An interpreter under a version manager's folder."""
    values: dict[str, object] = {"path": f"/opt/python/{version}/bin/python", "machine": "x86_64", "found_by": "pyenv"}
    return Interpreter(version=version, **{**values, **changes})  # type: ignore[arg-type]  # test data by name


def nvidia(capability: str | None, name: str = "GPU", **changes: object) -> Gpu:
    """An NVIDIA GPU."""
    values: dict[str, object] = {"index": 0, "name": name, "uuid": "GPU-0", "compute_capability": capability}
    return Gpu(**{**values, **changes})  # type: ignore[arg-type]  # test data by name


@dataclass(frozen=True, kw_only=True)
class Host:
    """What differs from an ordinary Linux server without GPU."""

    system: Literal["linux", "macos", "windows"] = "linux"
    machine: str = "x86_64"
    os_version: str = "6.8.0"
    libc: Libc | None = GLIBC
    flags: tuple[str, ...] = AVX2
    emulation: str | None = None
    gpus: tuple[Gpu, ...] = ()
    driver: str | None = None
    cuda: str | None = None
    problem: Problem | None = None
    container: str | None = None
    wsl: bool = False
    visible: tuple[tuple[str, str], ...] = ()
    pythons: tuple[str | Interpreter, ...] = PYTHONS
    hazards: tuple[Hazard, ...] = ()

    @property
    def facts(self) -> Facts:
        """The facts of this machine."""
        driver = Driver(version=self.driver, cuda=self.cuda) if self.driver else None
        interpreters = tuple(
            python(each, machine=self.machine) if isinstance(each, str) else each for each in self.pythons
        )
        disk = Disk(purpose="data", path="/", device="1", free_bytes=100_000_000_000)
        return Facts(
            system=Fact(value=self.system, source="test"),
            machine=Fact(value=self.machine, source="test"),
            os_version=Fact(value=self.os_version, source="test"),
            libc=Fact(value=self.libc, source="test"),
            cpu_flags=Fact(value=self.flags, source="/proc/cpuinfo"),
            emulation=Fact(value=self.emulation, source="test"),
            cores=Fact(value=8, source="test"),
            memory_bytes=Fact(value=32_000_000_000, source="test"),
            disks=Fact(value=(disk,), source="test"),
            gpus=Fact(value=self.gpus, source="NVML"),
            driver=Fact(value=driver, source="NVML"),
            gpu_problem=Fact(value=self.problem, source="NVML"),
            container=Fact(value=self.container, source="test"),
            wsl=Fact(value=self.wsl, source="test"),
            ci=Fact(value=None, source="test"),
            visible_devices=Fact(value=dict(self.visible), source="environment"),
            library_path=Fact(value=(), source="test"),
            conda=Fact(value=(), source="test"),
            interpreters=Fact(value=interpreters, source="test"),
            index=Fact(value=IndexConfig(url=None), source="test"),
            proxies=Fact(value=Proxies(), source="test"),
            certificates=Fact(value=None, source="test"),
            hazards=Fact(value=self.hazards, source="test"),
        )


V100 = nvidia("7.0", "Tesla V100-SXM2-16GB")
T4 = nvidia("7.5", "Tesla T4")
A100 = nvidia("8.0", "NVIDIA A100-SXM4-80GB")
RTX3090 = nvidia("8.6", "NVIDIA GeForce RTX 3090")
RTX4090 = nvidia("8.9", "NVIDIA GeForce RTX 4090")
L4 = nvidia("8.9", "NVIDIA L4")
H100 = nvidia("9.0", "NVIDIA H100 80GB HBM3")
B200 = nvidia("10.0", "NVIDIA B200")
RTX5090 = nvidia("12.0", "NVIDIA GeForce RTX 5090")
P100 = nvidia("6.0", "Tesla P100-PCIE-16GB")
GTX1080 = nvidia("6.1", "NVIDIA GeForce GTX 1080")
GTX980 = nvidia("5.2", "NVIDIA GeForce GTX 980")
GTX970 = nvidia("5.2", "NVIDIA GeForce GTX 970")
K80 = nvidia("3.7", "Tesla K80")
MIG = nvidia("8.0", "NVIDIA A100-SXM4-40GB MIG 1g.5gb", mig=True, uuid="MIG-0")
RX7900 = Gpu(index=0, name="AMD Radeon RX 7900 XTX", vendor="amd")
M2 = Gpu(index=0, name="Apple M2", vendor="apple")
ORIN = nvidia("8.7", "Orin (nvgpu)")

MACOS = {"system": "macos", "libc": None}
MAC_ARM = Host(system="macos", libc=None, machine="arm64", os_version="14.5", flags=(), gpus=(M2,))
MAC_INTEL = Host(system="macos", libc=None, machine="x86_64", os_version="13.6")
WINDOWS = Host(system="windows", libc=None, machine="x86_64", os_version="10.0.22631", flags=())
