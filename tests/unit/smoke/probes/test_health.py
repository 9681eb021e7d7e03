from __future__ import annotations

import ctypes
from typing import Any

import pytest

from probes import load

health = load("health")

NOT_SUPPORTED = 3


class Nvml:
    """A driver's library with two GPUs: the second is an old one that knows neither ECC nor remapping."""

    def __init__(self, *, sliced: bool = False) -> None:
        self.sliced = sliced

    def nvmlDeviceGetCount_v2(self, number: Any) -> int:
        number._obj.value = 2
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: ctypes.c_uint, handle: Any) -> int:
        handle._obj.value = index.value + 1
        return 0

    def nvmlDeviceGetMigMode(self, handle: ctypes.c_void_p, now: Any, later: Any) -> int:
        now._obj.value = int(self.sliced)
        return 0 if handle.value == 1 else NOT_SUPPORTED

    def nvmlDeviceGetPciInfo_v3(self, handle: ctypes.c_void_p, info: Any) -> int:
        info._obj.bus_id = b"00000000:65:00.0" if handle.value == 1 else b"00000000:17:00.0"
        return 0

    def nvmlDeviceGetComputeMode(self, handle: ctypes.c_void_p, mode: Any) -> int:
        mode._obj.value = 0
        return 0

    def nvmlDeviceGetRetiredPagesPendingStatus(self, handle: ctypes.c_void_p, pending: Any) -> int:
        return NOT_SUPPORTED

    def nvmlDeviceGetRemappedRows(
        self, handle: ctypes.c_void_p, corrected: Any, uncorrected: Any, pending: Any, failure: Any
    ) -> int:
        for cell, value in ((corrected, 5), (uncorrected, 2), (pending, 1), (failure, 0)):
            cell._obj.value = value
        return 0 if handle.value == 1 else NOT_SUPPORTED

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: ctypes.c_void_p, reasons: Any) -> int:
        reasons._obj.value = 1 << 40
        return 0

    def nvmlDeviceGetTotalEccErrors(self, handle: ctypes.c_void_p, kind: int, counter: int, errors: Any) -> int:
        assert (kind, counter) == (1, 0)
        errors._obj.value = 7
        return 0 if handle.value == 1 else NOT_SUPPORTED

    def nvmlDeviceGetTemperature(self, handle: ctypes.c_void_p, sensor: int, degrees: Any) -> int:
        degrees._obj.value = 41
        return 0


def test_each_gpu_says_what_it_knows_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "library", Nvml)
    assert health.gpus() == [
        {
            "index": 0,
            "bus_id": "00000000:65:00.0",
            "compute_mode": 0,
            "remapped_rows_uncorrectable": 2,
            "remap_pending": 1,
            "remap_failure": 0,
            "throttle_reasons": 1 << 40,
            "ecc_uncorrected": 7,
            "temperature": 41,
        },
        {
            "index": 1,
            "bus_id": "00000000:17:00.0",
            "compute_mode": 0,
            "throttle_reasons": 1 << 40,
            "temperature": 41,
        },
    ]


def test_slices_are_not_counted_as_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "library", Nvml)
    assert health.count() == 2
    monkeypatch.setattr(health, "library", lambda: Nvml(sliced=True))
    assert health.count() is None


def test_a_machine_without_a_driver_has_no_gpus_and_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "library", lambda: None)
    assert health.gpus() == []
    assert health.count() is None


def test_a_driver_that_does_not_start_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def nvmlInit_v2(self) -> int:
            return 18  # the module and the library differ

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Broken())
    assert health.library() is None


def test_the_words_of_the_kernel_are_read_as_they_come() -> None:
    log = (
        "[  12.3] NVRM: Xid (PCI:0000:65:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.\n"
        "NVRM: Xid (PCI:00000000:17:00): 13, Graphics Exception\n"
        "NVRM: loading NVIDIA UNIX x86_64 Kernel Module\n"
        "NVRM: Xid (PCI:0000:65:00): 43\n"
    )
    assert health.in_log(log) == [
        {
            "bus": "0000:65:00",
            "number": 79,
            "words": "pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
        },
        {"bus": "00000000:17:00", "number": 13, "words": "Graphics Exception"},
        {"bus": "0000:65:00", "number": 43, "words": ""},
    ]
