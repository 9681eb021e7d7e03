"""Judging what the driver says about its GPUs. Pure: the numbers come from a probe, before and after the other legs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tfprov.smoke.records import Leg

# Bits of nvmlClocksThrottleReasons that mean that something is wrong: hardware slowdown, by heat, by the power brake.
# The others are daily life: idle, application clocks, the power cap.
_BAD_THROTTLE = 0x8 | 0x40 | 0x80
_PROHIBITED = 2
# What must not be there at all, and what must not grow while the legs run.
_NEVER = {
    "remap_pending": "rows wait to be remapped: restart the GPU",
    "remap_failure": "a row could not be remapped: replace the GPU",
    "retired_pages_pending": "pages wait to be retired: restart the GPU",
}
_GROWING = {
    "ecc_uncorrected": "uncorrected memory errors",
    "remapped_rows_uncorrectable": "rows remapped because of uncorrectable errors",
}
_CREATED = re.compile(r"device:GPU:(?P<number>\d+) with .*pci bus id: (?P<bus>[0-9a-fA-F:.]+)")

Values = dict[str, int | str]


def judge(before: Values, after: Values) -> Leg:
    """The leg `health` of one GPU.

    Args:
        before: what the driver said before the other legs; a value that this GPU does not have is missing.
        after: the same after them.
    """
    wrong = [text for key, text in _NEVER.items() if _number(after, key)]
    for key, text in _GROWING.items():
        new = _number(after, key) - _number(before, key)
        if new > 0:
            wrong.append(f"{new} new {text} during the test")
    old = _number(before, "ecc_uncorrected")
    if old:
        wrong.append(f"{old} uncorrected memory errors since the driver was loaded")
    if _number(after, "throttle_reasons") & _BAD_THROTTLE:
        wrong.append(f"slowed down by the hardware (reasons 0x{_number(after, 'throttle_reasons'):x})")
    if _number(after, "compute_mode") == _PROHIBITED:
        wrong.append("the compute mode forbids every use: `nvidia-smi -c 0`")
    if "error" in after:
        wrong.append(f"the driver cannot open it (NVML error {after['error']})")
    told = ", ".join(f"{key} {value}" for key, value in sorted(after.items()) if key != "index")
    evidence = "\n".join([*wrong, told])
    return Leg(leg="health", ok=not wrong, seconds=0.0, code="gpu-unhealthy" if wrong else None, evidence=evidence)


def bus_ids(log: str) -> dict[str, str]:
    """PCI bus id of each device by TensorFlow's name, from the lines in which TensorFlow creates its devices."""
    return {f"GPU:{found['number']}": short(found["bus"]) for found in _CREATED.finditer(log)}


def short(bus: str) -> str:
    """A PCI bus id without its domain, which the driver writes with eight digits and CUDA with four."""
    return bus.lower().partition(":")[2]


def by_device(names: Iterable[str], log: str, seen: Iterable[Values]) -> dict[str, Values]:
    """The driver's values for each device; a device that cannot be told apart from the others is left out."""
    values = list(seen)
    names = list(names)
    buses = bus_ids(log)
    found = {}
    for name in names:
        matching = [one for one in values if name in buses and short(str(one.get("bus_id", ""))) == buses[name]]
        if len(values) == len(names) == 1:
            matching = values
        if matching:
            found[name] = matching[0]
    return found


def _number(values: Values, key: str) -> int:
    value = values.get(key, 0)
    return value if isinstance(value, int) else 0
