"""Records of a smoke test: the request, and the verdict by device and leg."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Level = Literal["quick", "standard", "deep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeRequest:
    """What the smoke test has to prove.

    Attributes:
        level: how much to check.
        accelerator: required one: `cpu`, `cuda`, `metal` or `rocm`; `auto` for none in particular, which tests every
            GPU that TensorFlow sees.
        require_gpus: minimum number of GPUs that must pass.
        gpu: `later` proves that the GPU libraries can be loaded, and runs nothing on a GPU.
        timeout: limit in seconds for one leg. All legs in a process together may take three times as long, and no
            further legs are started once legs that timed out have taken three times as long.
        idle_timeout: shorter limit in seconds for a leg that neither computes nor reads from the disk; None for none.
        scripts: the user's own checks, as absolute paths.
        packages: projects that must be importable, each with whether it may be missing because of a marker.
        all_packages: whether every other installed project must be importable, too.
        skip_imports: projects and modules that are not imported.
        expected_version: version of TensorFlow in the lock; None to accept any.
        expected_package: project that the lock installs (`tensorflow-cpu`); None to accept any.
        variables: environment variables from the profile by name, with `${NAME}` for variables of the user.
    """

    level: Level = "quick"
    accelerator: str = "auto"
    require_gpus: int = 0
    gpu: Literal["now", "later"] = "now"
    timeout: float = 300.0
    idle_timeout: float | None = None
    scripts: tuple[Path, ...] = ()
    packages: tuple[tuple[str, bool], ...] = ()
    all_packages: bool = False
    skip_imports: tuple[str, ...] = ()
    expected_version: str | None = None
    expected_package: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellHazard:
    """Something around a good environment that may break its use, such as a variable of this shell.

    Attributes:
        code: failure code.
        evidence: what was found, for messages.
    """

    code: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """The result of one check.

    Attributes:
        leg: name of the check, such as `import` or `matmul`.
        ok: whether it passed. False also for a leg that could not be run.
        code: failure code; None when ok.
        seconds: wall time.
        evidence: a line or a block of text: versions and errors when ok is False, measured numbers otherwise.
        skipped: True when it was not run because it does not apply (no TensorBoard) or the time was used up; then `ok`
            is True and the evidence says why.
        started: when it began, in seconds after the start of the smoke test; None when that is not known.
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
    """The results for one device.

    Attributes:
        name: `environment` for checks that are not about a device, else TensorFlow's name such as `CPU:0` or `GPU:1`.
        kind: `environment`, `cpu` or `gpu`.
        legs: in the order in which they ended.
        description: product name; empty when unknown.
    """

    name: str
    kind: Literal["environment", "cpu", "gpu"]
    legs: tuple[Leg, ...]
    description: str = ""

    @property
    def ok(self) -> bool:
        """Whether no leg failed and at least one was run; a skipped leg proves nothing."""
        return all(leg.ok for leg in self.legs) and any(not leg.skipped for leg in self.legs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The conclusion of a smoke test.

    Attributes:
        level: how much was checked.
        devices: the environment first, then CPUs and GPUs.
        tensorflow: version that was imported; None when the import failed.
        python: version of the environment's Python; None when it could not be determined.
        seconds: wall time of the whole smoke test.
        note: what was not proved and why (`gpu = "later"`); empty when everything requested was.
        findings: problems around the environment; they do not affect `ok`.
        packages: versions of TensorFlow and of the packages that commonly break it, by project.
        build: TensorFlow's build information.
        cures: cures that an earlier smoke test needed to pass, as the start-up code of the environment reports them.
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
        """Whether every device passed, and there is at least one."""
        return bool(self.devices) and all(device.ok for device in self.devices)

    @property
    def legs(self) -> tuple[tuple[Device, Leg], ...]:
        """All legs, each with its device."""
        return tuple((device, leg) for device in self.devices for leg in device.legs)

    @property
    def first_failure(self) -> tuple[Device, Leg] | None:
        """The failed leg that decides the exit status, with its device; None when all passed."""
        return next(((device, leg) for device, leg in self.legs if not leg.ok), None)
