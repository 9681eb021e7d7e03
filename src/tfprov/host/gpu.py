"""Finds GPUs and driver: through NVML, else through other sources. The plan decides what they can run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from tfprov.host.devices import apple, pci_gpus, without_library
from tfprov.host.graphics import GpuHost, Graphics
from tfprov.host.loader import CUDA_LIBRARY, LIBRARY, WSL_FOLDER, loaded_by_name, nvml_library
from tfprov.host.nvml import ask_nvml
from tfprov.host.records import Fact, Gpu, Hazard, Problem
from tfprov.host.smi import ask_smi
from tfprov.host.system import exists
from tfprov.structured import whole_number

VISIBILITY_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "ZE_AFFINITY_MASK",
)


def graphics(environ: Mapping[str, str], place: GpuHost, *, brief: bool = False) -> Graphics:
    """The GPUs of this machine. Starts no process where neither a driver nor its tools are found; has a time limit.

    Args:
        environ: environment variables of the user.
        place: the machine.
        brief: whether to read only which GPUs exist and whether they can be used.
    """
    others = tuple(pci_gpus(place)) if place.system == "linux" else tuple(apple(place))
    seen = tuple(gpu for gpu in others if gpu.vendor == "nvidia")
    others = tuple(gpu for gpu in others if gpu.vendor != "nvidia")
    found = _nvidia(environ, place, seen, brief=brief)
    gpus = (*visible(found.gpus.value, environ), *others)
    source = found.gpus.source
    if others:
        source = f"{source}; {'/sys/bus/pci/devices' if place.system == 'linux' else 'machdep.cpu.brand_string'}"
    problem = found.problem
    is_listed = found.is_from_driver and bool(found.gpus.value)
    if is_listed and place.system == "linux" and loaded_by_name(CUDA_LIBRARY, environ, place.root) is None:
        problem = Fact(value=_why_no_cuda(place), source="LD_LIBRARY_PATH, /etc/ld.so.cache, library folders")
    return replace(found, gpus=Fact(value=gpus, source=source), problem=problem)


def _nvidia(environ: Mapping[str, str], place: GpuHost, seen: tuple[Gpu, ...], *, brief: bool) -> Graphics:
    failure: Problem | None = None
    library = nvml_library(environ, place)
    if library is not None:
        answer = ask_nvml(environ, library, brief=brief)
        if isinstance(answer, Graphics):
            return answer
        failure = answer
    if failure is None or failure.code not in ("gpu-driver-mismatch", "gpu-unhealthy"):
        # nvidia-smi may find a library that we do not know of; where NVML names a fault, it could only repeat it.
        told = ask_smi(environ, place)
        if told is not None:
            return told
    return without_library(place, seen, failure)


def _why_no_cuda(place: GpuHost) -> Problem:
    if place.wsl and exists(place.root / WSL_FOLDER / CUDA_LIBRARY):
        why = f"{CUDA_LIBRARY} is in /{WSL_FOLDER}, where the loader does not look"
        return Problem(code="wsl-libcuda", why=why)
    if place.container is not None:
        why = f"the container has {LIBRARY} but no {CUDA_LIBRARY}: NVIDIA_DRIVER_CAPABILITIES lacks `compute`"
        return Problem(code="docker-no-gpu", why=why)
    why = f"{LIBRARY} is installed, {CUDA_LIBRARY} is not: the compute part of the driver is missing"
    return Problem(code="gpu-no-driver", why=why)


def visible(gpus: tuple[Gpu, ...], environ: Mapping[str, str]) -> tuple[Gpu, ...]:
    """The GPUs, with `visible` set according to CUDA_VISIBLE_DEVICES. Numbers are taken in the order of the PCI bus."""
    value = environ.get("CUDA_VISIBLE_DEVICES")
    if value is None:
        return gpus
    chosen: set[int] = set()
    for word in (part.strip() for part in value.split(",")):
        position = _position(word, gpus)
        # CUDA reads up to the first entry that names no device; with a device named twice it sees none.
        if position is None:
            break
        if position in chosen and not word.startswith("MIG-"):
            chosen.clear()
            break
        chosen.add(position)
    return tuple(replace(gpu, visible=position in chosen) for position, gpu in enumerate(gpus))


def ambiguous_numbers(gpus: tuple[Gpu, ...], environ: Mapping[str, str]) -> tuple[Hazard, ...]:
    """A hazard when the numbers in CUDA_VISIBLE_DEVICES may differ from those that the driver's tools show."""
    value, order = environ.get("CUDA_VISIBLE_DEVICES", ""), environ.get("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    names = {gpu.name for gpu in gpus if gpu.vendor == "nvidia"}
    if len(names) < 2 or order == "PCI_BUS_ID" or not re.search(r"(?:^|,)\s*\d", value):
        return ()
    why = "CUDA counts the fastest GPU first, the driver's tools count along the bus: set CUDA_DEVICE_ORDER=PCI_BUS_ID"
    return (Hazard(code="gpu-no-device", name="CUDA_VISIBLE_DEVICES", value=value, why=why),)


def _position(word: str, gpus: tuple[Gpu, ...]) -> int | None:
    if (number := whole_number(word)) is not None:
        return number if number < len(gpus) else None
    for position, gpu in enumerate(gpus):
        if word.startswith("GPU-") and gpu.uuid is not None and gpu.uuid.startswith(word):
            return position
        if word.startswith("MIG-") and any(part.uuid.startswith(word) for part in gpu.slices):
            return position
    return None
