"""GPUs and driver as they were found, and the machine they were looked for on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tfprov.host.records import Driver, Fact, Gpu, Problem
from tfprov.host.system import ROOT, System


@dataclass(frozen=True, slots=True, kw_only=True)
class Graphics:
    """The GPUs, their driver, and a fault that keeps CUDA from working.

    Attributes:
        is_from_driver: True when the driver itself listed the GPUs.
    """

    gpus: Fact[tuple[Gpu, ...]]
    driver: Fact[Driver | None]
    problem: Fact[Problem | None]
    is_from_driver: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuHost:
    """The machine that GPUs are looked for on.

    Attributes:
        container: kind of container that tfprov runs in, or None.
        machine: architecture of the hardware.
        root: where /proc, /sys, /dev and the libraries are.
    """

    system: System
    container: str | None
    wsl: bool
    machine: str
    root: Path = ROOT
