"""What the smoke test found: one verdict a device and a leg."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Level = Literal["quick", "standard", "deep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeRequest:
    """What to prove.

    Attributes:
        level: how much to check.
        accelerator: what was promised: `cpu`, `cuda`, `metal`, `rocm`; `auto` when nothing was, then every GPU that
            TensorFlow sees is tested.
        require_gpus: at least so many GPUs must pass.
        gpu: `later` proves that the GPU libraries can be loaded, and runs nothing on a GPU.
        timeout: seconds that one leg may take; all legs that share a process, three times as long. So much may be lost
            to legs that run into it, then nothing further is started.
        scripts: the user's own checks, as absolute paths.
        expected_version: version of TensorFlow in the lock; None to accept any.
        packages: projects that must be importable, each with whether it may be missing: a marker decides there.
        all_packages: whether every other installed project must be importable, too.
        skip_imports: projects and modules that are not imported.
        expected_package: project that the lock installs (`tensorflow-cpu`); None to accept any.
        variables: what the profile sets, with `${NAME}` for variables of the user, by name.
    """

    level: Level = "quick"
    accelerator: str = "auto"
    require_gpus: int = 0
    gpu: Literal["now", "later"] = "now"
    timeout: float = 300.0
    scripts: tuple[Path, ...] = ()
    packages: tuple[tuple[str, bool], ...] = ()
    all_packages: bool = False
    skip_imports: tuple[str, ...] = ()
    expected_version: str | None = None
    expected_package: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellHazard:
    """Something outside the environment that will harm whoever uses it from this shell; the environment itself is good.

    Attributes:
        code: failure code.
        evidence: what was seen.
    """

    code: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One check.

    Attributes:
        leg: name, such as `import` or `matmul`.
        ok: whether it passed. A leg that could not be run is not ok.
        code: failure code; None when ok.
        seconds: wall time.
        evidence: what was seen, in a line or a block: versions and errors when ok is False, measured numbers otherwise.
        skipped: True when it does not apply here (no TensorBoard); then ok is True and the evidence says why.
        started: seconds after the start of the smoke test at which it began; None when that is not known.
    """

    leg: str
    ok: bool
    seconds: float
    code: str | None = None
    evidence: str = ""
    skipped: bool = False
    started: float | None = None


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
        """Whether no leg failed, and at least one was run. A skipped leg proves nothing."""
        return all(leg.ok for leg in self.legs) and any(not leg.skipped for leg in self.legs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the smoke test concluded.

    Attributes:
        level: how much was checked.
        tensorflow: version that was imported; None when none could be.
        note: what was not proved and why (`gpu = "later"`); empty when everything asked was.
        findings: what is wrong around the environment; does not change `ok`.
        packages: versions of TensorFlow and of what it breaks over, by project.
        build: what TensorFlow says that it was built for.
        cures: what the environment was given after an earlier smoke test failed, as its own start-up says; it did not
            pass without.
    """

    level: Level
    devices: tuple[Device, ...]
    tensorflow: str | None = None
    python: str | None = None
    seconds: float = 0.0
    note: str = ""
    findings: tuple[ShellHazard, ...] = ()
    packages: tuple[tuple[str, str], ...] = ()
    build: tuple[tuple[str, str], ...] = ()
    cures: tuple[str, ...] = ()

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
