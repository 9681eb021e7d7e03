"""What the driver says about the GPUs, asked of its own library: faults that no computation shows, or not yet."""

from __future__ import annotations

import ctypes

UNCORRECTED, SINCE_START = 1, 0


def run(probe):
    """No leg: the numbers go out as facts, and are judged where those from before and after lie side by side."""
    seen = gpus()
    probe.facts(**{"health_" + probe.request["moment"]: seen})


class PciInfo(ctypes.Structure):
    """`nvmlPciInfo_t` of version 3."""

    _fields_ = (
        ("legacy", ctypes.c_char * 16),
        ("domain", ctypes.c_uint),
        ("bus", ctypes.c_uint),
        ("device", ctypes.c_uint),
        ("product", ctypes.c_uint),
        ("subsystem", ctypes.c_uint),
        ("bus_id", ctypes.c_char * 32),
    )


def library():
    """NVML, started; None when there is no driver, or it does not answer."""
    for name in ("libnvidia-ml.so.1", "nvml.dll"):
        try:
            nvml = ctypes.CDLL(name)
        except OSError:
            continue
        return nvml if nvml.nvmlInit_v2() == 0 else None
    return None


def count():
    """How many GPUs a program may expect; None when the driver cannot be asked or GPUs are divided into slices."""
    nvml = library()
    number = ctypes.c_uint()
    if nvml is None or nvml.nvmlDeviceGetCount_v2(ctypes.byref(number)) != 0:
        return None
    # In MIG mode CUDA gives a process one slice, however many there are.
    sliced = any(in_mig_mode(nvml, index) for index in range(number.value))
    return None if sliced else number.value


def in_mig_mode(nvml, index):
    """Whether that GPU is divided into slices."""
    handle, now, later = ctypes.c_void_p(), ctypes.c_uint(), ctypes.c_uint()
    if nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle)) != 0:
        return False
    return nvml.nvmlDeviceGetMigMode(handle, ctypes.byref(now), ctypes.byref(later)) == 0 and now.value == 1


def gpus():
    """One dictionary a GPU; a value that this GPU does not have is missing from it."""
    nvml = library()
    if nvml is None:
        return []
    found = []
    number = ctypes.c_uint()
    nvml.nvmlDeviceGetCount_v2(ctypes.byref(number))
    for index in range(number.value):
        handle = ctypes.c_void_p()
        status = nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle))
        if status != 0:
            found.append({"index": index, "error": status})
            continue
        found.append(dict(values(nvml, handle), index=index))
    return found


def values(nvml, handle):
    """The values of one GPU."""
    seen = {}

    def ask(function, *types):
        cells = [kind() for kind in types]
        # An old driver lacks newer functions.
        call = getattr(nvml, function, None)
        if call is None or call(handle, *map(ctypes.byref, cells)) != 0:
            return None
        return [cell.value if hasattr(cell, "value") else cell for cell in cells]

    pci = ask("nvmlDeviceGetPciInfo_v3", PciInfo)
    if pci:
        seen["bus_id"] = pci[0].bus_id.decode("ascii", "replace")
    for key, function in (
        ("compute_mode", "nvmlDeviceGetComputeMode"),
        ("retired_pages_pending", "nvmlDeviceGetRetiredPagesPendingStatus"),
    ):
        answer = ask(function, ctypes.c_uint)
        if answer:
            seen[key] = answer[0]
    rows = ask("nvmlDeviceGetRemappedRows", *[ctypes.c_uint] * 4)
    if rows:
        seen["remapped_rows_uncorrectable"], seen["remap_pending"], seen["remap_failure"] = rows[1:]
    reasons = ask("nvmlDeviceGetCurrentClocksThrottleReasons", ctypes.c_ulonglong)
    if reasons:
        seen["throttle_reasons"] = reasons[0]
    errors = ctypes.c_ulonglong()
    if nvml.nvmlDeviceGetTotalEccErrors(handle, UNCORRECTED, SINCE_START, ctypes.byref(errors)) == 0:
        seen["ecc_uncorrected"] = errors.value
    degrees = ctypes.c_uint()
    if nvml.nvmlDeviceGetTemperature(handle, 0, ctypes.byref(degrees)) == 0:
        seen["temperature"] = degrees.value
    return seen
