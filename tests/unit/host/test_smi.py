"""The table of nvidia-smi."""

from __future__ import annotations

import pytest

from nvidia_smi import SMI
from tfprov.host.records import Gpu
from tfprov.host.smi import _SMI_FIELDS, parse_smi


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


def row(**values: str) -> str:
    """A line of the table, in which some values are others."""
    usual = dict(zip(_SMI_FIELDS, SMI.splitlines()[0].split(", "), strict=True))
    return ", ".join({**usual, **values}.values())


@pytest.mark.parametrize("nothing", ["[N/A]", "N/A", "ERR!", "[Unknown Error]", "[Not Supported]"])
def test_what_stands_for_no_value_is_none(nothing: str) -> None:
    unread = dict.fromkeys(("name", "memory.total", "compute_mode", "mig.mode.current", "compute_cap"), nothing)
    (one,) = parse_smi(row(**unread))[0]

    told = (one.name, one.memory_total, one.compute_mode, one.mig, one.compute_capability, one.usable)
    assert told == ("unknown NVIDIA GPU", None, None, None, None, True)


@pytest.mark.parametrize("fault", ["GPU is lost", "GPU requires reset"])
def test_a_gpu_that_computes_nothing_any_more_is_not_usable(fault: str) -> None:
    (one,) = parse_smi(row(**{"memory.used": f"[{fault}]", "compute_mode": f"[{fault}]"}))[0]

    assert (one.usable, one.health) == (False, (f"nvidia-smi says: {fault}",))


@pytest.mark.parametrize(
    "text", ["", "No devices were found\n", "Failed to initialize NVML: Driver/library mismatch\n"]
)
def test_a_tool_that_finds_nothing_gives_nothing(text: str) -> None:
    assert parse_smi(text) == ((), None)
