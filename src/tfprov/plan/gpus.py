"""Judges GPUs and driver: which of them CUDA can use, and which releases can run on them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from packaging.version import Version

from tfprov.host.records import Driver, Facts, Gpu
from tfprov.plan.compat import Compat, CondaBuild, Cuda, ToolkitDriver
from tfprov.plan.records import Refusal
from tfprov.structured import minor_of

# The common names of architectures, by major compute capability.
_FAMILIES = {"3": "Kepler", "5": "Maxwell", "6": "Pascal", "9": "Hopper", "10": "Blackwell", "12": "Blackwell"}
_FAMILIES_EXACT = {"7.0": "Volta", "7.5": "Turing", "8.0": "Ampere", "8.6": "Ampere", "8.9": "Ada"}

# The last branch of drivers for GPUs below a compute capability: NVIDIA, "UNIX graphics feature deprecation schedule".
_LAST_BRANCHES = (("3.0", "390"), ("5.0", "470"), ("7.5", "580"))

# GPUs that support a newer libcuda (the package `cuda-compat`) with an older kernel driver.
_DATA_CENTRE = re.compile(
    r"\bTesla\b|\b(?:A(?:2|10G?|16|30|40|100|800)|L(?:2|4|20|40S?)|H(?:20|100|200|800)|B[123]00|G[HB][23]00)\b"
    r"|\b(?:P(?:4|6|40|100)|T4|V100S?)\b"
)
# The kernel that WSL1 reports; that of WSL2 is a newer one, and its name ends in `-microsoft-standard-WSL2`.
_WSL1 = re.compile(r"\b4\.4\.0-[0-9]{1,9}-Microsoft")
# Cached, because the few numbers of table and machine are compared for each release.
_number = lru_cache(maxsize=1024)(Version)
_TWO_NUMBERS = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpus:
    """The NVIDIA GPUs that a program may use, and their driver.

    Attributes:
        usable: those that are visible and may compute; GPUs of other vendors never count.
        driver: version; None when a GPU is only planned for (`smoke.gpu = "later"`).
        cuda: newest CUDA version that the driver supports (`12.4`); None when unknown.
        wsl: whether the driver is that of Windows.
    """

    usable: tuple[Gpu, ...]
    driver: str | None
    cuda: str | None
    wsl: bool


def describe(gpu: Gpu) -> str:
    """Name and architecture, for messages: `Tesla V100 (compute capability 7.0, Volta)`."""
    capability = gpu.compute_capability
    if capability is None:
        return gpu.name
    family = _FAMILIES_EXACT.get(capability) or _FAMILIES.get(capability.split(".")[0])
    return f"{gpu.name} (compute capability {capability}{f', {family}' if family else ''})"


def described(devices: Sequence[Gpu]) -> Iterator[str]:
    """Lines about GPUs, for messages; those that are alike share one: `7 of NVIDIA A100 (compute capability 8.0)`."""
    counts = Counter(f"{describe(gpu)}{_parts(gpu)}" for gpu in devices)
    for text, count in counts.items():
        yield text if count == 1 else f"{count} of {text}"


def _parts(gpu: Gpu) -> str:
    return f": a program can use one of its {len(gpu.slices)} MIG devices at a time" if len(gpu.slices) > 1 else ""


def why_not(gpu: Gpu) -> str | None:
    """Why nothing can be computed on an NVIDIA GPU, for messages; None when something can."""
    if not gpu.visible:
        return "it is hidden"
    if gpu.mig and not gpu.usable and not gpu.slices:
        return "MIG mode is on, but there is no MIG device"
    if not gpu.usable:
        return "; ".join(gpu.health) or "the driver cannot use it"
    return "its compute mode is `prohibited`" if gpu.compute_mode == "prohibited" else None


def showing(devices: Sequence[Gpu]) -> str:
    """The environment variables that show a program these GPUs alone."""
    # CUDA counts the fastest GPU first unless it is told otherwise; the driver's tools count along the bus.
    return f"CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES={','.join(str(gpu.index) for gpu in devices)}"


def last_branch(gpu: Gpu) -> str | None:
    """The last branch of drivers that supports a GPU, `580`; None while all newer ones do, and when unknown."""
    if gpu.compute_capability is None:
        return None
    capability = _number(gpu.compute_capability)
    return next((branch for below, branch in _LAST_BRANCHES if capability < _number(below)), None)


def on_machine(facts: Facts, table: Compat, platform: str, *, later: bool, has_cuda: bool = False) -> Gpus | Refusal:
    """The GPUs that CUDA can use on a machine, whatever the release.

    Args:
        facts: about the machine.
        table: knows which CUDA versions a driver supports.
        platform: as in the table.
        later: True when the GPU will be on another machine, so that only the platform counts.
        has_cuda: whether there is a wheel with CUDA for a platform for which the public ones have none.

    Returns:
        The usable GPUs and their driver, or the first reason why CUDA can use none.
    """
    system = facts.system.value
    if system == "macos":
        return Refusal(code="wheel-without-cuda", why="no TensorFlow for macOS has CUDA")
    if system == "windows":
        return Refusal(
            code="windows-no-gpu",
            why="on native Windows TensorFlow has had no CUDA since 2.11, and 2.10 needs CUDA 11.2 installed by hand; "
            "under WSL2 it works",
        )
    if platform != "linux_x86_64" and not has_cuda:
        machine = facts.machine.value
        return Refusal(
            code="wheel-without-cuda",
            why=f"the wheels for Linux on {machine} hold no CUDA code, although they have an `and-cuda` extra",
        )
    if later:
        return Gpus(usable=(), driver=None, cuda=None, wsl=facts.wsl.value)
    return _with_driver(facts, table)


def _with_driver(facts: Facts, table: Compat) -> Gpus | Refusal:
    nvidia = [gpu for gpu in facts.gpus.value if gpu.vendor == "nvidia"]
    driver, problem = facts.driver.value, facts.gpu_problem.value
    if problem is not None:
        return Refusal(code=problem.code, why=problem.why)
    if driver is None:
        return _no_driver(facts, nvidia)
    usable = tuple(known(gpu, table) for gpu in nvidia if why_not(gpu) is None)
    if not usable:
        return _none_usable(facts, nvidia)
    wsl = facts.wsl.value
    return Gpus(usable=usable, driver=driver.version, cuda=_served_cuda(driver, usable, table, windows=wsl), wsl=wsl)


def known(gpu: Gpu, table: Compat) -> Gpu:
    """The GPU with its compute capability; where the driver does not tell it, that of its name, or None."""
    return replace(gpu, compute_capability=_numbered(gpu.compute_capability) or _named(gpu.name, table))


@lru_cache(maxsize=256)
def _named(name: str, table: Compat) -> str | None:
    found = (row.capability for row in table.gpu_models if re.search(rf"\b(?:{'|'.join(row.names)})\b", name))
    return next(found, None)


def _served_cuda(driver: Driver, usable: Sequence[Gpu], table: Compat, *, windows: bool) -> str | None:
    """The newest CUDA version that the driver supports on these GPUs.

    A newer libcuda with an older kernel driver reports a newer CUDA version, which only data-centre GPUs really
    support.
    """
    own, told = cuda_of_driver(driver.version, table, windows=windows), _numbered(driver.cuda)
    if own is None or told is None:
        return told or own
    if _number(told).release[:2] <= _number(own).release[:2]:
        return told
    return told if all(map(_is_data_centre, usable)) else own


def _numbered(version: str | None) -> str | None:
    """A version of two numbers; None for what a driver's tools say in place of one that they do not know."""
    return version if version is not None and _TWO_NUMBERS.fullmatch(version) else None


def _is_data_centre(gpu: Gpu) -> bool:
    return _DATA_CENTRE.search(gpu.name) is not None and "GeForce" not in gpu.name


def _none_usable(facts: Facts, nvidia: list[Gpu]) -> Refusal:
    """The first reason why none of the GPUs that the driver lists can be used."""
    visible = [gpu for gpu in nvidia if gpu.visible]
    if not nvidia:
        container = facts.container.value
        where = f"the {container} container" if container else "this system"
        return Refusal(
            code="docker-no-gpu" if container else "gpu-no-device",
            why=f"the driver is loaded, but shows no GPU to {where} ({facts.gpus.source})",
            remedy=None
            if container
            else "check CUDA_VISIBLE_DEVICES and the scheduler, and whether the driver still supports the GPU: branch "
            "470 was the last for Kepler, 580 for Maxwell, Pascal and Volta",
        )
    if not visible:
        value = facts.visible_devices.value.get("CUDA_VISIBLE_DEVICES")
        if value is None:
            return Refusal(code="gpu-no-device", why="every GPU is hidden")
        return Refusal(
            code="gpu-no-device",
            why=f"`CUDA_VISIBLE_DEVICES={value}` hides every GPU",
            remedy="unset `CUDA_VISIBLE_DEVICES`, or name the GPUs to use",
        )
    unmade = [gpu for gpu in visible if gpu.mig and not gpu.slices]
    broken = [gpu for gpu in visible if not gpu.usable and gpu not in unmade]
    if broken:
        faults = "; ".join(broken[0].health)
        return Refusal(code="gpu-unhealthy", why=f"{broken[0].name} cannot compute{f': {faults}' if faults else ''}")
    if unmade:
        return Refusal(
            code="gpu-no-device",
            why="MIG mode is on, but there is no MIG device",
            remedy="create one with `nvidia-smi mig -cgi PROFILE -C`",
        )
    return Refusal(
        code="gpu-no-device",
        why="the compute mode of every visible GPU is `prohibited`",
        remedy="allow computing with `nvidia-smi -c DEFAULT`",
    )


def is_wsl1(facts: Facts) -> bool:
    """Whether the machine is WSL1, which gives no program access to a GPU."""
    return facts.wsl.value and _WSL1.search(f"{facts.wsl.source} {facts.os_version.value}") is not None


def _no_driver(facts: Facts, nvidia: list[Gpu]) -> Refusal:
    if is_wsl1(facts):
        return Refusal(
            code="gpu-no-driver",
            why="WSL1 gives no access to GPUs",
            remedy="convert the distribution to WSL2 with `wsl --set-version NAME 2`",
        )
    others = [gpu.name for gpu in facts.gpus.value if gpu.vendor != "nvidia"]
    if facts.container.value is not None:
        # Its driver is that of the machine below, so there is none to install.
        lacks = f"no access to {nvidia[0].name}" if nvidia else "no GPU"
        return Refusal(code="docker-no-gpu", why=f"this {facts.container.value} container has {lacks}")
    if nvidia:
        return Refusal(code="gpu-no-driver", why=f"{nvidia[0].name} has no NVIDIA driver")
    where = " in WSL2, which uses the driver of Windows" if facts.wsl.value else ""
    instead = f"; {others[0]} cannot run CUDA" if others else ""
    return Refusal(
        code="gpu-no-driver", why=f"there is no NVIDIA GPU and no driver{where} ({facts.gpus.source}){instead}"
    )


def cuda_of_driver(driver: str, table: Compat, *, windows: bool) -> str | None:
    """The newest CUDA version that a driver supports; None when it is older than every row in the table.

    Args:
        driver: kernel driver version; under WSL2 that of Windows.
        table: has a row for each CUDA toolkit.
        windows: whether it is a Windows driver, whose numbers differ.
    """
    version = driver_number(driver)
    served = [row.cuda for row in table.toolkit_drivers if (oldest := _oldest(row, windows)) and version >= oldest]
    return served[-1] if served else None


def driver_number(driver: str) -> Version:
    """The numeric part of a driver version; what stands around it (`535.129.03-grid`, `R550`) is ignored."""
    found = re.search(r"[0-9]{1,9}(?:\.[0-9]{1,9})*", driver)
    return _number(found[0] if found else "0")


def driver_for(cuda: str, table: Compat, *, windows: bool) -> str | None:
    """The oldest driver that supports a CUDA toolkit release; None when the table does not know."""
    wanted = _number(cuda).release[:2]
    for row in table.toolkit_drivers:
        oldest = _oldest(row, windows)
        if oldest is not None and _number(row.cuda).release[:2] >= wanted:
            return row.windows if windows else row.linux
    return None


def lowest_driver(cuda: str, table: Compat, *, windows: bool) -> str | None:
    """The oldest driver that runs machine code of a CUDA release; None when the table does not know.

    Since CUDA 11 it depends only on the major version. To compile PTX, a driver must support that very release
    (`driver_for`).
    """
    major = cuda.split(".", maxsplit=1)[0]
    for row in table.cuda_generations:
        if row.cuda == major:
            return row.windows if windows else row.linux
    return driver_for(cuda, table, windows=windows)


def _oldest(row: ToolkitDriver, windows: bool) -> Version | None:
    text = row.windows if windows else row.linux
    return None if text is None else _number(text)


@lru_cache(maxsize=1024)
def refusal(cuda: Cuda, gpus: Gpus, table: Compat) -> Refusal | None:
    """The reason why a release cannot run on every usable GPU; None when it can, as far as the table knows.

    Reasons that no driver can fix come first. A GPU of unknown compute capability is assumed to work: the smoke test
    will tell.
    """
    if gpus.driver is None:
        return None
    for gpu in gpus.usable:
        if not serves(cuda, gpu, table):
            tried = "; its PTX fails on newer GPUs" if _code_of_wheel(cuda, gpu) else ""
            has = " and ".join(filter(None, (", ".join(cuda.native[:-1]), *cuda.native[-1:]))) or "none"
            return Refusal(code="gpu-arch-unsupported", why=f"no code for {describe(gpu)}: the wheel has {has}{tried}")
    return _driver_refusal(cuda, gpus, gpus.driver, table)


def _driver_refusal(cuda: Cuda, gpus: Gpus, driver: str, table: Compat) -> Refusal | None:
    lowest = lowest_driver(cuda.built_for, table, windows=gpus.wsl)
    compiled = [gpu for gpu in gpus.usable if _code_of_wheel(cuda, gpu) == "ptx"]
    needed = driver_that_runs(cuda, gpus, table)
    if _is_below(lowest, cuda.built_for, gpus, driver, table):
        return Refusal(
            code="gpu-driver-too-old",
            why=f"CUDA {cuda.built_for} needs driver {lowest} or newer; this machine has {driver}",
            driver=needed,
        )
    if compiled and gpus.cuda is not None and _number(gpus.cuda) < _number(minor_of(cuda.built_for)):
        return Refusal(
            code="gpu-driver-too-old",
            why=(
                f"its code for {describe(compiled[0])} is PTX of CUDA {cuda.built_for}, which driver {driver} "
                f"(CUDA {gpus.cuda}) cannot compile"
            ),
            driver=needed,
        )
    return None


def driver_that_runs(cuda: Cuda, gpus: Gpus, table: Compat) -> str | None:
    """The oldest driver that runs a release on GPUs that it has code for; None when the table does not know."""
    is_compiled = any(_code_of_wheel(cuda, gpu) == "ptx" for gpu in gpus.usable)
    needed = driver_for(cuda.built_for, table, windows=gpus.wsl) if is_compiled else None
    return needed or lowest_driver(cuda.built_for, table, windows=gpus.wsl)


def _is_below(lowest: str | None, cuda: str, gpus: Gpus, driver: str, table: Compat) -> bool:
    """Whether the driver is too old for a CUDA release, and no newer libcuda compensates for it."""
    if lowest is None or driver_number(driver) >= _number(lowest):
        return False
    return not _is_carried(cuda, gpus, driver, table)


def _is_carried(cuda: str, gpus: Gpus, driver: str, table: Compat) -> bool:
    """Whether a newer libcuda supports a CUDA release for which the kernel driver alone would be too old."""
    own = cuda_of_driver(driver, table, windows=gpus.wsl)
    if gpus.cuda is None or own is None or not all(map(_is_data_centre, gpus.usable)):
        return False
    return _number(own) < _number(gpus.cuda) and _number(gpus.cuda).major >= _number(cuda).major


def serves(cuda: Cuda, gpu: Gpu, table: Compat) -> bool:
    """Whether a release has code for a GPU that some driver can run."""
    code = _code_of_wheel(cuda, gpu)
    return code == "native" or (code == "ptx" and not is_newer(gpu, table))


def is_newer(gpu: Gpu, table: Compat) -> bool:
    """Whether a GPU is newer than all that the public wheels have code for."""
    return gpu.compute_capability is not None and _number(gpu.compute_capability) >= _number(table.ptx_ends_at)


def _code_of_wheel(cuda: Cuda, gpu: Gpu) -> Literal["native", "ptx"] | None:
    return _code_for(gpu, native=cuda.native, ptx=cuda.ptx, mostly_ptx=cuda.mostly_ptx)


def _code_for(
    gpu: Gpu, *, native: Sequence[str], ptx: Sequence[str], mostly_ptx: Sequence[str] = ()
) -> Literal["native", "ptx"] | None:
    """The code in a build that a GPU would run: machine code, PTX for the driver to compile, or None."""
    if gpu.compute_capability is None:
        return "native"
    capability = _number(gpu.compute_capability)
    # Machine code runs on GPUs of the same major capability and the same or a higher minor one; PTX on all newer ones.
    natives = [
        text for text in native if _number(text).major == capability.major and _number(text).minor <= capability.minor
    ]
    if any(text not in mostly_ptx for text in natives):
        return "native"
    return "ptx" if natives or any(_number(text) <= capability for text in ptx) else None


def conda_refusal(build: CondaBuild, gpus: Gpus, table: Compat) -> Refusal | None:
    """The reason why a conda build with CUDA cannot run on every usable GPU; None when it can."""
    release = f"conda-forge's TensorFlow {build.version}"
    for gpu in gpus.usable:
        if _code_for(gpu, native=build.capabilities, ptx=build.ptx) is None:
            has = ", ".join(build.capabilities)
            return Refusal(
                code="gpu-arch-unsupported", why=f"{release} has no code for {describe(gpu)}, only for {has}"
            )
    if build.cuda is None or gpus.driver is None:
        return None
    needed = lowest_driver(build.cuda, table, windows=gpus.wsl)
    if not _is_below(needed, build.cuda, gpus, gpus.driver, table):
        return None
    known = f", for CUDA {gpus.cuda}" if gpus.cuda else ""
    return Refusal(
        code="gpu-driver-too-old",
        why=f"{release} needs driver {needed} or newer, for CUDA {build.cuda}; this machine has {gpus.driver}{known}",
        driver=needed,
    )
