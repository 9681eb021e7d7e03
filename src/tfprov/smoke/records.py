"""What the smoke test found: one verdict a device and a leg."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["quick", "standard", "deep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One check.

    Attributes:
        leg: name, such as `import` or `matmul`.
        ok: whether it passed. A leg that could not be run is not ok.
        code: failure code; None when ok.
        seconds: wall time.
        evidence: what was seen, in a line or a block: versions and errors when ok is False, measured numbers otherwise.
    """

    leg: str
    ok: bool
    seconds: float
    code: str | None = None
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What one device proved.

    Attributes:
        name: `environment` for checks that concern no device, else TensorFlow's name such as `CPU:0` or `GPU:1`.
        kind: `environment`, `cpu` or `gpu`.
        description: product name where known.
    """

    name: str
    kind: Literal["environment", "cpu", "gpu"]
    legs: tuple[Leg, ...]
    description: str = ""

    @property
    def ok(self) -> bool:
        """Whether every leg passed, and there was one."""
        return bool(self.legs) and all(leg.ok for leg in self.legs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the smoke test concluded.

    Attributes:
        level: how much was checked.
        tensorflow: version that was imported; None when none could be.
        note: what was not proved and why (`gpu = "later"`); empty when everything asked was.
    """

    level: Level
    devices: tuple[Device, ...]
    tensorflow: str | None = None
    python: str | None = None
    seconds: float = 0.0
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether every device passed, and something was checked at all."""
        return bool(self.devices) and all(device.ok for device in self.devices)

    @property
    def first_failure(self) -> tuple[Device, Leg] | None:
        """The failed leg that decides the exit status; None when all passed."""
        for device in self.devices:
            for leg in device.legs:
                if not leg.ok:
                    return device, leg
        return None
