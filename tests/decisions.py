"""Plans for machines that we do not have: the request, the decision, and the offer of an index."""

from __future__ import annotations

import dataclasses
from typing import Any

import hosts
from hosts import Host, nvidia, python
from tfprov.distributions import BUILDS
from tfprov.host.records import Libc, Problem
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.plan.records import IndexFile, Listing, LockedChoice, Plan
from tfprov.profile.records import Profile


def profile(version: str | None = None, accelerator: str = "auto", **tables: Any) -> Profile:
    tensorflow = {"accelerator": accelerator, **({"version": version} if version else {})}
    return Profile.model_validate(
        {"name": "test", "tensorflow": {**tensorflow, **tables.pop("tensorflow", {})}, **tables}
    )


def plan(asked: Profile, host: Host, locked: LockedChoice | None = None, listing: Listing | None = None) -> Plan:
    return decide(asked, host.facts, table(), listing, locked)


def short(found: Plan) -> str:
    """`tensorflow[and-cuda]==2.21.0 cuda 3.13.0`; the Python is in brackets when it must be brought."""
    tensorflow, chosen = found.decision.tensorflow, found.decision.python
    extras = f"[{','.join(tensorflow.extras)}]" if tensorflow.extras else ""
    version = chosen.version if chosen.path else f"({chosen.version})"
    return f"{tensorflow.package}{extras}=={tensorflow.version} {tensorflow.accelerator} {version}"


def gpu(*gpus: Any, driver: str | None, **changes: Any) -> Host:
    return Host(gpus=gpus, driver=driver, **changes)


CUDA = "tensorflow[and-cuda]"
NEWEST_ON_CPU = "tensorflow-cpu==2.21.0 cpu 3.13.0"
NEWEST_ON_CUDA = "tensorflow[and-cuda]==2.21.0 cuda 3.13.0"
OLD = ("3.6.15", "3.7.16", "3.8.18")
D470, D535, D550, D575 = "470.82.01", "535.161.08", "550.54.15", "575.57.08"
GLIBC_2_17 = Libc(kind="glibc", version="2.17")
GLIBC_2_31 = Libc(kind="glibc", version="2.31")
ALPINE = Host(libc=Libc(kind="musl", version="1.2.4"))
MISMATCH = Problem(code="gpu-driver-mismatch", why="kernel module 550.54.15, library 550.90.07")
WSL_LIBCUDA = Problem(code="wsl-libcuda", why="`/usr/lib/wsl/lib` is not on the library path")
UNHEALTHY = dataclasses.replace(hosts.A100, health=("pending row remap",))
HIDDEN = dataclasses.replace(hosts.A100, visible=False)
PROHIBITED = dataclasses.replace(hosts.A100, compute_mode="prohibited")
SECOND_V100 = dataclasses.replace(hosts.V100, index=1)
ARM: dict[str, Any] = {"machine": "aarch64", "flags": ("fp", "asimd")}
ROSETTA_ONLY = dataclasses.replace(hosts.MAC_ARM, pythons=(python("3.12.1", machine="x86_64"),))
THIRTY_TWO = Host(pythons=(python("3.12.1", bits=32), python("3.11.7", bits=32)))

# host, TensorFlow asked for, accelerator, what is decided: a choice, or a failure code.
HOSTS = {
    # CPU on Linux
    "server without gpu": (Host(), None, "auto", NEWEST_ON_CPU),
    "server without gpu, 2.15": (Host(), "==2.15.*", "auto", "tensorflow-cpu==2.15.1 cpu 3.11.7"),
    "server without gpu, 2.10": (Host(), "==2.10.*", "auto", "tensorflow-cpu==2.10.1 cpu 3.10.13"),
    "server without gpu, 2.16": (Host(), "==2.16.*", "cpu", "tensorflow-cpu==2.16.2 cpu 3.12.1"),
    "server without gpu, cuda": (Host(), None, "cuda", "gpu-no-driver"),
    "release candidate named": (Host(), ">=2.22.0rc0", "cpu", "tensorflow-cpu==2.22.0rc0 cpu 3.13.0"),
    "release that is not there": (Host(), "==2.99.*", "auto", "version-not-available"),
    "known bad with cuda, on the cpu": (Host(), "==2.16.1", "auto", "tensorflow-cpu==2.16.1 cpu 3.12.1"),
    "known bad with cuda": (gpu(hosts.V100, driver=D550), "==2.16.1", "cuda", "known-bad-release"),
    "centos 7": (Host(libc=GLIBC_2_17), None, "auto", "tensorflow-cpu==2.20.0 cpu 3.13.0"),
    "centos 7, 2.21": (Host(libc=GLIBC_2_17), "==2.21.*", "auto", "glibc-too-old"),
    "centos 6": (Host(libc=Libc(kind="glibc", version="2.12")), None, "auto", "tensorflow-cpu==2.8.4 cpu 3.10.13"),
    "centos 5": (Host(libc=Libc(kind="glibc", version="2.5")), None, "auto", "glibc-too-old"),
    "debian 11": (Host(libc=GLIBC_2_31), None, "auto", NEWEST_ON_CPU),
    "alpine": (ALPINE, None, "auto", "musl-libc"),
    "no avx": (Host(flags=hosts.SSE), None, "auto", "cpu-no-avx"),
    "flags cannot be read": (Host(flags=()), None, "cpu", NEWEST_ON_CPU),
    "x86 container on an arm mac": (Host(emulation="rosetta", flags=hosts.SSE), None, "auto", "rosetta-qemu"),
    "x86 container on an arm mac whose translator has avx": (Host(emulation="rosetta"), None, "auto", NEWEST_ON_CPU),
    "x86 container under qemu": (Host(emulation="qemu", flags=ARM["flags"]), None, "auto", "rosetta-qemu"),
    "x86 container under qemu, flags cannot be read": (Host(emulation="qemu", flags=()), None, "auto", "rosetta-qemu"),
    "arm container under qemu on x86": (
        Host(machine="aarch64", emulation="qemu"), None, "auto", "tensorflow==2.21.0 cpu 3.13.0"),
    # other processors
    "arm server": (Host(**ARM), None, "auto", "tensorflow==2.21.0 cpu 3.13.0"),
    "arm server, 2.12 (a stub)": (Host(**ARM), "==2.12.*", "auto", "tensorflow==2.12.1 cpu 3.11.7"),
    "arm server, 2.11.1 (a stub for nothing)": (Host(**ARM), "==2.11.1", "auto", "platform-no-wheel"),
    "arm server, 2.11": (Host(**ARM), "==2.11.*", "auto", "tensorflow==2.11.0 cpu 3.10.13"),
    "arm server with h100 (grace)": (gpu(hosts.H100, driver="570.124.06", **ARM), None, "cuda", "wheel-without-cuda"),
    "arm server with h100, auto": (
        gpu(hosts.H100, driver=D575, **ARM), None, "auto", "tensorflow==2.21.0 cpu 3.13.0"),
    "jetson": (gpu(hosts.ORIN, driver="540.3.0", **ARM), None, "cuda", "wheel-without-cuda"),
    "raspberry pi, 64 bit, debian 11": (Host(**ARM, libc=GLIBC_2_31), None, "auto", "tensorflow==2.21.0 cpu 3.13.0"),
    "raspberry pi, 32 bit": (Host(machine="armv7l", flags=()), None, "auto", "platform-no-wheel"),
    "32-bit linux": (Host(machine="i686"), None, "auto", "platform-no-wheel"),
    "risc-v": (Host(machine="riscv64", flags=()), None, "auto", "platform-no-wheel"),
    "power": (Host(machine="ppc64le", flags=()), None, "auto", "platform-no-wheel"),
    # GPUs
    "v100": (gpu(hosts.V100, driver=D550), None, "auto", NEWEST_ON_CUDA),
    "v100, cpu asked": (gpu(hosts.V100, driver=D550), None, "cpu", NEWEST_ON_CPU),
    "v100, 2.15.0": (gpu(hosts.V100, driver=D550), "==2.15.0", "cuda", "known-bad-release"),
    "v100, 2.15.0, auto": (gpu(hosts.V100, driver=D550), "==2.15.0", "auto", "tensorflow-cpu==2.15.0 cpu 3.11.7"),
    "v100, 2.14": (gpu(hosts.V100, driver=D550), "==2.14.*", "cuda", f"{CUDA}==2.14.1 cuda 3.10.13"),
    "v100, 2.13, auto": (gpu(hosts.V100, driver=D550), "==2.13.*", "auto", "tensorflow==2.13.1 cuda 3.11.7"),
    "v100, 2.13, cuda": (gpu(hosts.V100, driver=D550), "==2.13.*", "cuda", "tensorflow==2.13.1 cuda 3.11.7"),
    "t4": (gpu(hosts.T4, driver="535.183.01"), None, "auto", NEWEST_ON_CUDA),
    "t4, lowest driver for cuda 12": (gpu(hosts.T4, driver="525.60.13"), None, "auto", NEWEST_ON_CUDA),
    "t4, just below": (gpu(hosts.T4, driver="525.60.11"), None, "auto", f"{CUDA}==2.14.1 cuda 3.10.13"),
    "t4, driver 470": (gpu(hosts.T4, driver=D470), None, "auto", f"{CUDA}==2.14.1 cuda 3.10.13"),
    "t4, driver 470, 2.21": (gpu(hosts.T4, driver=D470), "==2.21.*", "cuda", "gpu-driver-too-old"),
    "t4, driver 440": (gpu(hosts.T4, driver="440.33.01"), None, "auto", NEWEST_ON_CPU),
    "t4, driver 440, cuda": (gpu(hosts.T4, driver="440.33.01"), None, "cuda", "gpu-driver-too-old"),
    "a100": (gpu(hosts.A100, driver=D535), None, "auto", NEWEST_ON_CUDA),
    "rtx 3090": (gpu(hosts.RTX3090, driver=D550), None, "auto", NEWEST_ON_CUDA),
    "rtx 4090": (gpu(hosts.RTX4090, driver=D550), None, "auto", NEWEST_ON_CUDA),
    "l4, 2.16 (machine code of 8.0)": (gpu(hosts.L4, driver=D535), "==2.16.*", "cuda", f"{CUDA}==2.16.2 cuda 3.12.1"),
    "h100, driver that compiles 12.5": (gpu(hosts.H100, driver="555.42.06"), None, "auto", NEWEST_ON_CUDA),
    "h100, driver 550": (gpu(hosts.H100, driver=D550), None, "auto", f"{CUDA}==2.17.1 cuda 3.12.1"),
    "h100, driver 535": (gpu(hosts.H100, driver=D535), None, "auto", f"{CUDA}==2.15.1 cuda 3.11.7"),
    "h100, driver 535 that says 12.8": (
        gpu(hosts.H100, driver=D535, cuda="12.8"), None, "auto", NEWEST_ON_CUDA),
    "h100, driver 535, 2.21": (gpu(hosts.H100, driver=D535), "==2.21.*", "cuda", "gpu-driver-too-old"),
    "b200": (gpu(hosts.B200, driver=D575), None, "cuda", "gpu-arch-unsupported"),
    "rtx 5090": (gpu(hosts.RTX5090, driver=D575), None, "cuda", "gpu-arch-unsupported"),
    "rtx 5090, auto": (gpu(hosts.RTX5090, driver=D575), None, "auto", NEWEST_ON_CPU),
    "p100": (gpu(hosts.P100, driver=D550), None, "auto", NEWEST_ON_CUDA),
    "gtx 1080": (gpu(hosts.GTX1080, driver=D550), None, "auto", NEWEST_ON_CUDA),
    "gtx 980": (gpu(hosts.GTX980, driver=D550), None, "auto", f"{CUDA}==2.16.2 cuda 3.12.1"),
    "gtx 970, 2.17": (gpu(hosts.GTX970, driver=D550), "==2.17.*", "cuda", "gpu-arch-unsupported"),
    "k80": (gpu(hosts.K80, driver="470.256.02"), None, "auto", f"{CUDA}==2.14.1 cuda 3.10.13"),
    "mig": (gpu(hosts.MIG, driver=D550), None, "auto", NEWEST_ON_CUDA),
    "unhealthy": (gpu(UNHEALTHY, driver=D550), None, "auto", NEWEST_ON_CUDA),
    "capability unknown": (gpu(nvidia(None), driver=D550), None, "auto", NEWEST_ON_CUDA),
    "gtx 980 beside v100": (gpu(hosts.GTX980, SECOND_V100, driver=D550), None, "auto", f"{CUDA}==2.16.2 cuda 3.12.1"),
    "rtx 5090 beside v100": (gpu(hosts.RTX5090, SECOND_V100, driver=D575), None, "cuda", "gpu-arch-unsupported"),
    "hidden": (gpu(HIDDEN, driver=D550, visible=(("CUDA_VISIBLE_DEVICES", "-1"),)), None, "cuda", "gpu-no-device"),
    "prohibited": (gpu(PROHIBITED, driver=D550), None, "cuda", "gpu-no-device"),
    "driver without device": (gpu(driver=D550), None, "cuda", "gpu-no-device"),
    "gpu without driver": (gpu(nvidia(None, "NVIDIA A100"), driver=None), None, "cuda", "gpu-no-driver"),
    "driver mismatch": (gpu(hosts.V100, driver=D550, problem=MISMATCH), None, "cuda", "gpu-driver-mismatch"),
    "driver mismatch, auto": (
        gpu(hosts.V100, driver=D550, problem=MISMATCH), None, "auto", NEWEST_ON_CPU),
    "container without gpu": (Host(container="docker"), None, "cuda", "docker-no-gpu"),
    "container without gpu, auto": (Host(container="docker"), None, "auto", NEWEST_ON_CPU),
    "container with gpu": (gpu(hosts.A100, driver=D550, container="docker"), None, "cuda", NEWEST_ON_CUDA),
    "amd gpu": (gpu(hosts.RX7900, driver=None), None, "cuda", "gpu-no-driver"),
    "amd gpu, rocm": (gpu(hosts.RX7900, driver=None), None, "rocm", "tensorflow-rocm==2.14.0.600 rocm 3.11.7"),
    "no amd gpu, rocm": (Host(), None, "rocm", "rocm"),
    "amd gpu, rocm, 2.21": (gpu(hosts.RX7900, driver=None), "==2.21.*", "rocm", "rocm"),
    # WSL2 and Windows
    "wsl2": (gpu(hosts.RTX4090, driver="551.61", wsl=True), None, "auto", NEWEST_ON_CUDA),
    "wsl2, old driver": (gpu(hosts.RTX3090, driver="512.15", wsl=True), None, "auto", f"{CUDA}==2.14.1 cuda 3.10.13"),
    "wsl2 without gpu": (Host(wsl=True), None, "cuda", "gpu-no-driver"),
    "wsl2 without its library": (gpu(driver=None, wsl=True, problem=WSL_LIBCUDA), None, "cuda", "wsl-libcuda"),
    "windows": (hosts.WINDOWS, None, "auto", "tensorflow==2.21.0 cpu 3.13.0"),
    "windows, cuda": (
        dataclasses.replace(hosts.WINDOWS, gpus=(hosts.RTX4090,), driver="551.61"), None, "cuda", "windows-no-gpu"),
    "windows, 2.15 (a stub)": (hosts.WINDOWS, "==2.15.*", "cpu", "tensorflow==2.15.1 cpu 3.11.7"),
    "windows on arm": (dataclasses.replace(hosts.WINDOWS, machine="arm64"), None, "auto", "platform-no-wheel"),
    # macOS
    "mac arm64": (hosts.MAC_ARM, None, "auto", "tensorflow==2.21.0 cpu 3.13.0"),
    "mac arm64, metal": (hosts.MAC_ARM, None, "metal", "tensorflow==2.18.1 metal 3.12.1"),
    "mac arm64, metal, 2.19": (hosts.MAC_ARM, "==2.19.*", "metal", "metal-plugin-mismatch"),
    "mac arm64, cuda": (hosts.MAC_ARM, None, "cuda", "wheel-without-cuda"),
    "mac arm64, macos 11": (dataclasses.replace(hosts.MAC_ARM, os_version="11.7"), None, "auto", "platform-no-wheel"),
    "mac arm64, 2.13.1": (hosts.MAC_ARM, "==2.13.1", "cpu", "tensorflow==2.13.1 cpu 3.11.7"),
    "mac arm64, intel python": (ROSETTA_ONLY, None, "auto", "tensorflow==2.21.0 cpu (3.13)"),
    "mac intel": (hosts.MAC_INTEL, None, "auto", "tensorflow==2.16.2 cpu 3.12.1"),
    "mac intel, 2.21": (hosts.MAC_INTEL, "==2.21.*", "auto", "platform-no-wheel"),
    "mac intel, metal": (hosts.MAC_INTEL, None, "metal", "metal-plugin-mismatch"),
    # interpreters
    "only python 3.9": (Host(pythons=("3.9.18",)), None, "auto", "tensorflow-cpu==2.20.0 cpu 3.9.18"),
    "only python 3.8": (Host(pythons=("3.8.18",)), None, "auto", "tensorflow-cpu==2.21.0 cpu (3.13)"),
    "only python 3.6": (Host(pythons=("3.6.15",)), None, "auto", "tensorflow-cpu==2.21.0 cpu (3.13)"),
    "only python 3.6, old release": (Host(pythons=("3.6.15",)), "<2.7", "auto", "tensorflow-cpu==2.6.5 cpu (3.9)"),
    "python 3.6 to 3.8, release for them": (Host(pythons=OLD), "==2.4.*", "auto", "tensorflow-cpu==2.4.4 cpu 3.8.18"),
    "python 3.6 to 3.8, release before tensorflow-cpu": (
        Host(pythons=OLD), "==1.15.*", "auto", "tensorflow==1.15.5 cpu 3.7.16"),
    "v100, cuda 10": (gpu(hosts.V100, driver=D550, pythons=OLD), "==2.4.*", "cuda", "gpu-libs-missing"),
    "v100, cuda 10, auto": (
        gpu(hosts.V100, driver=D550, pythons=OLD), "==2.4.*", "auto", "tensorflow-cpu==2.4.4 cpu 3.8.18"),
    "v100, release without cuda": (gpu(hosts.V100, driver=D550, pythons=OLD), "==2.0.*", "cuda", "wheel-without-cuda"),
    "only python 3.14": (Host(pythons=("3.14.0",)), None, "auto", "tensorflow-cpu==2.21.0 cpu (3.13)"),
    "only python 3.14, candidate asked": (
        Host(pythons=("3.14.0",)), ">=2.22.0rc0", "auto", "tensorflow-cpu==2.22.0rc0 cpu 3.14.0"),
    "no python": (Host(pythons=()), None, "auto", "tensorflow-cpu==2.21.0 cpu (3.13)"),
    "32-bit pythons": (THIRTY_TWO, None, "auto", "tensorflow-cpu==2.21.0 cpu (3.13)"),
}  # fmt: skip


def listing(*names: str, **changes: Any) -> Listing:
    files: dict[str, list[IndexFile]] = {name: [] for names in BUILDS.values() for name in names}
    for name in names:
        files[name.split("-")[0].replace("_", "-")].append(IndexFile(filename=name, **changes))
    return Listing(files={name: tuple(each) for name, each in files.items()}, source="test")


def wheel(version: str, minor: int, package: str = "tensorflow", tag: str = "manylinux_2_27_x86_64") -> str:
    return f"{package}-{version}-cp3{minor}-cp3{minor}-{tag}.whl"
