"""Queries GPUs and driver through the NVIDIA driver's own library (NVML), in a child process."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from tfprov import process
from tfprov.host.devices import UNNAMED, pci_address
from tfprov.host.graphics import Graphics
from tfprov.host.records import Driver, Fact, Gpu, MigSlice, Problem
from tfprov.structured import json_of, string_of

# The first query after boot wakes every GPU, seconds each, unless the persistence daemon keeps them awake.
QUERY_TIMEOUT_S = 30.0
_COMPUTE_MODES = {0: "default", 1: "exclusive-thread", 2: "prohibited", 3: "exclusive-process"}

# Error numbers of NVML, each with tfprov's failure code and the meaning.
_NVML_CODES = {
    3: ("gpu-no-device", "NVML does not support this system"),
    4: ("gpu-no-device", "no permission to use the device files"),
    9: ("gpu-no-driver", "the kernel module of the driver is not loaded"),
    10: ("gpu-unhealthy", "the driver did not answer in time"),
    11: ("gpu-unhealthy", "an interrupt of the GPU fails"),
    12: ("gpu-no-driver", "the driver's library cannot be loaded"),
    15: ("gpu-unhealthy", "a GPU has fallen off the bus"),
    16: ("gpu-unhealthy", "a GPU has to be reset"),
    17: ("gpu-no-device", "the operating system or a control group keeps the GPU away"),
    18: ("gpu-driver-mismatch", "the kernel module and the library are of different driver versions"),
    999: ("gpu-unhealthy", UNNAMED),
}
# The recovery actions that NVML can ask for, and those of them without which the GPU cannot be used at all.
_RECOVERIES = {
    1: "reset the GPU",
    2: "restart the machine",
    3: "end the processes that use its peers",
    4: "end the processes that use it, then reset it",
    5: "recover the IMEX domain",
    6: "reset its bus",
    7: "restart the machine",
}
_DEADLY = frozenset({1, 2, 6, 7})


def ask_nvml(environ: Mapping[str, str], library: Path, *, brief: bool = False) -> Graphics | Problem:
    """GPUs and driver from NVML, or the fault that prevents the query.

    Args:
        environ: environment variables of the user.
        library: file to load NVML from.
        brief: whether to read only which GPUs exist and whether they can be used.
    """
    spec = find_spec("pynvml")
    if spec is None or spec.origin is None:
        return Problem(code="gpu-no-driver", why="the module pynvml is missing from this tfprov")
    script = Path(__file__).with_name("nvml_query.py")
    # Without site-packages, whose start-up files take longer than the query.
    argv = (sys.executable, "-I", "-S", script, Path(spec.origin).parent, library, *(("brief",) if brief else ()))
    try:
        ended = process.run(argv, env=process.clean_environment(environ), timeout=QUERY_TIMEOUT_S)
    except OSError as error:
        return Problem(code="gpu-no-driver", why=f"NVML could not be queried: {error.strerror or error}")
    if ended.timed_out:
        return Problem(code="gpu-unhealthy", why=f"the driver did not answer within {QUERY_TIMEOUT_S:g} s")
    try:
        document = json_of(ended.stdout)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        how = ended.signal_name or f"status {ended.returncode}"
        last = ([line for line in ended.stderr.splitlines() if line.strip()] or ["nothing printed"])[-1]
        return Problem(code="gpu-unhealthy", why=f"the NVML query ended with {how}: {last.strip()}")
    return parse_nvml(document, str(library))


def parse_nvml(document: Mapping[str, object], library: str) -> Graphics | Problem:
    """GPUs and driver in the document of nvml_query.py; a problem when NVML returned an error."""
    error = document.get("error")
    if isinstance(error, dict):
        return _nvml_refusal(error.get("number"), error.get("text"), str(error.get("call", "NVML")))
    driver, cuda = document.get("driver"), document.get("cuda")
    entries = document.get("gpus")
    gpus = tuple(_nvml_gpu(entry) for entry in entries if isinstance(entry, dict)) if isinstance(entries, list) else ()
    source = "NVML" if document.get("loaded_by") == "name" else f"NVML ({library})"
    return Graphics(
        gpus=Fact(value=gpus, source=source),
        driver=Fact(
            value=Driver(version=str(driver), cuda=cuda_version(cuda) if isinstance(cuda, int) else None), source=source
        ),
        problem=Fact(value=None, source=source),
        is_from_driver=True,
    )


def cuda_version(number: int) -> str | None:
    """CUDA's integer version (12040) as `12.4`; None for 0, from a driver that does not know its version."""
    return f"{number // 1000}.{number % 1000 // 10}" if number else None


def _nvml_refusal(number: object, text: object, call: str) -> Problem:
    code, meaning = _NVML_CODES.get(number if isinstance(number, int) else -1, ("gpu-unhealthy", "NVML fails"))
    return Problem(code=code, why=f"{meaning} ({call}: {text}, error {number})")


def _nvml_gpu(entry: Mapping[str, object]) -> Gpu:
    error = entry.get("error")
    faults = entry.get("faults")
    health = [str(fault) for fault in faults] if isinstance(faults, list) else []
    recovery, mig, told = entry.get("recovery"), _flag(entry.get("mig")), entry.get("slices")
    slices = tuple(_slice(part) for part in told if isinstance(part, dict)) if isinstance(told, list) else ()
    if isinstance(error, dict):
        health.append(_nvml_refusal(error.get("number"), error.get("text"), "nvmlDeviceGetHandleByIndex").why)
    if isinstance(recovery, int) and recovery:
        health.append(f"the driver asks for recovery: {_RECOVERIES.get(recovery, f'action {recovery}')}")
    capability, mode = entry.get("compute_capability"), entry.get("compute_mode")
    return Gpu(
        index=_whole(entry.get("index")) or 0,
        name=string_of(entry.get("name")) or "unknown NVIDIA GPU",
        uuid=string_of(entry.get("uuid")) or None,
        pci=pci_address(string_of(entry.get("pci")) or None),
        compute_capability=".".join(str(part) for part in capability) if isinstance(capability, list) else None,
        memory_total=_whole(entry.get("memory_total")),
        memory_used=_whole(entry.get("memory_used")),
        compute_mode=_COMPUTE_MODES.get(mode) if isinstance(mode, int) else None,
        mig=mig,
        ecc=_flag(entry.get("ecc")),
        persistence=_flag(entry.get("persistence")),
        usable=not isinstance(error, dict) and recovery not in _DEADLY and not (mig and not slices),
        health=tuple(health),
        slices=slices,
    )


def _slice(part: Mapping[str, object]) -> MigSlice:
    return MigSlice(
        uuid=string_of(part.get("uuid")),
        name=string_of(part.get("name")),
        memory_total=_whole(part.get("memory_total")),
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(value: object) -> bool | None:
    return None if value is None else value == 1
