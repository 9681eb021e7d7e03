"""The table of nvidia-smi."""

from __future__ import annotations

import pytest

from nvidia_smi import SMI
from tfprov.host.records import Gpu
from tfprov.host.smi import parse_smi


def test_the_tool_of_the_driver_is_read() -> None:
    gpus, driver = parse_smi(SMI)

    assert driver == "550.144.03"
    assert gpus[0] == Gpu(
        index=0,
        name="NVIDIA H100 80GB HBM3",
        uuid="GPU-1",
        pci="0000:1a:00.0",
        compute_capability="9.0",
        memory_total=81559 << 20,
        memory_used=1023 << 20,
        compute_mode="default",
        mig=False,
        ecc=True,
        persistence=True,
    )
    assert (gpus[1].compute_mode, gpus[1].mig, gpus[1].ecc, gpus[1].persistence) == (
        "exclusive-process",
        None,
        None,
        False,
    )


@pytest.mark.parametrize(
    "text", ["", "No devices were found\n", "Failed to initialize NVML: Driver/library mismatch\n"]
)
def test_a_tool_that_finds_nothing_gives_nothing(text: str) -> None:
    assert parse_smi(text) == ((), None)
