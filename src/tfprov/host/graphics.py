"""Records of a search for GPUs: its result, and the machine that was searched."""

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
    """The machine to search for GPUs.

    Attributes:
        container: kind of container that tfprov runs in; None outside one.
        machine: architecture of the hardware.
        root: folder that contains /proc, /sys, /dev and the libraries.
    """

    system: System
    container: str | None
    wsl: bool
    machine: str
    root: Path = ROOT
