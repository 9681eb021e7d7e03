"""Records of a decision: its input, and the result for each release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from packaging.version import Version

from tfprov.host.records import Facts, Interpreter
from tfprov.plan.compat import Compat, Pair
from tfprov.plan.demands import Demands
from tfprov.plan.gpus import Gpus
from tfprov.plan.interpreters import Usable
from tfprov.plan.offers import Offer, OfferedRelease
from tfprov.plan.records import Accelerator, LockedChoice, Refusal
from tfprov.profile.records import Profile


class Depth(IntEnum):
    """The check at which a release was refused; a refusal by a later check is more informative.

    Checks that nothing on this machine can change come before those that a user could: the architecture of the GPU
    comes before the driver.
    """

    KNOWN_BAD = 0
    PLATFORM = 1
    LIBC = 2
    CUDA_LIBRARIES = 3
    GPU = 4
    DRIVER = 5
    REQUIREMENTS = 6
    PYTHON = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A release that does not fit.

    Attributes:
        offer: the wheels that were considered; None when there are none.
    """

    candidate: OfferedRelease
    depth: Depth
    refusal: Refusal
    offer: Offer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A release that fits.

    Attributes:
        usable: interpreters on the machine, best first.
        bringable: minor versions of Python that could be installed, best first.
        conflicts: minor versions of Python on which the release contradicts the profile, with the reasons.
        pair: the plug-in or build for Metal or ROCm that goes with it.
    """

    candidate: OfferedRelease
    offer: Offer
    accelerator: Accelerator
    usable: tuple[Usable, ...]
    bringable: tuple[str, ...]
    conflicts: Mapping[str, Refusal] = field(default_factory=dict)
    pair: Pair | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """What another platform that the same lock must serve can take.

    Attributes:
        name: of the platform, as in `lock.platforms`.
        pythons: the minor versions of Python for each release that fits there.
        refused: why the others do not.
    """

    name: str
    pythons: Mapping[Version, frozenset[str]]
    refused: Mapping[Version, Refusal]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionContext:
    """The input of a decision, prepared once.

    Attributes:
        profile: with the lines of its requirements files.
        facts: about the machine to decide for.
        table: rows of compat.json.
        demands: of the profile on TensorFlow.
        locked: the choice in an existing lock; None for a free decision.
        platform: as in the table.
        tags: platform tags that wheels may have.
        gpus: the GPUs that CUDA can use, or the reason why it can use none.
        usable: interpreters that may be used, best first.
        bringable: minor versions of Python that could be installed.
        refused: the other interpreters, each with its reason.
        candidates: all known releases, newest first.
        before: time before which a file must have been on the index, from `index.exclude-newer`; None for no limit.
        wheels_only: whether a Python counts only where the packages of the profile have wheels for it.
        elsewhere: the other platforms that must be able to take the release, on the same Python.
    """

    profile: Profile
    facts: Facts
    table: Compat
    demands: Demands
    locked: LockedChoice | None
    platform: str
    tags: frozenset[str]
    gpus: Gpus | Refusal
    usable: tuple[Usable, ...]
    bringable: frozenset[str]
    refused: tuple[tuple[Interpreter, Refusal], ...]
    candidates: tuple[OfferedRelease, ...]
    before: datetime | None = None
    wheels_only: bool = True
    elsewhere: tuple[Elsewhere, ...] = ()

    @property
    def admitted(self) -> tuple[OfferedRelease, ...]:
        """The releases that the profile, and the lock if there is one, allow; newest first."""
        if self.locked is not None:
            version = Version(self.locked.version)
            return tuple(each for each in self.candidates if each.version == version and self.demands.admits(version))
        return tuple(each for each in self.candidates if each.everywhere and self.demands.admits(each.version))

    @property
    def must_have_gpu(self) -> bool:
        """Whether the profile demands a GPU, so that a CPU environment is not an alternative."""
        smoke = self.profile.smoke
        return self.demands.accelerator == "cuda" or (smoke.require_gpus > 0 and smoke.gpu == "now")

    @property
    def from_conda(self) -> bool:
        """Whether TensorFlow itself comes from a conda channel."""
        return self.profile.environment.kind == "conda" and self.profile.conda.tensorflow == "conda"

    @property
    def python(self) -> str | None:
        """The range of Python versions that the profile allows."""
        return self.profile.python.version
