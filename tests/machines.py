"""Random machines and profiles: what decisions must hold for is more than anybody lists.

They come from a seed that hypothesis draws: to draw a machine part by part would take longer than the decision.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from random import Random
from typing import Any, TypeVar

from hypothesis import strategies as st

import hosts
from hosts import Host, nvidia, python
from tfprov.host.records import Gpu, Interpreter, Libc, Problem
from tfprov.profile.records import Profile

T = TypeVar("T")

KEPLER = nvidia("3.0", "GeForce GTX 680")
GTX750 = nvidia("5.0", "GeForce GTX 750 Ti")
GPUS = (
    *(KEPLER, hosts.K80, GTX750, hosts.GTX980, hosts.P100, hosts.GTX1080, hosts.V100, hosts.T4, hosts.A100),
    *(hosts.RTX3090, hosts.RTX4090, hosts.L4, hosts.H100, hosts.B200, hosts.RTX5090, nvidia(None, "NVIDIA GPU")),
)
# Around the floors of CUDA 11, 12 and 13 and of single toolkits, where an answer changes.
DRIVERS = (
    *("367.57", "390.157", "418.87", "440.33.01", "450.80.01", "450.80.02", "460.27.03", "470.256.02", "515.105.01"),
    *("525.60.11", "525.60.13", "528.32", "528.33", "535.183.01", "550.54.15", "555.42.02", "560.35.03", "570.124.06"),
    *("575.57.08", "580.65.06", "595.45.04"),
)
PROBLEMS = (
    Problem(code="gpu-driver-mismatch", why="kernel module 550.54.15, library 550.90.07"),
    Problem(code="wsl-libcuda", why="`/usr/lib/wsl/lib` is not on the library path"),
)
MINORS = ("3.6.15", "3.7.16", "3.8.18", "3.9.18", "3.10.13", "3.11.7", "3.12.1", "3.13.0", "3.14.0")
ODD: tuple[Interpreter, ...] = (
    python("3.13.0", free_threaded=True, path="/opt/free/bin/python3.13t"),
    python("3.12.1", bits=32, machine="i686", path="/opt/small/bin/python3.12"),
    python("3.10.14", implementation="pypy", path="/opt/pypy/bin/pypy3"),
    python("3.14.0rc2", path="/opt/next/bin/python3.14"),
    python("3.12.3", externally_managed=True, path="/usr/bin/python3.12"),
    python("3.11.2", virtual=True, path="/home/me/venv/bin/python"),
    python("3.12.1", machine="aarch64", path="/opt/arm/bin/python3.12"),
    python("3.11.7", machine="x86_64", path="/opt/intel/bin/python3.11"),
    python("", problem=Problem(code="python-broken", why="it does not start"), path="/opt/broken/bin/python"),
    python("3.11.9", libc=Libc(kind="glibc", version="2.17"), path="/opt/old/bin/python3.11"),
)
MACOS = ("10.13.6", "10.15.7", "11.7.10", "12.0", "12.7.6", "13.6", "14.5", "15.1", "26.0")
GLIBCS = ("2.5", "2.12", "2.17", "2.23", "2.26", "2.27", "2.28", "2.31", "2.35", "2.39", "2.41")
ARM_FLAGS = ("fp", "asimd")


class Draw(Random):
    """Choices, most of them what is common."""

    def often(self, common: T, *rare: T) -> T:
        """One value three times out of four, another one now and then."""
        return common if self.random() < 0.75 else self.choice(rare)

    def some(self, values: Sequence[T], most: int) -> list[T]:
        """A few of the values, each once."""
        return self.sample(list(values), self.randint(0, most))


def _linux(draw: Draw) -> Host:
    machine = draw.often("x86_64", "aarch64", "aarch64", "i686", "ppc64le")
    musl = draw.random() < 0.04
    return Host(
        machine=machine,
        libc=Libc(kind="musl", version="1.2.4") if musl else Libc(kind="glibc", version=draw.choice(GLIBCS)),
        flags=draw.often(hosts.AVX2, hosts.AVX2, hosts.SSE, ()) if machine == "x86_64" else ARM_FLAGS,
        emulation="qemu" if draw.random() < 0.05 else None,
        container=draw.often(None, "docker", "podman"),
        wsl=machine == "x86_64" and draw.random() < 0.15,
        **_graphics(draw),
    )


def _graphics(draw: Draw) -> dict[str, Any]:
    """GPUs with their driver, as facts tell of them: without a driver nothing but a name is known."""
    found = draw.choices(GPUS, k=draw.choice((0, 1, 1, 2, 3)))
    driver = draw.choice(DRIVERS) if draw.random() < (0.85 if found else 0.15) else None
    gpus: list[Gpu] = []
    for index, each in enumerate(found):
        changes: dict[str, Any] = {"index": index, "uuid": f"GPU-{index}"}
        if driver is None:
            changes["compute_capability"] = None
        elif draw.random() < 0.15:
            changes |= draw.choice(
                ({"visible": False}, {"compute_mode": "prohibited"}, {"usable": False, "health": ("it is lost",)})
            )
        gpus.append(dataclasses.replace(each, **changes))
    if draw.random() < 0.15:
        gpus.append(dataclasses.replace(hosts.RX7900, index=len(gpus)))
    visible = ",".join(str(gpu.index) for gpu in gpus if gpu.visible)
    hidden = any(not gpu.visible for gpu in gpus)
    return {
        "gpus": tuple(gpus),
        "driver": driver,
        "problem": draw.choice(PROBLEMS) if driver is not None and draw.random() < 0.08 else None,
        "visible": (("CUDA_VISIBLE_DEVICES", visible),) if hidden else (),
    }


def machine(seed: int) -> Host:
    """A machine of any kind, with its interpreters."""
    draw = Draw(seed)
    kind = draw.choice(("linux",) * 6 + ("mac", "intel mac", "windows"))
    if kind == "linux":
        host = _linux(draw)
        if host.wsl and draw.random() < 0.2:
            # WSL1 has no GPU.
            host = dataclasses.replace(host, os_version="4.4.0-19041-Microsoft", gpus=(), driver=None, problem=None)
    elif kind == "mac":
        host = dataclasses.replace(hosts.MAC_ARM, os_version=draw.choice(MACOS[2:]))
    elif kind == "intel mac":
        host = dataclasses.replace(hosts.MAC_INTEL, os_version=draw.choice(MACOS))
    else:
        host = dataclasses.replace(
            hosts.WINDOWS,
            machine=draw.often("x86_64", "arm64"),
            os_version=draw.choice(("6.1.7601", "6.3.9600", "10.0.17763", "10.0.22631", "10.0.26100")),
            gpus=draw.choice(((), (hosts.RTX4090,))),
        )
    odd = draw.some(ODD, 2) if draw.random() < 0.5 else []
    return dataclasses.replace(host, pythons=(*draw.some(MINORS, 5), *odd))


VERSIONS = (
    *("==1.15.*", "==2.0.*", "==2.4.*", "<2.7", "==2.9.*", "==2.10.*", "==2.11.1", "==2.12.*", "==2.13.*", "==2.14.*"),
    *("==2.15.0", "==2.15.*", "==2.16.1", "==2.16.*", "==2.17.*", "<2.18", "==2.18.*", "==2.19.*", "==2.20.*"),
    *("==2.21.*", ">=2.16", ">=2.20", ">=2.22.0rc0", "==2.99.*", "==1.14.0", "<2.0"),
)
PYTHON_RANGES = (
    *("==3.6.*", "==3.8.*", "==3.9.*", "==3.11.*", "==3.12.*", "==3.13.*", "==3.14.*", ">=3.10,<3.13", ">=3.12.4"),
)
DAYS = ("2019-01-01", "2021-06-30", "2022-12-31", "2023-06-01", "2024-05-01", "2025-02-01", "2026-03-06")
REQUIREMENTS = (
    *("numpy<2", "numpy>=2", "numpy==1.26.4", "keras<3", "keras>=3", "protobuf<4", "protobuf>=5", "pandas>=2"),
    *("numpy<1.26", "typing-extensions<4.6", "tensorflow>=2.15", "tensorflow<2.17", "tensorflow-cpu"),
    *("numpy>=2; python_version >= '3.12'", "h5py<3", "wrapt<1.15"),
    *("tensorflow-text", "tensorflow-addons", "tf-keras==2.15.*", "pandas<1.4", "tensorflow-io"),
    *("tensorflow-metal", "tensorflow-metal==1.1.0"),
)
OVERRIDES = ("numpy<2", "numpy>=2", "numpy==1.26.4", "keras<3", "protobuf>=5", "protobuf", "tensorflow<2.17")


def profile(seed: int) -> Profile:
    """What somebody may ask for."""
    draw = Draw(seed)
    accelerators = ("auto",) * 4 + ("cpu",) * 2 + ("cuda",) * 5 + ("metal", "rocm")
    tensorflow: dict[str, Any] = {"accelerator": draw.choice(accelerators), "allow-fallback": draw.random() < 0.1}
    if draw.random() < 0.5:
        tensorflow["version"] = draw.choice(VERSIONS)
    interpreter: dict[str, Any] = {"install": draw.random() < 0.5}
    if draw.random() < 0.15:
        interpreter["version"] = draw.choice(PYTHON_RANGES)
    if draw.random() < 0.05:
        interpreter["path"] = python(draw.choice(MINORS)).path
    document: dict[str, Any] = {"name": "law", "tensorflow": tensorflow, "python": interpreter}
    if draw.random() < 0.4:
        document["packages"] = {draw.choice(("requirements", "constraints")): draw.some(REQUIREMENTS, 2)}
    if draw.random() < 0.2:
        document["smoke"] = draw.choice(({"require-gpus": 1}, {"require-gpus": 2}, {"gpu": "later"}))
    if draw.random() < 0.15:
        document["index"] = {"exclude-newer": draw.choice(DAYS)}
    if draw.random() < 0.15:
        document["environment"] = {"kind": "conda"}
        document["conda"] = {"tensorflow": draw.choice(("conda", "wheel"))}
    if draw.random() < 0.1:
        key, lines = draw.choice((("overrides", OVERRIDES), ("exclude", ("numpy", "keras", "tf-keras"))))
        document.setdefault("packages", {})[key] = draw.some(lines, 2)
    return Profile.model_validate(document)


_SEEDS = st.integers(min_value=0, max_value=2**48)


def machines() -> st.SearchStrategy[Host]:
    """Any machine."""
    return _SEEDS.map(machine)


def profiles() -> st.SearchStrategy[Profile]:
    """Any profile."""
    return _SEEDS.map(profile)
