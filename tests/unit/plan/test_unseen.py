"""Machines as people have them, each with the right answer as its vendors have it, written before tfprov was asked."""

# ruff: noqa: E501  a case is a line

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import hosts
from hosts import Host, nvidia, python
from tfprov.errors import TfprovError
from tfprov.host.records import Disk, Fact, Facts, Gpu, Interpreter, Libc, MigSlice, Problem
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.plan.records import Plan
from tfprov.plan.space import with_room
from tfprov.profile.records import Profile


def glibc(version: str) -> Libc:
    return Libc(kind="glibc", version=version)


def gpu(one: Any, driver: str | None, **changes: Any) -> Host:
    return Host(gpus=(one,), driver=driver, **changes)


ALL = ("3.6.15", "3.7.16", "3.8.18", *hosts.PYTHONS)
ARM: dict[str, Any] = {"machine": "aarch64", "flags": ("fp", "asimd")}
STAY = {"python": {"install": False}}
CONDA = {"environment": {"kind": "conda"}, "conda": {"tensorflow": "conda"}}
MAC, INTEL, WINDOWS = hosts.MAC_ARM, hosts.MAC_INTEL, hosts.WINDOWS
OLD_XEON = Host(flags=hosts.SSE)
L40S, RTX3060, M60 = nvidia("8.9", "NVIDIA L40S"), nvidia("8.6", "GeForce RTX 3060"), nvidia("5.2", "Tesla M60")
GTX680, RTX5080 = nvidia("3.0", "GeForce GTX 680"), nvidia("12.0", "NVIDIA GeForce RTX 5080")
B300 = nvidia("10.3", "NVIDIA B300 SXM6 AC")
NO_MIG = dataclasses.replace(hosts.A100, mig=True, usable=False)
HIDDEN = Host(
    gpus=(dataclasses.replace(hosts.T4, visible=False),), driver="550.54.15", visible=(("CUDA_VISIBLE_DEVICES", "-1"),)
)
T4 = gpu(hosts.T4, "550.54.15")
CUDA = "tensorflow[and-cuda]"
MUSL = Libc(kind="musl", version="1.2.4")
BROKEN = python("", problem=Problem(code="python-broken", why="it does not start"))
MI300X = Gpu(index=0, name="AMD Instinct MI300X", vendor="amd")
A40, GTX1660 = nvidia("8.6", "NVIDIA A40"), nvidia("7.5", "NVIDIA GeForce GTX 1660 SUPER")
H100_SLICE = dataclasses.replace(hosts.H100, mig=True, slices=(MigSlice(uuid="MIG-1", name="1g.10gb"),))


def owned(version: str) -> Interpreter:
    """A Python of the operating system."""
    return python(version, externally_managed=True, path=f"/usr/bin/python{version[:4]}", found_by="system")


def hidden(one: Gpu) -> Gpu:
    return dataclasses.replace(one, visible=False)


def pair(one: Gpu, other: Gpu, driver: str, visible: str | None = None) -> Host:
    """A machine with two GPUs, of which CUDA_VISIBLE_DEVICES may show one."""
    return Host(
        gpus=(one, dataclasses.replace(other, index=1, uuid="GPU-1")),
        driver=driver,
        visible=() if visible is None else (("CUDA_VISIBLE_DEVICES", visible),),
    )


def cuda(version: str | None = None, **tables: Any) -> dict[str, Any]:
    return asked(version, "cuda", **tables)


def asked(version: str | None = None, accelerator: str = "auto", **tables: Any) -> dict[str, Any]:
    tensorflow = {"accelerator": accelerator, **({} if version is None else {"version": version})}
    return {"tensorflow": tensorflow, **tables}


def packages(*requirements: str) -> dict[str, Any]:
    return {"packages": {"requirements": list(requirements)}}


# Machine, profile, what is right, and what the hint must say.
CASES: dict[str, tuple[Host, dict[str, Any], str, str]] = {
    # Linux without GPU
    "ubuntu 22.04": (Host(libc=glibc("2.35"), pythons=("3.10.12",)), asked(), "tensorflow-cpu==2.21.0 cpu 3.10.12", ""),
    "ubuntu 20.04": (Host(libc=glibc("2.31"), pythons=("3.8.10",)), asked(), "tensorflow-cpu==2.21.0 cpu (3.13)", ""),
    "ubuntu 20.04, its own python": (
        Host(libc=glibc("2.31"), pythons=("3.8.10",)), asked(**STAY), "tensorflow-cpu==2.13.1 cpu 3.8.10", ""),
    "centos 7": (Host(libc=glibc("2.17"), pythons=("3.6.8",)), asked(), "tensorflow-cpu==2.20.0 cpu (3.13)", ""),
    "amazon linux 2": (Host(libc=glibc("2.26"), pythons=("3.7.16",)), asked(), "tensorflow-cpu==2.20.0 cpu (3.13)", ""),
    "amazon linux 2, newest": (Host(libc=glibc("2.26")), asked("==2.21.*"), "glibc-too-old", "2.20.0"),
    "debian 10, 2.11": (Host(libc=glibc("2.28"), pythons=("3.7.3",)), asked("==2.11.*"), "tensorflow-cpu==2.11.1 cpu (3.10)", ""),
    "alpine": (Host(libc=Libc(kind="musl", version="1.2.5")), asked(), "musl-libc", "glibc"),
    "fedora 43": (Host(pythons=("3.14.0",)), asked(**STAY), "python-unsupported", "`python.install = true` would install Python 3.13"),
    "python 3.14 demanded": (Host(pythons=("3.14.0",)), asked(python={"version": "==3.14.*"}), "python-unsupported", "2.22.0rc0"),
    "raspberry pi os, 32 bit": (Host(machine="armv7l", flags=()), asked(), "platform-no-wheel", "use a 64-bit system"),
    "raspberry pi 5": (Host(**ARM, libc=glibc("2.36"), pythons=("3.11.2",)), asked(), "tensorflow==2.21.0 cpu 3.11.2", ""),
    "graviton, 2.11": (Host(**ARM), asked("==2.11.*"), "tensorflow==2.11.0 cpu 3.10.13", ""),
    "graviton with text": (Host(**ARM), asked(**packages("tensorflow-text")), "tensorflow==2.21.0 cpu 3.13.0", ""),
    "celeron": (OLD_XEON, asked(), "cpu-no-avx", "another machine"),
    "celeron, conda": (OLD_XEON, asked(**CONDA), "tensorflow==2.19.1 cpu (3.12)", ""),
    "amd64 container on a mac": (Host(emulation="rosetta", flags=hosts.SSE), asked(), "rosetta-qemu", "arm64"),
    "risc-v, cuda": (Host(machine="riscv64", flags=()), cuda(), "platform-no-wheel", "another machine"),
    "power 9 with a v100, conda, cuda": (
        gpu(hosts.V100, "450.80.02", machine="ppc64le", flags=()), cuda(**CONDA), "platform-no-wheel", "another machine"),
    "power, metal": (Host(machine="ppc64le", flags=()), asked(None, "metal"), "platform-no-wheel", "another machine"),
    "tensorflow 1 on python 3.7": (Host(pythons=ALL), asked("<2"), "tensorflow==1.15.5 cpu 3.7.16", ""),
    "only pypy": (Host(pythons=(python("3.10.14", implementation="pypy"),)), asked(), "tensorflow-cpu==2.21.0 cpu (3.13)", ""),
    "only free-threaded": (Host(pythons=(python("3.13.0", free_threaded=True),)), asked(**STAY), "python-unsupported", "3.10 to 3.13"),
    "2.15 on 3.12": (Host(), asked("==2.15.*", python={"version": ">=3.12"}), "python-unsupported", "3.9 to 3.11"),
    # GPUs on Linux
    "a100, driver 525": (gpu(hosts.A100, "525.85.12"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "a100, driver 470": (gpu(hosts.A100, "470.57.02"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "a100, driver 470, 2.16": (gpu(hosts.A100, "470.57.02"), cuda("==2.16.*"), "gpu-driver-too-old", "525.60.13"),
    "a100, driver 470, 2.16, what runs": (gpu(hosts.A100, "470.57.02"), cuda("==2.16.*"), "gpu-driver-too-old", "2.14.1"),
    "h100, driver 525": (gpu(hosts.H100, "525.60.13"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "a100, driver 470 with cuda-compat": (
        gpu(hosts.A100, "470.57.02", cuda="12.5"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "rtx 3090, driver 470 with cuda-compat": (
        gpu(hosts.RTX3090, "470.57.02", cuda="12.5"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "l40s": (gpu(L40S, "535.104.05"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "rtx 3060, driver 510": (gpu(RTX3060, "510.47.03"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "gtx 1060, driver 450": (gpu(hosts.GTX1080, "450.80.02"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "gtx 1060, driver 440": (gpu(hosts.GTX1080, "440.100"), cuda(), "gpu-driver-too-old", "450.80.02"),
    "gtx 1060, driver 440, for the newest": (gpu(hosts.GTX1080, "440.100"), cuda(), "gpu-driver-too-old", "525.60.13"),
    "gtx 1060, driver 440, 2.12": (gpu(hosts.GTX1080, "440.100"), cuda("==2.12.*"), "gpu-driver-too-old", "450.80.02"),
    "gtx 680": (gpu(GTX680, "390.157"), cuda(), "gpu-arch-unsupported", "CPU"),
    "gtx 680, auto": (gpu(GTX680, "390.157"), asked(), "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
    "k80, old driver": (gpu(hosts.K80, "450.51.06"), cuda(), "gpu-driver-too-old", "driver 450.80.02 or newer would support 2.14.1"),
    "m4000": (gpu(hosts.GTX980, "535.183.01"), asked(), f"{CUDA}==2.16.2 cuda 3.12.1", ""),
    "m60, 2.19": (gpu(M60, "535.183.01"), cuda("==2.19.*"), "gpu-arch-unsupported", "2.16.2"),
    "b200": (gpu(hosts.B200, "570.124.06"), asked(), "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
    "rtx 5080, conda": (gpu(RTX5080, "570.124.06"), asked(**CONDA), "tensorflow==2.19.1 cuda (3.12)", ""),
    "a100, conda, driver 450": (gpu(hosts.A100, "450.80.02"), cuda(**CONDA), "gpu-driver-too-old", "525.60.13"),
    "gtx 680, conda": (gpu(GTX680, "390.157"), cuda(**CONDA), "gpu-arch-unsupported", "CPU"),
    "jetson, cuda": (gpu(hosts.ORIN, "540.3.0", **ARM), cuda(), "wheel-without-cuda", "container"),
    "grace hopper": (gpu(hosts.H100, "570.124.06", **ARM), asked(), "tensorflow==2.21.0 cpu 3.13.0", ""),
    "no gpu, 2.12": (Host(), cuda("==2.12.*"), "gpu-no-driver", "450.80.02"),
    "no driver, old python": (
        gpu(nvidia(None, "Tesla T4"), None, pythons=("3.8.18",)), cuda(**STAY), "gpu-no-driver", "450.80.02"),
    "two gpus wanted": (T4, cuda(smoke={"require-gpus": 2}), "gpu-no-device", "require-gpus"),
    "gpus hidden": (HIDDEN, cuda(), "gpu-no-device", "unset `CUDA_VISIBLE_DEVICES`"),
    "container without gpu": (Host(container="docker"), cuda(), "docker-no-gpu", "--gpus all"),
    "mig without devices": (gpu(NO_MIG, "550.54.15"), cuda(), "gpu-no-device", "mig -cgi"),
    "old and new gpu": (
        Host(gpus=(hosts.GTX980, dataclasses.replace(hosts.T4, index=1)), driver="550.54.15"), asked(),
        f"{CUDA}==2.16.2 cuda 3.12.1", ""),
    "rocm": (Host(gpus=(hosts.RX7900,)), asked(None, "rocm"), "tensorflow-rocm==2.14.0.600 rocm 3.11.7", ""),
    # WSL2 and Windows
    "wsl2, driver 472": (gpu(RTX3060, "472.12", wsl=True), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "wsl2, driver just below": (gpu(hosts.RTX4090, "528.24", wsl=True), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "wsl2 without gpu": (Host(wsl=True), cuda(), "gpu-no-driver", "528.33"),
    "wsl2 without gpu, 2.12": (Host(wsl=True), cuda("==2.12.*"), "gpu-no-driver", "452.39"),
    "windows 11 with gpu": (dataclasses.replace(WINDOWS, gpus=(hosts.RTX4090,)), asked(), "tensorflow==2.21.0 cpu 3.13.0", ""),
    "windows 11, cuda": (dataclasses.replace(WINDOWS, gpus=(hosts.RTX4090,)), cuda(), "windows-no-gpu", "WSL2"),
    "windows 10, python 3.8": (
        dataclasses.replace(WINDOWS, os_version="10.0.19045", pythons=("3.8.10",)), asked(**STAY),
        "tensorflow==2.13.0 cpu 3.8.10", ""),
    "windows, 2.15 on 3.12": (
        dataclasses.replace(WINDOWS, pythons=("3.12.1",)), asked("==2.15.*", **STAY), "python-unsupported", "3.9 to 3.11"),
    "windows, text": (WINDOWS, asked(**packages("tensorflow-text")), "tensorflow-cpu==2.10.1 cpu 3.10.13", ""),
    "windows, text beside 2.21": (WINDOWS, asked("==2.21.*", **packages("tensorflow-text")), "resolver-conflict", "without `tensorflow-text`"),
    "windows on arm, cuda": (dataclasses.replace(WINDOWS, machine="arm64"), cuda(), "platform-no-wheel", "another machine"),
    "windows, 32-bit python": (
        dataclasses.replace(WINDOWS, pythons=(python("3.12.1", bits=32),)), asked(**STAY), "python-32bit", "python.install"),
    # macOS
    "m1": (MAC, asked(), "tensorflow==2.21.0 cpu 3.13.0", ""),
    "m1, metal": (MAC, asked(None, "metal"), "tensorflow==2.18.1 metal 3.12.1", ""),
    "m1, metal, python 3.12": (
        dataclasses.replace(MAC, pythons=("3.12.1",)), asked(None, "metal", **STAY), "tensorflow==2.18.1 metal 3.12.1", ""),
    "m1, metal, 2.17": (MAC, asked("==2.17.*", "metal"), "tensorflow==2.17.1 metal 3.11.7", ""),
    "m1, metal, 2.20": (MAC, asked("==2.20.*", "metal"), "metal-plugin-mismatch", "2.18.1"),
    "m1, metal, macos 12.0": (
        dataclasses.replace(MAC, os_version="12.0.1"), asked(None, "metal"), "metal-plugin-mismatch", "update the operating system"),
    "m1, macos 11": (dataclasses.replace(MAC, os_version="11.7"), asked(), "platform-no-wheel", "update the operating system"),
    "m2, only an intel python": (
        dataclasses.replace(MAC, pythons=(python("3.12.1", machine="x86_64"),)), asked(**STAY), "rosetta-qemu", "python.install"),
    "m1, macos 11, 2.11": (
        dataclasses.replace(MAC, os_version="11.7.10"), asked("==2.11.*"), "platform-no-wheel",
        "TensorFlow 2.13.0 is the first with wheels for macOS on Apple silicon; and update the operating system"),
    "m1, cuda": (MAC, cuda(), "wheel-without-cuda", "metal"),
    "intel mac": (INTEL, asked(), "tensorflow==2.16.2 cpu 3.12.1", ""),
    "intel mac, cuda": (INTEL, cuda(), "wheel-without-cuda", "use the CPU"),
    "intel mac, macos 10.14": (dataclasses.replace(INTEL, os_version="10.14.6"), asked(), "tensorflow==2.11.1 cpu 3.10.13", ""),
    "intel mac, numpy 2": (INTEL, asked(**packages("numpy>=2")), "resolver-conflict", "without `numpy>=2`"),
    # what is asked for
    "june 2024": (T4, asked(index={"exclude-newer": "2024-06-30"}), f"{CUDA}==2.16.2 cuda 3.12.1", ""),
    "may 2024": (T4, asked(index={"exclude-newer": "2024-05-01"}), f"{CUDA}==2.15.1 cuda 3.11.7", ""),
    "a release of the future": (Host(), asked("==2.19.*", index={"exclude-newer": "2024-05-01"}), "version-not-available", "exclude-newer"),
    "known bad": (T4, cuda("==2.16.1"), "known-bad-release", "2.16.2"),
    "keras 2": (T4, asked(**packages("keras<3")), f"{CUDA}==2.15.1 cuda 3.11.7", ""),
    "keras 2 on 3.12": (Host(pythons=("3.12.1",)), asked(**packages("keras<3"), **STAY), "python-unsupported", "3.9 to 3.11"),
    "addons": (T4, asked(**packages("tensorflow-addons")), f"{CUDA}==2.15.1 cuda 3.11.7", ""),
    "numpy 1": (Host(), asked(**packages("numpy<2")), "tensorflow-cpu==2.21.0 cpu 3.12.1", ""),
    "numpy 1 with cuda": (T4, asked(**packages("numpy<2")), f"{CUDA}==2.21.0 cuda 3.12.1", ""),
    "text of 2.15": (Host(), asked(**packages("tensorflow-text==2.15.*")), "tensorflow-cpu==2.15.1 cpu 3.11.7", ""),
    # drivers by generation, with wheels and with conda
    "wsl2, conda, driver 367": (gpu(hosts.GTX1080, "367.57", wsl=True), cuda(**CONDA), "gpu-driver-too-old", "528.33"),
    "wsl2, conda, driver 367, auto": (gpu(hosts.GTX1080, "367.57", wsl=True), asked(**CONDA), "tensorflow==2.19.1 cpu (3.12)", ""),
    "wsl2, conda, just below": (gpu(hosts.RTX4090, "528.24", wsl=True), cuda(**CONDA), "gpu-driver-too-old", "528.33"),
    "wsl2, conda, just enough": (gpu(hosts.RTX4090, "528.33", wsl=True), cuda(**CONDA), "tensorflow==2.19.1 cuda (3.12)", ""),
    "conda, driver 525": (gpu(hosts.T4, "525.60.13"), cuda(**CONDA), "tensorflow==2.19.1 cuda (3.12)", ""),
    "conda, just below": (gpu(hosts.T4, "525.60.11"), cuda(**CONDA), "gpu-driver-too-old", "525.60.13"),
    "conda, driver 340": (gpu(hosts.GTX1080, "340.108"), cuda(**CONDA), "gpu-driver-too-old", "525.60.13"),
    "conda, t4 with cuda-compat": (gpu(hosts.T4, "470.57.02", cuda="12.8"), cuda(**CONDA), "tensorflow==2.19.1 cuda (3.12)", ""),
    "conda, gtx 1080 with cuda-compat": (gpu(hosts.GTX1080, "470.57.02", cuda="12.8"), cuda(**CONDA), "gpu-driver-too-old", "525.60.13"),
    "conda, gtx 980": (gpu(hosts.GTX980, "535.183.01"), cuda(**CONDA), "gpu-arch-unsupported", 'use `conda.tensorflow = "wheel"`: TensorFlow 2.16.2 has a wheel'),
    "conda, gtx 980, no avx": (gpu(hosts.GTX980, "535.183.01", flags=hosts.SSE), cuda(**CONDA), "gpu-arch-unsupported", "CPU"),
    "conda, a100, driver 470": (gpu(hosts.A100, "470.57.02"), cuda(**CONDA), "gpu-driver-too-old", "TensorFlow 2.14.1 has a wheel"),
    "conda, b200": (gpu(hosts.B200, "570.124.06"), asked(**CONDA), "tensorflow==2.19.1 cuda (3.12)", ""),
    "conda, h100, driver 580": (gpu(hosts.H100, "580.65.06"), asked(**CONDA), "tensorflow==2.19.1 cuda (3.12)", ""),
    "a100, driver 580": (gpu(hosts.A100, "580.65.06"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "l40s, vgpu driver": (gpu(L40S, "525.60.13-grid"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "h100, driver 555": (gpu(hosts.H100, "555.42.06"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "h100, driver 545": (gpu(hosts.H100, "545.23.08"), asked(), f"{CUDA}==2.17.1 cuda 3.12.1", ""),
    "h100, driver 535": (gpu(hosts.H100, "535.54.03"), asked(), f"{CUDA}==2.15.1 cuda 3.11.7", ""),
    "h100, driver 530": (gpu(hosts.H100, "530.30.02"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "rtx 4090, driver 525": (gpu(hosts.RTX4090, "525.60.13"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "gtx 1650, driver 418": (gpu(nvidia("7.5", "GeForce GTX 1650"), "418.152.00"), cuda(), "gpu-driver-too-old", "450.80.02"),
    "quadro p400": (gpu(nvidia("6.1", "Quadro P400"), "535.183.01"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "gtx 750 ti": (gpu(nvidia("5.0", "GeForce GTX 750 Ti"), "535.183.01"), asked(), f"{CUDA}==2.16.2 cuda 3.12.1", ""),
    "k40": (gpu(nvidia("3.5", "Tesla K40m"), "470.256.02"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "k40, 2.15": (gpu(nvidia("3.5", "Tesla K40m"), "470.256.02"), cuda("==2.15.*"), "gpu-arch-unsupported", "2.14.1"),
    "wsl2, gtx 1080, driver 511": (gpu(hosts.GTX1080, "511.65", wsl=True), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "wsl2, driver 451": (gpu(hosts.GTX1080, "451.48", wsl=True), cuda(), "gpu-driver-too-old", "452.39"),
    "wsl2, driver 580": (gpu(hosts.RTX4090, "580.88", wsl=True), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "a100 beside rtx 5090": (
        Host(gpus=(hosts.A100, dataclasses.replace(hosts.RTX5090, index=1)), driver="570.124.06"), asked(),
        "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
    # C libraries, interpreters, systems
    "jetson nano": (Host(**ARM, libc=glibc("2.27"), pythons=("3.6.9",)), asked(), "tensorflow==2.21.0 cpu (3.13)", ""),
    "graviton, amazon linux 2": (Host(**ARM, libc=glibc("2.26"), pythons=("3.7.16",)), asked(), "tensorflow==2.20.0 cpu (3.13)", ""),
    "rhel 8": (Host(libc=glibc("2.28"), pythons=("3.6.8",)), asked(), "tensorflow-cpu==2.21.0 cpu (3.13)", ""),
    "sles 12": (Host(libc=glibc("2.22"), pythons=("3.6.15",)), asked(), "tensorflow-cpu==2.20.0 cpu (3.13)", ""),
    "rhel 7, 2.21": (Host(libc=glibc("2.17"), pythons=("3.6.8",)), asked("==2.21.0"), "glibc-too-old", "2.20.0"),
    "ubuntu 22.04, 2.9": (Host(libc=glibc("2.35"), pythons=("3.10.12",)), asked("==2.9.*", **STAY), "tensorflow-cpu==2.9.3 cpu 3.10.12", ""),
    "ubuntu 24.04, 2.10": (Host(pythons=("3.12.3",)), asked("==2.10.*"), "tensorflow-cpu==2.10.1 cpu (3.10)", ""),
    "windows 11, 2.10 with cuda": (dataclasses.replace(WINDOWS, gpus=(hosts.RTX4090,)), cuda("==2.10.*"), "windows-no-gpu", "WSL2"),
    "windows server 2016": (
        dataclasses.replace(WINDOWS, os_version="10.0.14393", pythons=("3.9.13",)), asked(**STAY), "tensorflow==2.20.0 cpu 3.9.13", ""),
    "m1, macos 12.0": (dataclasses.replace(MAC, os_version="12.0.1"), asked(), "tensorflow==2.21.0 cpu 3.13.0", ""),
    "m3, macos 26": (dataclasses.replace(MAC, os_version="26.1"), asked(), "tensorflow==2.21.0 cpu 3.13.0", ""),
    "m1, metal, 2.16": (MAC, asked("==2.16.*", "metal"), "tensorflow==2.16.2 metal 3.11.7", ""),
    "intel mac, macos 10.15": (dataclasses.replace(INTEL, os_version="10.15.7"), asked(), "tensorflow==2.16.2 cpu 3.12.1", ""),
    "intel mac, only python 3.13": (
        dataclasses.replace(INTEL, os_version="15.1", pythons=("3.13.0",)), asked(**STAY), "python-unsupported", "3.9 to 3.12"),
    # and others, written later
    "debian 12": (Host(libc=glibc("2.36"), pythons=("3.11.2",)), asked(), "tensorflow-cpu==2.21.0 cpu 3.11.2", ""),
    "ubuntu 18.04, its own python": (Host(libc=glibc("2.27"), pythons=("3.6.9",)), asked(**STAY), "tensorflow-cpu==2.6.2 cpu 3.6.9", ""),
    "python 3.7 alone": (Host(pythons=("3.7.17",)), asked(**STAY), "tensorflow-cpu==2.11.0 cpu 3.7.17", ""),
    "python 3.9 alone": (Host(pythons=("3.9.18",)), asked(**STAY), "tensorflow-cpu==2.20.0 cpu 3.9.18", ""),
    "python 3.14 alone": (Host(pythons=("3.14.2",)), asked(), "tensorflow-cpu==2.21.0 cpu (3.13)", ""),
    "free-threaded beside another": (Host(pythons=(python("3.13.0", free_threaded=True), "3.11.7")), asked(), "tensorflow-cpu==2.21.0 cpu 3.11.7", ""),
    "32-bit python on 64-bit linux": (Host(pythons=(python("3.11.2", bits=32),)), asked(**STAY), "python-32bit", "python.install"),
    "pypy beside cpython": (Host(pythons=(python("3.10.14", implementation="pypy"), "3.12.1")), asked(**STAY), "tensorflow-cpu==2.21.0 cpu 3.12.1", ""),
    "grace hopper, cuda": (gpu(hosts.H100, "570.124.06", **ARM), cuda(), "wheel-without-cuda", "container"),
    "alpine on arm": (Host(**ARM, libc=Libc(kind="musl", version="1.2.5")), asked(), "musl-libc", "glibc"),
    "s390x": (Host(machine="s390x", flags=()), asked(), "platform-no-wheel", "another machine"),
    "raspberry pi zero": (Host(machine="armv6l", flags=(), pythons=("3.11.2",)), asked(), "platform-no-wheel", "another machine"),
    "virtual machine without avx, with a t4": (gpu(hosts.T4, "550.54.15", flags=hosts.SSE), asked(), "cpu-no-avx", "another machine"),
    "sandy bridge": (Host(flags=(*hosts.SSE, "avx")), asked(), "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
    "v100, driver 535": (gpu(hosts.V100, "535.183.01"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "p100, driver 450": (gpu(hosts.P100, "450.80.02"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "t4, just below": (gpu(hosts.T4, "525.60.12"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "a100, just below cuda 11": (gpu(hosts.A100, "450.80.01"), cuda(), "gpu-driver-too-old", "450.80.02"),
    "rtx 4090, driver 520": (gpu(hosts.RTX4090, "520.61.05"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "rtx 2080 ti, driver 460": (gpu(nvidia("7.5", "GeForce RTX 2080 Ti"), "460.32.03"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "rtx a6000": (gpu(nvidia("8.6", "NVIDIA RTX A6000"), "550.54.15"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "v100 beside t4": (Host(gpus=(hosts.V100, dataclasses.replace(hosts.T4, index=1)), driver="550.54.15"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "k80 beside t4": (Host(gpus=(hosts.K80, dataclasses.replace(hosts.T4, index=1)), driver="470.82.01"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "gtx 560": (gpu(nvidia("2.1", "GeForce GTX 560"), "390.157"), cuda(), "gpu-arch-unsupported", "CPU"),
    "rtx 5090, cuda": (gpu(hosts.RTX5090, "570.124.06"), cuda(), "gpu-arch-unsupported", "conda"),
    "h200, driver 550": (gpu(nvidia("9.0", "NVIDIA H200"), "550.54.15"), asked(), f"{CUDA}==2.17.1 cuda 3.12.1", ""),
    "mig slice": (gpu(hosts.MIG, "550.54.15"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "wsl2, rtx 3090, driver 537": (gpu(hosts.RTX3090, "537.13", wsl=True), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "windows 11, python 3.10": (dataclasses.replace(WINDOWS, pythons=("3.10.11",)), asked(**STAY), "tensorflow==2.21.0 cpu 3.10.11", ""),
    "windows, python 3.14": (dataclasses.replace(WINDOWS, pythons=("3.14.0",)), asked(**STAY), "python-unsupported", "3.13"),
    "windows, python 3.7": (dataclasses.replace(WINDOWS, pythons=("3.7.9",)), asked(**STAY), "tensorflow==2.11.0 cpu 3.7.9", ""),
    "windows on arm, 2.9": (dataclasses.replace(WINDOWS, machine="arm64"), asked("==2.9.*"), "platform-no-wheel", "another machine"),
    "windows on arm, conda": (dataclasses.replace(WINDOWS, machine="arm64"), asked(**CONDA), "platform-no-wheel", "inside WSL2: TensorFlow 2.21.0"),
    "windows on arm, conda, cuda": (dataclasses.replace(WINDOWS, machine="arm64"), cuda(**CONDA), "platform-no-wheel", "another machine"),
    "windows on arm, wheel in conda": (
        dataclasses.replace(WINDOWS, machine="arm64"), asked(environment={"kind": "conda"}), "platform-no-wheel", "inside WSL2"),
    "windows on arm": (dataclasses.replace(WINDOWS, machine="arm64"), asked(), "platform-no-wheel", "inside WSL2: TensorFlow 2.21.0"),
    "intel mac, python 3.8": (dataclasses.replace(INTEL, pythons=("3.8.18",)), asked(**STAY), "tensorflow==2.13.1 cpu 3.8.18", ""),
    "intel mac, 2.17": (INTEL, asked("==2.17.*"), "platform-no-wheel", "2.16.2"),
    "m1, python 3.8": (dataclasses.replace(MAC, pythons=("3.8.18",)), asked(**STAY), "tensorflow==2.13.0 cpu 3.8.18", ""),
    "january 2025": (Host(), asked(index={"exclude-newer": "2025-01-01"}), "tensorflow-cpu==2.18.0 cpu 3.12.1", ""),
    "october 2022": (Host(), asked(index={"exclude-newer": "2022-10-01"}), "tensorflow-cpu==2.10.0 cpu 3.10.13", ""),
    "protobuf 3": (Host(), asked(**packages("protobuf<4")), "tensorflow-cpu==2.19.1 cpu 3.12.1", ""),
    "protobuf 6": (Host(), asked(**packages("protobuf>=6")), "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
    "numpy 1.25": (Host(), asked(**packages("numpy<1.26")), "tensorflow-cpu==2.17.1 cpu 3.11.7", ""),
    "tf-keras of 2.15": (Host(), asked(**packages("tf-keras==2.15.*")), "tensorflow-cpu==2.15.1 cpu 3.11.7", ""),
    "keras against itself": (Host(), asked(**packages("keras>=3", "keras<3")), "resolver-conflict", "without `keras"),
    "before 2.4": (Host(pythons=ALL), asked("<2.4"), "tensorflow-cpu==2.3.4 cpu 3.8.18", ""),
    "2.1": (Host(pythons=ALL), asked("==2.1.*"), "tensorflow-cpu==2.1.4 cpu 3.7.16", ""),
    "2.0 on new pythons": (Host(), asked("==2.0.*", **STAY), "python-unsupported", "3.7"),
    "tensorflow 3": (Host(), asked(">=3"), "version-not-available", "2.21.0"),
    "tensorflow 1.14": (Host(pythons=ALL), asked("==1.14.*"), "version-not-available", "1.15"),
    "container without gpu, auto": (Host(container="docker"), asked(), "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
    "a100, the cpu wanted": (gpu(hosts.A100, "550.54.15"), asked(None, "cpu"), "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
    "conda on arm": (Host(**ARM), asked(**CONDA), "tensorflow==2.19.1 cpu (3.12)", ""),
    "gpus hidden, auto": (HIDDEN, asked(), "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
    "a gpu demanded where none is": (Host(), asked(smoke={"require-gpus": 1}), "gpu-no-driver", "driver"),
    "centos 6, its own python": (Host(libc=glibc("2.12"), pythons=("3.6.8",)), asked(**STAY), "tensorflow-cpu==2.6.2 cpu 3.6.8", ""),
    "rhel 5": (Host(libc=glibc("2.5")), asked(), "glibc-too-old", ""),
    # and a third time
    "ubuntu 24.10": (Host(libc=glibc("2.40"), pythons=("3.12.7",)), asked(), "tensorflow-cpu==2.21.0 cpu 3.12.7", ""),
    "rhel 9": (Host(libc=glibc("2.34"), pythons=("3.9.18",)), asked(), "tensorflow-cpu==2.20.0 cpu 3.9.18", ""),
    "rhel 8, python 3.11 of its modules": (Host(libc=glibc("2.28"), pythons=("3.6.8", "3.11.9")), asked(), "tensorflow-cpu==2.21.0 cpu 3.11.9", ""),
    "rhel 7, python 3.8 of scl": (Host(libc=glibc("2.17"), pythons=("3.6.8", "3.8.13")), asked(**STAY), "tensorflow-cpu==2.13.1 cpu 3.8.13", ""),
    "debian 13": (Host(libc=glibc("2.41"), pythons=("3.13.5",)), asked(), "tensorflow-cpu==2.21.0 cpu 3.13.5", ""),
    "python 3.14 beside 3.12": (Host(pythons=("3.14.0", "3.12.12")), asked(), "tensorflow-cpu==2.21.0 cpu 3.12.12", ""),
    "free-threaded and pypy": (
        Host(pythons=(python("3.14.0", free_threaded=True), python("3.10.14", implementation="pypy"))), asked(**STAY), "python-unsupported", "3.10 to 3.13"),
    "no python": (Host(pythons=()), asked(), "tensorflow-cpu==2.21.0 cpu (3.13)", ""),
    "no python, and none may be brought": (Host(pythons=()), asked(**STAY), "python-not-found", "python.install"),
    "python 2.7": (Host(pythons=("2.7.18",)), asked(**STAY), "python-unsupported", "python.install"),
    "32-bit linux": (Host(machine="i686", flags=hosts.SSE), asked(), "platform-no-wheel", "another machine"),
    "aarch64, 2.13": (Host(**ARM, pythons=("3.11.7",)), asked("==2.13.*", **STAY), "tensorflow==2.13.1 cpu 3.11.7", ""),
    "aarch64, 2.9": (Host(**ARM), asked("==2.9.*"), "platform-no-wheel", ""),
    "amd64 container on an arm server": (Host(emulation="qemu", flags=hosts.SSE), asked(), "rosetta-qemu", "arm64"),
    "windows server 2019": (dataclasses.replace(WINDOWS, os_version="10.0.17763", pythons=("3.10.11",)), asked(**STAY), "tensorflow==2.21.0 cpu 3.10.11", ""),
    "windows server 2022, 2.16": (
        dataclasses.replace(WINDOWS, os_version="10.0.20348", pythons=("3.12.4",)), asked("==2.16.*", **STAY), "tensorflow==2.16.2 cpu 3.12.4", ""),
    "windows 10, python 3.6": (dataclasses.replace(WINDOWS, os_version="10.0.19045", pythons=("3.6.8",)), asked(**STAY), "tensorflow-cpu==2.6.2 cpu 3.6.8", ""),
    "windows, conda, cuda": (dataclasses.replace(WINDOWS, gpus=(hosts.RTX4090,)), cuda(**CONDA), "windows-no-gpu", "WSL2"),
    "wsl2 without avx": (Host(wsl=True, flags=hosts.SSE), asked(), "cpu-no-avx", "another machine"),
    "wsl2, rtx 5080": (gpu(RTX5080, "572.16", wsl=True), asked(), "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
    "rtx 5080, conda, newer driver": (gpu(RTX5080, "580.65.06"), asked(**CONDA), "tensorflow==2.19.1 cuda (3.12)", ""),
    "jetson orin, cuda": (gpu(hosts.ORIN, "540.4.0", **ARM, libc=glibc("2.35"), pythons=("3.10.12",)), cuda(), "wheel-without-cuda", "container"),
    "jetson orin": (gpu(hosts.ORIN, "540.4.0", **ARM, libc=glibc("2.35"), pythons=("3.10.12",)), asked(), "tensorflow==2.21.0 cpu 3.10.12", ""),
    "mig slice, driver 470": (gpu(hosts.MIG, "470.57.02"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "k80 beside a100": (Host(gpus=(hosts.K80, dataclasses.replace(hosts.A100, index=1)), driver="470.82.01"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "v100, driver 580": (gpu(hosts.V100, "580.65.06"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "gtx 1080, driver 580": (gpu(hosts.GTX1080, "580.65.06"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "m60": (gpu(M60, "535.183.01"), asked(), f"{CUDA}==2.16.2 cuda 3.12.1", ""),
    "k40, driver 450": (gpu(nvidia("3.5", "Tesla K40m"), "450.80.02"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "titan rtx, driver 455": (gpu(nvidia("7.5", "TITAN RTX"), "455.45.01"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "l4, driver 525": (gpu(hosts.L4, "525.60.13"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "a10, 2.12": (gpu(nvidia("8.6", "NVIDIA A10"), "550.54.15"), cuda("==2.12.*"), "tensorflow==2.12.1 cuda 3.11.7", ""),
    "container without gpu, cuda": (Host(container="docker"), cuda(), "docker-no-gpu", "--gpus all"),
    "gpus hidden, cuda": (HIDDEN, cuda(), "gpu-no-device", "CUDA_VISIBLE_DEVICES"),
    "conda, k80": (gpu(hosts.K80, "470.256.02"), cuda(**CONDA), "gpu-arch-unsupported", "CPU"),
    "conda and no python": (Host(pythons=()), asked(**CONDA), "tensorflow==2.19.1 cpu (3.12)", ""),
    "conda on an intel mac": (INTEL, asked(**CONDA), "tensorflow==of the channel cpu (3.13)", ""),
    "m4, macos 15": (dataclasses.replace(MAC, os_version="15.6", pythons=("3.13.7",)), asked(), "tensorflow==2.21.0 cpu 3.13.7", ""),
    "m1, metal, macos 13": (dataclasses.replace(MAC, os_version="13.5"), asked(None, "metal"), "tensorflow==2.18.1 metal 3.12.1", ""),
    "m1, metal, python 3.9": (dataclasses.replace(MAC, pythons=("3.9.6",)), asked(None, "metal", **STAY), "tensorflow==2.18.1 metal 3.9.6", ""),
    "m1, an intel python first": (
        dataclasses.replace(MAC, pythons=(python("3.12.1", machine="x86_64"), python("3.11.9", machine="arm64"))), asked(**STAY), "tensorflow==2.21.0 cpu 3.11.9", ""),
    "intel mac, macos 12": (dataclasses.replace(INTEL, os_version="12.7.6", pythons=("3.11.9",)), asked(**STAY), "tensorflow==2.16.2 cpu 3.11.9", ""),
    "intel mac, macos 26": (dataclasses.replace(INTEL, os_version="26.0"), asked(), "tensorflow==2.16.2 cpu 3.12.1", ""),
    "numpy 1.24": (Host(), asked(**packages("numpy==1.24.*")), "tensorflow-cpu==2.17.1 cpu 3.11.7", ""),
    "keras 3.6": (Host(), asked(**packages("keras==3.6.*")), "tensorflow-cpu==2.19.1 cpu 3.12.1", ""),
    "text of 2.18": (Host(), asked(**packages("tensorflow-text==2.18.*")), "tensorflow-cpu==2.18.1 cpu 3.12.1", ""),
    "decision forests": (Host(), asked(**packages("tensorflow-decision-forests")), "tensorflow-cpu==2.19.0 cpu 3.12.1", ""),
    "march 2023": (Host(), asked(index={"exclude-newer": "2023-03-26"}), "tensorflow-cpu==2.12.0 cpu 3.11.7", ""),
    "august 2025": (Host(), asked(index={"exclude-newer": "2025-08-20"}), "tensorflow-cpu==2.20.0 cpu 3.13.0", ""),
    # and a fourth time: interpreters of every sort, hidden and mixed GPUs, forward compatibility, fleets
    "only a musl python": (Host(pythons=(python("3.12.1", libc=MUSL),)), asked(**STAY), "python-unsupported", "python.install"),
    "a musl python beside another": (Host(pythons=(python("3.13.0", libc=MUSL), "3.11.7")), asked(**STAY), "tensorflow-cpu==2.21.0 cpu 3.11.7", ""),
    "only an arm python on x86-64": (Host(pythons=(python("3.12.1", machine="aarch64"),)), asked(**STAY), "python-unsupported", "python.install"),
    "an arm python beside another": (Host(pythons=(python("3.13.0", machine="aarch64"), "3.10.13")), asked(**STAY), "tensorflow-cpu==2.21.0 cpu 3.10.13", ""),
    "only a broken python": (Host(pythons=(BROKEN,)), asked(**STAY), "python-broken", "python.install"),
    "a broken python beside another": (Host(pythons=(BROKEN, "3.10.13")), asked(**STAY), "tensorflow-cpu==2.21.0 cpu 3.10.13", ""),
    "the system's python alone": (Host(pythons=(owned("3.12.3"),)), asked(**STAY), "tensorflow-cpu==2.21.0 cpu 3.12.3", ""),
    "the system's python and an older patch of pyenv": (Host(pythons=(owned("3.12.9"), "3.12.1")), asked(), "tensorflow-cpu==2.21.0 cpu 3.12.1", ""),
    "the system's python is newer": (Host(pythons=(owned("3.13.5"), "3.11.7")), asked(), "tensorflow-cpu==2.21.0 cpu 3.13.5", ""),
    "only a pre-release of python 3.14": (Host(pythons=("3.14.0rc2",)), asked(**STAY), "python-unsupported", "3.13"),
    "graalpy beside cpython 3.9": (Host(pythons=(python("3.11.7", implementation="graalpy"), "3.9.18")), asked(**STAY), "tensorflow-cpu==2.20.0 cpu 3.9.18", ""),
    "a python that is not here": (Host(pythons=("3.9.18", "3.10.13")), asked(python={"version": "==3.12.*", "install": False}), "python-unsupported", "would install Python 3.12"),
    "h100, driver 525 with cuda-compat": (gpu(hosts.H100, "525.60.13", cuda="12.5"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "h100, driver 535 with cuda-compat 12.3": (gpu(hosts.H100, "535.54.03", cuda="12.3"), asked(), f"{CUDA}==2.17.1 cuda 3.12.1", ""),
    "v100, driver 470 with cuda-compat 12.2": (gpu(hosts.V100, "470.57.02", cuda="12.2"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "p100, driver 418": (gpu(hosts.P100, "418.226.00"), asked(), "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
    "rocky 8, a40": (gpu(A40, "535.161.08", libc=glibc("2.28"), pythons=("3.6.8",)), asked(), f"{CUDA}==2.21.0 cuda (3.13)", ""),
    "sles 15, a100": (gpu(hosts.A100, "550.54.15", libc=glibc("2.31"), pythons=("3.6.15", "3.11.9")), asked(), f"{CUDA}==2.21.0 cuda 3.11.9", ""),
    "centos 7, v100": (gpu(hosts.V100, "550.54.15", libc=glibc("2.17"), pythons=("3.6.8",)), asked(), f"{CUDA}==2.20.0 cuda (3.13)", ""),
    "amazon linux 2023, a10g": (gpu(nvidia("8.6", "NVIDIA A10G"), "550.163.01", libc=glibc("2.34"), pythons=("3.9.20",)), asked(), f"{CUDA}==2.20.0 cuda 3.9.20", ""),
    "h200, driver 570": (gpu(nvidia("9.0", "NVIDIA H200"), "570.133.20"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "gb200": (gpu(nvidia("10.0", "NVIDIA GB200"), "570.133.20", **ARM), asked(), "tensorflow==2.21.0 cpu 3.13.0", ""),
    "dgx spark, cuda": (gpu(nvidia("12.1", "NVIDIA GB10"), "580.95.05", **ARM), cuda(), "wheel-without-cuda", "container"),
    "two vgpus of l40s": (pair(L40S, L40S, "535.161.07-grid"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "h100 with a mig slice, driver 535": (gpu(H100_SLICE, "535.54.03"), asked(), f"{CUDA}==2.15.1 cuda 3.11.7", ""),
    "t4 visible, a100 hidden": (pair(hidden(hosts.A100), hosts.T4, "550.54.15", "1"), cuda(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "an old gpu hidden": (pair(hosts.T4, hidden(hosts.GTX980), "550.54.15", "0"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "a too new gpu hidden": (pair(hosts.RTX3090, hidden(hosts.RTX5090), "570.124.06", "0"), cuda(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "two gpus wanted, one hidden": (pair(hosts.T4, hidden(hosts.T4), "550.54.15", "0"), cuda(smoke={"require-gpus": 2}), "gpu-no-device", "make more GPUs visible"),
    "a lost gpu": (gpu(dataclasses.replace(hosts.A100, usable=False, health=("it is lost",)), "550.54.15"), cuda(), "gpu-unhealthy", ""),
    "computing prohibited": (gpu(dataclasses.replace(hosts.T4, compute_mode="prohibited"), "550.54.15"), cuda(), "gpu-no-device", "nvidia-smi -c DEFAULT"),
    "intel graphics beside a gtx 1660": (Host(gpus=(Gpu(index=0, name="Intel UHD 630", vendor="intel"), GTX1660), driver="550.54.15"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "amd beside nvidia, rocm": (Host(gpus=(hosts.RX7900, dataclasses.replace(hosts.T4, index=1)), driver="550.54.15"), asked(None, "rocm"), "tensorflow-rocm==2.14.0.600 rocm 3.11.7", ""),
    "nouveau": (gpu(nvidia(None, "GeForce GTX 1080"), None), asked(), "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
    "jetson xavier, its own python": (gpu(nvidia("7.2", "Xavier (nvgpu)"), "35.4.1", **ARM, libc=glibc("2.31"), pythons=("3.8.10",)), asked(**STAY), "tensorflow==2.13.1 cpu 3.8.10", ""),
    "jetson, metal": (gpu(hosts.ORIN, "540.3.0", **ARM), asked(None, "metal"), "metal-plugin-mismatch", "auto"),
    "container in wsl2": (gpu(RTX3060, "546.33", wsl=True, container="docker"), cuda(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "wsl2, gpu hidden": (gpu(hidden(RTX3060), "546.33", wsl=True, visible=(("CUDA_VISIBLE_DEVICES", ""),)), cuda(), "gpu-no-device", "CUDA_VISIBLE_DEVICES"),
    "windows server 2012 r2": (dataclasses.replace(WINDOWS, os_version="6.3.9600", pythons=("3.9.13",)), asked(**STAY), "tensorflow==2.20.0 cpu 3.9.13", ""),
    "windows with amd, 2.10 with cuda": (dataclasses.replace(WINDOWS, gpus=(hosts.RX7900,)), cuda("==2.10.*"), "windows-no-gpu", "WSL2"),
    "windows, numpy 1 and hub": (WINDOWS, asked(**packages("numpy<2", "tensorflow-hub")), "tensorflow==2.21.0 cpu 3.12.1", ""),
    "m1, macos 11, 2.10": (dataclasses.replace(MAC, os_version="11.7.10", pythons=("3.9.6",)), asked("==2.10.*"), "platform-no-wheel", ""),
    "m1, tfprov itself under rosetta": (dataclasses.replace(MAC, emulation="rosetta"), asked(), "tensorflow==2.21.0 cpu 3.13.0", ""),
    "intel mac, metal": (INTEL, asked(None, "metal"), "metal-plugin-mismatch", "auto"),
    "intel mac, macos 10.13": (dataclasses.replace(INTEL, os_version="10.13.6"), asked(), "tensorflow==2.7.4 cpu 3.9.18", ""),
    "ml_dtypes 0.3": (Host(), asked(**packages("ml-dtypes==0.3.*")), "tensorflow-cpu==2.17.1 cpu 3.12.1", ""),
    "keras 2.12": (Host(), asked(**packages("keras==2.12.*")), "tensorflow-cpu==2.12.1 cpu 3.11.7", ""),
    "pandas 1": (Host(), asked(**packages("pandas<2")), "tensorflow-cpu==2.21.0 cpu 3.11.7", ""),
    "tensorflow-io": (Host(), asked(**packages("tensorflow-io")), "tensorflow-cpu==2.17.1 cpu 3.12.1", ""),
    "addons, python 3.12 alone": (Host(pythons=("3.12.1",)), asked(**packages("tensorflow-addons"), **STAY), "python-unsupported", "3.9 to 3.11"),
    "numpy 2 and keras 2": (Host(), asked(**packages("numpy>=2", "keras<3")), "resolver-conflict", "without `"),
    "torch and numpy 2": (Host(), asked(**packages("torch", "numpy>=2")), "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
    # and a fifth time: systems too old for a downloaded Python, WSL1, Metal by name, Blackwell and its neighbours
    "amazon linux 1": (Host(libc=glibc("2.17"), pythons=("3.6.12",)), asked(), "tensorflow-cpu==2.20.0 cpu (3.13)", ""),
    "debian 8, its own python": (Host(libc=glibc("2.19"), pythons=("3.4.2",)), asked(**STAY), "python-unsupported", "python.install"),
    "ubuntu 16.04, 2.21": (Host(libc=glibc("2.23"), pythons=("3.5.2",)), asked("==2.21.*"), "glibc-too-old", "2.20.0"),
    "ubuntu 26.04": (Host(libc=glibc("2.43"), pythons=(owned("3.14.3"),)), asked(), "tensorflow-cpu==2.21.0 cpu (3.13)", ""),
    "ubuntu 26.04, its own python": (Host(libc=glibc("2.43"), pythons=(owned("3.14.3"),)), asked(**STAY), "python-unsupported", "2.22.0rc0"),
    "ubuntu 26.04, its own python, the pre-release": (
        Host(libc=glibc("2.43"), pythons=(owned("3.14.3"),)), asked(">=2.22.0rc0", **STAY), "tensorflow-cpu==2.22.0rc0 cpu 3.14.3", ""),
    "centos 6, where no python can be downloaded": (Host(libc=glibc("2.12"), pythons=("3.6.8",)), asked(), "tensorflow-cpu==2.6.2 cpu 3.6.8", ""),
    "centos 6, python 2.6 alone": (Host(libc=glibc("2.12"), pythons=("2.6.6",)), asked(), "python-unsupported", "3.7 to 3.10"),
    "centos 6, conda": (Host(libc=glibc("2.12"), pythons=()), asked(**CONDA), "glibc-too-old", "newer system"),
    "centos 6, wheels in a conda environment": (Host(libc=glibc("2.12")), asked(environment={"kind": "conda"}), "glibc-too-old", "newer system"),
    "centos 7, conda": (Host(libc=glibc("2.17"), pythons=()), asked(**CONDA), "tensorflow==2.19.1 cpu (3.12)", ""),
    "windows 7": (dataclasses.replace(WINDOWS, os_version="6.1.7601", pythons=("3.8.10",)), asked(), "tensorflow==2.13.0 cpu 3.8.10", ""),
    "windows 8.1 without python": (dataclasses.replace(WINDOWS, os_version="6.3.9600", pythons=()), asked(), "python-not-found", "3.10 to 3.13"),
    "centos 7 on arm": (Host(**ARM, libc=glibc("2.17"), pythons=("3.6.8",)), asked(), "tensorflow==2.20.0 cpu (3.13)", ""),
    "python of miniconda": (Host(pythons=(python("3.12.7", found_by="conda"),)), asked(), "tensorflow-cpu==2.21.0 cpu 3.12.7", ""),
    "free-threaded 3.14 alone": (Host(pythons=(python("3.14.0", free_threaded=True),)), asked(), "tensorflow-cpu==2.21.0 cpu (3.13)", ""),
    "python 3.8, 2.14": (Host(pythons=("3.8.18",)), asked("==2.14.*", **STAY), "python-unsupported", "3.9 to 3.11"),
    "32-bit process on a 64-bit arm": (Host(machine="armv8l", flags=()), asked(), "platform-no-wheel", "another machine"),
    "loongarch": (Host(machine="loongarch64", flags=()), asked(), "platform-no-wheel", "another machine"),
    "32-bit linux, conda": (Host(machine="i686", flags=hosts.SSE), asked(**CONDA), "platform-no-wheel", "another machine"),
    "raspberry pi os, 32 bit, conda": (Host(machine="armv7l", flags=()), asked(**CONDA), "platform-no-wheel", "another machine"),
    "atom": (OLD_XEON, asked(), "cpu-no-avx", 'conda.tensorflow = "conda"'),
    "celeron, wheels in a conda environment": (OLD_XEON, asked(environment={"kind": "conda"}), "cpu-no-avx", 'conda.tensorflow = "conda"'),
    "virtual machine without avx, with a t4, conda": (gpu(hosts.T4, "550.54.15", flags=hosts.SSE), asked(**CONDA), "tensorflow==2.19.1 cuda (3.12)", ""),
    "arm container on a mac": (Host(**ARM, container="docker", libc=glibc("2.36"), pythons=("3.12.11",)), asked(), "tensorflow==2.21.0 cpu 3.12.11", ""),
    "no c library that is recognised": (Host(**ARM, libc=None, pythons=("3.12.8",)), asked(), "glibc-too-old", "container"),
    "gt 710": (gpu(nvidia("3.5", "NVIDIA GeForce GT 710"), "470.256.02"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "gtx 780 ti, driver 390": (gpu(nvidia("3.5", "GeForce GTX 780 Ti"), "390.157"), cuda(), "gpu-driver-too-old", "450.80.02"),
    "quadro k620, driver 418": (gpu(nvidia("5.0", "Quadro K620"), "418.226.00"), cuda(), "gpu-driver-too-old", "450.80.02"),
    "titan v, driver 515": (gpu(nvidia("7.0", "TITAN V"), "515.105.01"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "jetson thor, cuda": (gpu(nvidia("11.0", "NVIDIA Thor"), "580.00", **ARM), cuda(), "wheel-without-cuda", "container"),
    "jetson tx2, its own python": (
        gpu(nvidia("6.2", "NVIDIA Tegra X2"), "32.7.1", **ARM, libc=glibc("2.27"), pythons=("3.6.9",)), asked(**STAY), "python-unsupported", "python.install"),
    "grace hopper, conda, cuda": (gpu(nvidia("9.0", "NVIDIA GH200 480GB"), "560.35.03", **ARM), cuda(**CONDA), "wheel-without-cuda", "CPU"),
    "b300": (gpu(B300, "580.95.05"), asked(), "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
    "b300, conda": (gpu(B300, "580.95.05"), cuda(**CONDA), "tensorflow==2.19.1 cuda (3.12)", ""),
    "rtx pro 6000": (gpu(nvidia("12.0", "NVIDIA RTX PRO 6000 Blackwell Server Edition"), "575.57.08"), cuda(), "gpu-arch-unsupported", "conda-forge"),
    "wsl2, rtx 5090, conda": (gpu(hosts.RTX5090, "572.16", wsl=True), asked(**CONDA), "tensorflow==2.19.1 cuda (3.12)", ""),
    "rtx 5090, 2.16": (gpu(hosts.RTX5090, "580.65.06"), asked("==2.16.*"), "tensorflow-cpu==2.16.2 cpu 3.12.1", ""),
    "a10, driver 515 with cuda-compat": (gpu(nvidia("8.6", "NVIDIA A10"), "515.65.01", cuda="12.5"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "rtx a6000, driver 470 with cuda-compat": (
        gpu(nvidia("8.6", "NVIDIA RTX A6000"), "470.57.02", cuda="12.5"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "vgpu of an a16": (gpu(nvidia("8.6", "NVIDIA A16-4Q"), "535.161.05-grid"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "vgpu of a t4, driver 470": (gpu(nvidia("7.5", "GRID T4-16C"), "470.199.02"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "gtx 960 beside gtx 1070": (pair(nvidia("5.2", "GTX 960"), nvidia("6.1", "GTX 1070"), "535.183.01"), asked(), f"{CUDA}==2.16.2 cuda 3.12.1", ""),
    "mi50, rocm, 2.15": (Host(gpus=(Gpu(index=0, name="AMD Instinct MI50", vendor="amd"),)), asked("==2.15.*", "rocm"), "rocm", "2.14.0"),
    "intel arc, cuda": (Host(gpus=(Gpu(index=0, name="Intel Arc A770", vendor="intel"),)), cuda(), "gpu-no-driver", "CPU"),
    "h100, driver 520": (gpu(hosts.H100, "520.61.05"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "h100, january 2024": (gpu(hosts.H100, "550.54.15"), asked(index={"exclude-newer": "2024-01-01"}), f"{CUDA}==2.15.0.post1 cuda 3.11.7", ""),
    "a100, october 2023": (gpu(hosts.A100, "535.104.05"), asked(index={"exclude-newer": "2023-10-15"}), f"{CUDA}==2.14.0 cuda 3.10.13", ""),
    "a100, june 2022": (gpu(hosts.A100, "515.43.04"), asked(index={"exclude-newer": "2022-06-20"}), "tensorflow-cpu==2.9.1 cpu 3.10.13", ""),
    "h100, driver 535, a gpu demanded of 2.21": (
        gpu(hosts.H100, "535.104.05"), asked("==2.21.*", smoke={"require-gpus": 1}), "gpu-driver-too-old", "555.42.02"),
    "wsl1, cuda": (Host(wsl=True, os_version="4.4.0-19041-Microsoft"), cuda(), "gpu-no-driver", "wsl --set-version"),
    "wsl1": (Host(wsl=True, os_version="4.4.0-19041-Microsoft"), asked(), "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
    "32-bit windows": (dataclasses.replace(WINDOWS, machine="i686"), asked(), "platform-no-wheel", "another machine"),
    "windows on arm, x64 python": (
        dataclasses.replace(WINDOWS, machine="arm64", pythons=(python("3.12.10", machine="AMD64"),)), asked(), "platform-no-wheel", "inside WSL2: TensorFlow 2.21.0"),
    "m2, metal, numpy 2": (MAC, asked(None, "metal", **packages("numpy>=2")), "tensorflow==2.18.1 metal 3.12.1", ""),
    "m2, metal, 2.13": (MAC, asked("==2.13.*", "metal"), "tensorflow==2.13.1 metal 3.11.7", ""),
    "m2, metal by name": (MAC, asked(**packages("tensorflow", "tensorflow-metal")), "tensorflow==2.18.1 metal 3.12.1", ""),
    "m2, metal 1.1 by name": (MAC, asked(**packages("tensorflow-macos", "tensorflow-metal==1.1.0")), "tensorflow==2.17.1 metal 3.11.7", ""),
    "m2, metal by name, 2.20": (MAC, asked("==2.20.*", **packages("tensorflow-metal")), "metal-plugin-mismatch", "2.18.1"),
    "metal by name, for macs alone": (Host(), asked(**packages("tensorflow-metal; sys_platform == 'darwin'")), "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
    "m1, metal, python 3.13": (dataclasses.replace(MAC, pythons=("3.13.1",)), asked(None, "metal", **STAY), "python-unsupported", "3.9 to 3.12"),
    "m3, 2.12": (MAC, asked("==2.12.*"), "platform-no-wheel", "2.13.0"),
    "intel mac, text": (INTEL, asked(**packages("tensorflow-text")), "tensorflow==2.16.2 cpu 3.11.7", ""),
    "2.4 exactly": (Host(pythons=ALL), asked("==2.4"), "tensorflow-cpu==2.4.0 cpu 3.8.18", ""),
    "compatible with 2.15.0": (Host(), asked("~=2.15.0"), "tensorflow-cpu==2.15.1 cpu 3.11.7", ""),
    "compatible with 2.15": (Host(), asked("~=2.15"), "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
    "tensorflow 1 on new pythons": (Host(), asked("<2"), "python-unsupported", "3.6 to 3.7"),
    "all but 2.21.0": (Host(), asked(">=2.16,!=2.21.0"), "tensorflow-cpu==2.20.0 cpu 3.13.0", ""),
    "built for later, on arm": (Host(**ARM), cuda(smoke={"gpu": "later"}), "wheel-without-cuda", "CPU"),
    "built for later, old c library": (Host(libc=glibc("2.17")), cuda(smoke={"gpu": "later"}), f"{CUDA}==2.20.0 cuda 3.13.0", ""),
    "conda, 2.16": (Host(), asked("==2.16.*", **CONDA), "tensorflow==2.16.* cpu (3.12)", ""),
    "text of 2.21 on graviton": (Host(**ARM), asked(**packages("tensorflow-text==2.21.*")), "tensorflow==2.21.0 cpu 3.13.0", ""),
    # and a sixth time: containers of every kind, named interpreters, mixed generations, two constraints at once
    "rocky 9, python 3.12 of its modules": (
        Host(libc=glibc("2.34"), pythons=(owned("3.9.18"), python("3.12.5", path="/usr/bin/python3.12"))), asked(), "tensorflow-cpu==2.21.0 cpu 3.12.5", ""),
    "free-threaded beside the same version": (
        Host(pythons=(python("3.13.4", free_threaded=True, path="/free/python3.13t"), "3.13.1")), asked(), "tensorflow-cpu==2.21.0 cpu 3.13.1", ""),
    "python 3.14 and the pre-release": (Host(pythons=("3.14.0",)), asked(">=2.22.0rc0", python={"version": ">=3.14"}), "tensorflow-cpu==2.22.0rc0 cpu 3.14.0", ""),
    "a named pypy": (
        Host(pythons=(python("3.10.14", implementation="pypy"), "3.12.1")), asked(python={"path": "/opt/python/3.10.14/bin/python"}),
        "python-unsupported", "without `python.path`, TensorFlow 2.21.0 on Python 3.12 would fit"),
    "a named python that is not here": (Host(), asked(python={"path": "/nowhere/python"}), "python-not-found", "without `python.path`, TensorFlow 2.21.0 on Python 3.13 would fit"),
    "a named python in a virtual environment": (
        Host(pythons=(python("3.11.2", virtual=True), "3.13.0")), asked(python={"path": "/opt/python/3.11.2/bin/python"}), "tensorflow-cpu==2.21.0 cpu 3.11.2", ""),
    "python 3.7 demanded, not here": (
        Host(pythons=("3.12.1",)), asked(python={"version": "==3.7.*"}), "python-unsupported", "install Python 3.7 first, which cannot be downloaded"),
    "before 3.9, downloaded": (Host(pythons=("3.12.1",)), asked(python={"version": "<3.9"}), "tensorflow-cpu==2.13.1 cpu (3.8)", ""),
    "centos 7, miniconda": (Host(libc=glibc("2.17"), pythons=(python("3.11.5", found_by="conda"),)), asked(), "tensorflow-cpu==2.20.0 cpu 3.11.5", ""),
    "alpine with a t4, cuda": (gpu(hosts.T4, "550.54.15", libc=MUSL), cuda(), "musl-libc", "glibc"),
    "arm image on x86-64": (Host(**ARM, emulation="qemu"), asked(), "tensorflow==2.21.0 cpu 3.13.0", ""),
    "virtual machine on a mac, rosetta with avx": (Host(emulation="rosetta"), asked(), "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
    "tensorflow 1 without avx": (Host(flags=hosts.SSE, pythons=ALL), asked("<2"), "cpu-no-avx", "another machine"),
    "driver 590 sees no pascal": (Host(driver="590.44.01", cuda="13.1"), cuda(), "gpu-no-device", "580"),
    "p40, 2.18": (gpu(nvidia("6.1", "Tesla P40"), "550.127.05"), cuda("==2.18.*"), f"{CUDA}==2.18.1 cuda 3.12.1", ""),
    "k80, 2.11": (gpu(hosts.K80, "470.256.02"), cuda("==2.11.*"), "tensorflow==2.11.1 cuda 3.10.13", ""),
    "h100, driver 550, 2.21": (gpu(hosts.H100, "550.127.08"), cuda("==2.21.*"), "gpu-driver-too-old", "TensorFlow 2.17.1 is the newest"),
    "a100 beside h100, driver 535": (pair(hosts.A100, hosts.H100, "535.161.08"), asked(), f"{CUDA}==2.15.1 cuda 3.11.7", ""),
    "v100 beside b200": (pair(hosts.V100, hosts.B200, "575.57.08"), cuda(), "gpu-arch-unsupported", "`CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=0`"),
    "driver of a distribution": (gpu(hosts.RTX3090, "535.183.06-1ubuntu1"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "t4, driver 450 with cuda-compat 12.2": (gpu(hosts.T4, "450.51.06", cuda="12.2"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "t4, driver 418 with cuda-compat 11.8": (gpu(hosts.T4, "418.226.00", cuda="11.8"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "wsl2, gtx 970": (gpu(hosts.GTX970, "552.44", wsl=True), asked(), f"{CUDA}==2.16.2 cuda 3.12.1", ""),
    "apptainer without --nv": (Host(container="apptainer"), cuda(), "docker-no-gpu", "`--nv`"),
    "pod without gpu": (Host(container="kubernetes"), cuda(), "docker-no-gpu", "`nvidia.com/gpu`"),
    "podman without gpu": (Host(container="podman"), cuda(), "docker-no-gpu", "`--device nvidia.com/gpu=all`"),
    "lxc without gpu": (Host(container="lxc"), cuda(), "docker-no-gpu", "device files"),
    "container without the compute capability": (
        gpu(hosts.T4, "550.54.15", container="docker", problem=Problem(code="docker-no-gpu", why="the container has no libcuda.so.1: NVIDIA_DRIVER_CAPABILITIES lacks `compute`")),
        cuda(), "docker-no-gpu", "NVIDIA_DRIVER_CAPABILITIES=compute,utility"),
    "dgx spark, conda, cuda": (gpu(nvidia("12.1", "NVIDIA GB10"), "580.95.05", **ARM), cuda(**CONDA), "wheel-without-cuda", "use NVIDIA's container for this platform; or"),
    "mi300x, cuda": (Host(gpus=(MI300X,)), cuda(), "gpu-no-driver", 'for AMD Instinct MI300X, set `tensorflow.accelerator = "rocm"`'),
    "mi300x, rocm, python 3.12 alone": (Host(gpus=(MI300X,), pythons=("3.12.1",)), asked(None, "rocm", **STAY), "python-unsupported", "3.9 to 3.11"),
    "mi300x, rocm, 2.13": (Host(gpus=(MI300X,)), asked("==2.13.*", "rocm"), "tensorflow-rocm==2.13.1.600 rocm 3.11.7", ""),
    "built for later, 2.14": (Host(), cuda("==2.14.*", smoke={"gpu": "later"}), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "windows, io": (WINDOWS, asked(**packages("tensorflow-io")), "tensorflow==2.11.1 cpu 3.10.13", ""),
    "windows, python 3.8 alone, numpy 1.25": (dataclasses.replace(WINDOWS, pythons=("3.8.10",)), asked(**packages("numpy>=1.25"), **STAY), "python-unsupported", "3.10 to 3.13"),
    "m2, tensorflow-macos 2.12": (MAC, asked(**packages("tensorflow-macos==2.12.0")), "platform-no-wheel", "2.13.0"),
    "m1, a gpu demanded": (MAC, asked(smoke={"require-gpus": 1}), "wheel-without-cuda", "metal"),
    "m1, june 2023": (MAC, asked(index={"exclude-newer": "2023-06-01"}), "version-not-available", "2023-07-05"),
    "intel mac, keras 2": (INTEL, asked(**packages("keras<3")), "tensorflow==2.15.1 cpu 3.11.7", ""),
    "numpy before 1.24": (Host(), asked(**packages("numpy<1.24")), "tensorflow-cpu==2.17.1 cpu 3.11.7", ""),
    "numpy 1.21": (Host(), asked(**packages("numpy==1.21.*")), "tensorflow-cpu==2.11.1 cpu 3.10.13", ""),
    "numpy 1.19": (Host(), asked(**packages("numpy==1.19.5")), "tensorflow-cpu==2.7.4 cpu 3.9.18", ""),
    "protobuf 5": (Host(), asked(**packages("protobuf>=5,<6")), "tensorflow-cpu==2.20.0 cpu 3.13.0", ""),
    "protobuf before 3.20": (Host(), asked(**packages("protobuf<3.20")), "tensorflow-cpu==2.11.1 cpu 3.10.13", ""),
    "keras 3.3": (Host(), asked(**packages("keras==3.3.3")), "tensorflow-cpu==2.17.1 cpu 3.12.1", ""),
    "h5py 2": (Host(pythons=ALL), asked(**packages("h5py<3")), "tensorflow-cpu==2.13.1 cpu 3.8.18", ""),
    "pandas 1.3": (Host(), asked(**packages("pandas==1.3.*")), "tensorflow-cpu==2.21.0 cpu 3.10.13", ""),
    "2.15.0 with cuda": (T4, cuda("==2.15"), "known-bad-release", "2.15.1"),
    "june 2020": (Host(pythons=ALL), asked(index={"exclude-newer": "2020-06-01"}), "tensorflow-cpu==2.2.0 cpu 3.8.18", ""),
    "numpy 2 in september 2024": (Host(), asked(**packages("numpy>=2"), index={"exclude-newer": "2024-09-01"}), "resolver-conflict", "without `numpy>=2`"),
    "h100, driver 535, numpy 2": (gpu(hosts.H100, "535.161.08"), asked(**packages("numpy>=2")), "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
    "h100, driver 535, numpy 2, cuda": (gpu(hosts.H100, "535.161.08"), cuda(**packages("numpy>=2")), "resolver-conflict", "without `numpy>=2`"),
    "m60, python 3.13 alone": (gpu(M60, "535.183.01", pythons=("3.13.0",)), asked(**STAY), "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
    "m60, python 3.13 alone, cuda": (gpu(M60, "535.183.01", pythons=("3.13.0",)), cuda(**STAY), "python-unsupported", "3.9 to 3.12"),
    "k80, python 3.12 alone": (gpu(hosts.K80, "470.256.02", pythons=("3.12.1",)), asked(), f"{CUDA}==2.14.1 cuda (3.10)", ""),
    "k80, python 3.11 alone, cuda": (gpu(hosts.K80, "470.256.02", pythons=("3.11.7",)), cuda(**STAY), "tensorflow==2.13.1 cuda 3.11.7", ""),
    "centos 7, h100, driver 550": (gpu(hosts.H100, "550.54.15", libc=glibc("2.17"), pythons=("3.6.8",)), asked(), f"{CUDA}==2.17.1 cuda (3.12)", ""),
    "a100, driver 470, keras 2": (gpu(hosts.A100, "470.57.02"), asked(**packages("keras<3")), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "a100, driver 470, text of 2.15": (gpu(hosts.A100, "470.57.02"), asked(**packages("tensorflow-text==2.15.*")), "tensorflow-cpu==2.15.1 cpu 3.11.7", ""),
    "t4, cuda, june 2022": (T4, cuda(index={"exclude-newer": "2022-06-01"}), "gpu-libs-missing", "CPU"),
    "wsl2, driver 512, addons": (gpu(RTX3060, "512.95", wsl=True), asked(**packages("tensorflow-addons")), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "a b200 hidden, numpy 1": (pair(hosts.A100, hidden(hosts.B200), "575.57.08", "0"), asked(**packages("numpy<2")), f"{CUDA}==2.21.0 cuda 3.12.1", ""),
    # and a seventh time, after what the sixth showed
    "fedora rawhide": (Host(libc=glibc("2.42.9000"), pythons=("3.13.7",)), asked(), "tensorflow-cpu==2.21.0 cpu 3.13.7", ""),
    "debian 9, a suffix of the c library": (Host(libc=glibc("2.24-11+deb9u4"), pythons=("3.9.2",)), asked(), "tensorflow-cpu==2.20.0 cpu 3.9.2", ""),
    "windows calls itself amd64": (dataclasses.replace(WINDOWS, machine="AMD64", pythons=("3.12.8",)), asked(), "tensorflow==2.21.0 cpu 3.12.8", ""),
    "a100 of unknown capability": (gpu(nvidia("N/A", "NVIDIA A100-SXM4-40GB"), "535.129.03"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "h100, driver 555, python 3.9 alone": (gpu(hosts.H100, "555.42.06", pythons=("3.9.18",)), asked(), f"{CUDA}==2.20.0 cuda 3.9.18", ""),
    "l4, driver 545, centos 7": (gpu(hosts.L4, "545.23.08", libc=glibc("2.17")), asked(), f"{CUDA}==2.20.0 cuda 3.13.0", ""),
    "k80, python 3.8 alone": (gpu(hosts.K80, "470.256.02", pythons=("3.8.18",)), asked(**STAY), "tensorflow==2.13.1 cuda 3.8.18", ""),
    "k80, python 3.8 alone, cuda": (gpu(hosts.K80, "470.256.02", pythons=("3.8.18",)), cuda(**STAY), "tensorflow==2.13.1 cuda 3.8.18", ""),
    "t4, python 3.14, the pre-release": (gpu(hosts.T4, "550.54.15", pythons=("3.14.0",)), asked(">=2.22.0rc0"), f"{CUDA}==2.22.0rc0 cuda 3.14.0", ""),
    "a100, numpy before 1.24": (gpu(hosts.A100, "535.54.03"), asked(**packages("numpy<1.24")), f"{CUDA}==2.17.1 cuda 3.11.7", ""),
    "t4, keras 2.13": (T4, asked(**packages("keras==2.13.*")), "tensorflow==2.13.1 cuda 3.11.7", ""),
    "t4, before 2.16, protobuf 4.25": (T4, asked("<2.16", **packages("protobuf>=4.25")), f"{CUDA}==2.15.1 cuda 3.11.7", ""),
    "m1, macos 11, 2.13": (dataclasses.replace(MAC, os_version="11.7.10"), asked("==2.13.*"), "platform-no-wheel", "update the operating system"),
    "m1, metal, keras 2": (MAC, asked(None, "metal", **packages("keras<3")), "tensorflow==2.15.1 metal 3.11.7", ""),
    "m1, metal, python 3.13 alone, another downloaded": (dataclasses.replace(MAC, pythons=("3.13.0",)), asked(None, "metal"), "tensorflow==2.18.1 metal (3.12)", ""),
    "windows, decision forests": (WINDOWS, asked(**packages("tensorflow-decision-forests")), "resolver-conflict", "without `tensorflow-decision-forests`"),
    "graviton, decision forests": (Host(**ARM), asked(**packages("tensorflow-decision-forests")), "resolver-conflict", "without `tensorflow-decision-forests`"),
    "windows, 2.10, python 3.11 alone": (dataclasses.replace(WINDOWS, pythons=("3.11.9",)), asked("==2.10.*", **STAY), "python-unsupported", "3.7 to 3.10"),
    "2.5 in july 2021": (Host(pythons=ALL), asked("==2.5.*", index={"exclude-newer": "2021-07-01"}), "tensorflow-cpu==2.5.0 cpu 3.9.18", ""),
    "numpy 2 beside tf-keras of 2.16": (Host(), asked(**packages("numpy>=2", "tf-keras==2.16.*")), "resolver-conflict", "without `"),
    "conda, cuda, container without gpu": (Host(container="docker", pythons=()), cuda(**CONDA), "docker-no-gpu", "--gpus all"),
    "mi300x, a gpu demanded": (Host(gpus=(MI300X,)), asked(smoke={"require-gpus": 1}), "gpu-no-driver", "rocm"),
    "quantum": (T4, asked(**packages("tensorflow-quantum")), f"{CUDA}==2.18.1 cuda 3.12.1", ""),
    "quantum, before 2.16": (Host(), asked("<2.16", **packages("tensorflow-quantum")), "tensorflow-cpu==2.15.0 cpu 3.11.7", ""),
    "quantum on graviton": (Host(**ARM), asked(**packages("tensorflow-quantum")), "resolver-conflict", "without `tensorflow-quantum`"),
    "data validation, python 3.9 alone": (Host(pythons=("3.9.18",)), asked(**packages("tensorflow-data-validation"), **STAY), "tensorflow-cpu==2.20.0 cpu 3.9.18", ""),
    "tensorflow-gpu of 2.15": (T4, asked(**packages("tensorflow-gpu==2.15.*")), f"{CUDA}==2.15.1 cuda 3.11.7", ""),
    # and an eighth time: what is known of a GPU is its name, builds that came later, edited facts
    "h100 by its name, driver 550": (gpu(nvidia(None, "NVIDIA H100 PCIe"), "550.54.15"), asked(), f"{CUDA}==2.17.1 cuda 3.12.1", ""),
    "b200 by its name": (gpu(nvidia("[N/A]", "NVIDIA B200"), "570.124.06"), cuda(), "gpu-arch-unsupported", "conda-forge"),
    "h100 without a driver": (gpu(nvidia(None, "NVIDIA H100 80GB HBM3"), None), cuda(), "gpu-no-driver", "install an NVIDIA driver of 555.42.02 or newer"),
    "m60 without a driver, 2.16": (gpu(nvidia(None, "Tesla M60"), None), cuda("==2.16.*"), "gpu-no-driver", "525.60.13"),
    "b200 without a driver": (gpu(nvidia(None, "NVIDIA B200"), None), cuda(), "gpu-no-driver", "install an NVIDIA driver; "),
    "mi210, rocm, 2023": (
        Host(gpus=(Gpu(index=0, name="AMD Instinct MI210", vendor="amd"),)), asked(None, "rocm", index={"exclude-newer": "2023-12-31"}),
        "rocm", '`index.exclude-newer = "2024-01-10"` would allow TensorFlow 2.14.0'),
    "m2, metal, june 2023": (
        MAC, asked(None, "metal", index={"exclude-newer": "2023-06-01"}), "version-not-available", "2023-07-05"),
    "centos 7, a name beside the c library": (Host(libc=glibc("2.17 (CentOS 7)")), asked(), "tensorflow-cpu==2.20.0 cpu 3.13.0", ""),
    "ubuntu 22.04, 2.1": (
        Host(libc=glibc("2.35"), pythons=("3.10.12",)), asked("==2.1.*"), "python-unsupported", "install Python 3.7 first, which cannot be downloaded"),
    "container on a machine with a t4": (gpu(nvidia(None, "Tesla T4"), None, container="docker"), cuda(), "docker-no-gpu", "--gpus all"),
    "a branch in place of a driver": (gpu(hosts.A100, "R550"), asked(), f"{CUDA}==2.21.0 cuda 3.13.0", ""),
    "h100 in the words of pci.ids": (gpu(nvidia(None, "GH100 [H100 PCIe]"), None), cuda(), "gpu-no-driver", "555.42.02"),
    "titan rtx, driver 515 with cuda-compat": (gpu(nvidia("7.5", "TITAN RTX"), "515.65.01", cuda="12.5"), asked(), f"{CUDA}==2.14.1 cuda 3.10.13", ""),
    "cublas of 2.17": (gpu(hosts.A100, "550.54.15"), asked(**packages("nvidia-cublas-cu12==12.3.4.1")), f"{CUDA}==2.17.1 cuda 3.12.1", ""),
    "cudnn 9.11 on a v100": (gpu(hosts.V100, "550.54.15"), cuda("==2.20.*", **packages("nvidia-cudnn-cu12>=9.11")), "resolver-conflict", "without `nvidia-cudnn-cu12>=9.11`"),
    "setuptools 81 beside 2.20": (Host(), asked("==2.20.*", **packages("setuptools>=81")), "resolver-conflict", "2.21.0"),
    "pandas 3, python 3.10 alone": (Host(pythons=("3.10.13",)), asked(**packages("pandas>=3")), "tensorflow-cpu==2.21.0 cpu (3.13)", ""),
    "ml_dtypes 0.5 before 2.18": (Host(), asked("<2.18", **packages("ml-dtypes>=0.5")), "tensorflow-cpu==2.13.1 cpu 3.11.7", ""),
    "2.13.1 on windows with python 3.8": (
        dataclasses.replace(WINDOWS, pythons=("3.8.10",)), asked("==2.13.1", **STAY), "python-unsupported", "TensorFlow 2.13.0 on Python 3.8 would fit"),
    "intel mac, macos 10.14, 2.12": (dataclasses.replace(INTEL, os_version="10.14.6"), asked("==2.12.*"), "platform-no-wheel", "update the operating system"),
    "february 2022": (Host(pythons=ALL), asked(index={"exclude-newer": "2022-02-01"}), "tensorflow-cpu==2.7.0 cpu 3.9.18", ""),
    "the c library with its name": (Host(libc=glibc("glibc 2.31")), asked(), "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
}  # fmt: skip

GB = 1_000_000_000
# Machine, free bytes, free inodes, memory, what is right, and what the hint must say.
ROOM: dict[str, tuple[Host, int, int | None, int, str, str]] = {
    "3 GB for cuda": (T4, 3 * GB, None, 16 * GB, "disk-full", "for the CPU"),
    "1 GB": (Host(), GB, None, 16 * GB, "disk-full", "TFPROV_HOME"),
    "1 GB on a mac": (MAC, GB, None, 16 * GB, "disk-full", "TFPROV_HOME"),
    "few inodes": (Host(), 50 * GB, 5000, 16 * GB, "disk-full", "remove files"),
    "128 MB of memory": (Host(), 50 * GB, None, GB // 8, "oom-killed", "memory"),
    "3 GB on a mac": (MAC, 3 * GB, None, 8 * GB, "tensorflow==2.21.0 cpu 3.13.0", ""),
    "2 GB of memory": (Host(), 50 * GB, None, 2 * GB, "tensorflow-cpu==2.21.0 cpu 3.13.0", ""),
    "enough": (T4, 20 * GB, 10**6, 4 * GB, f"{CUDA}==2.21.0 cuda 3.13.0", ""),
}


def answer(profile: Profile, facts: Facts) -> tuple[str, str]:
    """The decision or the code, and the hint."""

    def plan(asked: Profile) -> Plan:
        return decide(asked, facts, table(), None)

    cpu = profile.model_copy(update={"tensorflow": profile.tensorflow.model_copy(update={"accelerator": "cpu"})})
    try:
        decision = with_room(plan(profile), facts, table(), lambda: plan(cpu)).decision
    except TfprovError as error:
        return error.code.name, error.hint
    tensorflow, chosen = decision.tensorflow, decision.python
    extras = f"[{','.join(tensorflow.extras)}]" if tensorflow.extras else ""
    version = chosen.version if chosen.path else f"({chosen.version})"
    return f"{tensorflow.package}{extras}=={tensorflow.version} {tensorflow.accelerator} {version}", ""


@pytest.mark.parametrize("name", CASES)
def test_the_answer_is_right(name: str) -> None:
    host, document, expected, said = CASES[name]
    found, hint = answer(Profile.model_validate({"name": "unseen", **document}), host.facts)
    assert found == expected, hint
    assert said in hint


@pytest.mark.parametrize("name", ROOM)
def test_the_answer_is_right_where_room_is_tight(name: str) -> None:
    host, free, inodes, memory, expected, said = ROOM[name]
    disk = Disk(purpose="data", path="/data", device="1", free_bytes=free, free_files=inodes)
    facts = dataclasses.replace(
        host.facts, disks=Fact(value=(disk,), source="statvfs"), memory_bytes=Fact(value=memory, source="cgroup")
    )
    found, hint = answer(Profile.model_validate({"name": "unseen"}), facts)
    assert found == expected, hint
    assert said in hint
