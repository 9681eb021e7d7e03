"""Records of the plan: what will be done, and everything that was refused and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Accelerator = Literal["cpu", "cuda", "metal", "rocm"]

ACCELERATORS = {"cpu": "the CPU", "cuda": "CUDA", "metal": "Metal", "rocm": "ROCm"}
"""The accelerators, for messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildInfo:
    """Build information in a wheel of TensorFlow.

    Attributes:
        cuda: toolkit release, `12.5.1`; empty where it is not stated.
        cudnn: version of cuDNN; empty where it is not stated.
        capabilities: as compilers name them: `sm_80`, `compute_90`; empty where they are not stated.
    """

    is_cuda: bool
    cuda: str = ""
    cudnn: str = ""
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """A file on an index.

    Attributes:
        filename: file name of the wheel.
        requires_python: PEP 440 range; None when not stated.
        size: bytes; None when the index does not say.
        yanked: whether it was withdrawn.
        uploaded: RFC 3339 time; None when the index does not say.
        url: address of the file, which may contain credentials.
        is_own: whether the file comes from `find-links` rather than from an index.
        build: build information in the file; None where it was not looked into.
    """

    filename: str
    requires_python: str | None = None
    size: int | None = None
    yanked: bool = False
    uploaded: str | None = None
    url: str = field(default="", repr=False)
    is_own: bool = False
    build: BuildInfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Files on the index of the projects that a plan chooses from.

    Attributes:
        files: by normalised project name; a project that the index does not have maps to an empty tuple.
        source: of the listing, without secrets.
    """

    files: dict[str, tuple[IndexFile, ...]]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedChoice:
    """Release, Python and variant in an existing lock, which bind the decision.

    Attributes:
        package: project that provides TensorFlow: `tensorflow`, `tensorflow-cpu`, …
        version: exact version.
        python_minor: `3.12`.
        accelerator: what its files can run on (`cpu`, `cuda`, …); None when the lock does not say, and then it depends
            on the package.
        breaks: known incompatibilities and the versions chosen because of them, one line each.
    """

    package: str
    version: str
    python_minor: str
    accelerator: str | None = None
    breaks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The reason for not taking a candidate.

    Attributes:
        code: failure code.
        why: the reason in one line, with the fact that it is based on.
        remedy: what removes the reason, as an instruction; None when the reason says it already.
        driver: oldest version of the NVIDIA driver that removes the reason; None when no driver does.
    """

    code: str
    why: str
    remedy: str | None = None
    driver: str | None = None

    @property
    def advice(self) -> str:
        """The reason and the remedy."""
        return f"{self.why}; {self.remedy}" if self.remedy else self.why


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A candidate that was not taken.

    Attributes:
        what: `Python 3.9.18 (path)`, `tensorflow 2.21.0`, `cuda`, …
        code: failure code.
        why: the reason in one line, with the fact that it is based on.
    """

    what: str
    code: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenPython:
    """The chosen interpreter.

    Attributes:
        version: full version; `3.12` when it must still be installed.
        path: None when it must still be installed.
        alternatives: other minor versions that are as good, best first; the installer of the Python may choose.
    """

    version: str
    path: str | None
    why: str
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenTensorflow:
    """The chosen TensorFlow.

    Attributes:
        package: project to install: `tensorflow`, `tensorflow-cpu`, …
        version: exact version.
        extras: extras of that project.
        verified: False when the release is not in the compat table but only on the index.
    """

    package: str
    version: str
    extras: tuple[str, ...]
    accelerator: Accelerator
    why: str
    verified: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A bound that makes a release work, with the reason."""

    requirement: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredVariable:
    """An environment variable that a package needs, with the reason."""

    name: str
    value: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Interpreter, release and variant, chosen together."""

    tensorflow: ChosenTensorflow
    python: ChosenPython
    constraints: tuple[Constraint, ...] = ()
    also: tuple[Constraint, ...] = ()
    """Packages that this release or another package needs without depending on them."""
    variables: tuple[RequiredVariable, ...] = ()
    without: tuple[Constraint, ...] = ()
    """Packages that are left out although another one depends on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A Python with a range of releases that work on it, for the resolver, which knows the needs of the other packages.

    Attributes:
        requirement: the range as a PEP 508 line, for one project with its extras.
        decisions: one for each release in the range, newest first.
    """

    requirement: str
    decisions: tuple[Decision, ...]

    @property
    def best(self) -> Decision:
        """The decision with the newest release."""
        return self.decisions[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The decision with its reasons, notes and sizes.

    Attributes:
        refused: every refused candidate, most interesting first.
        notes: information for the user: interpretations, warnings, hazards.
        download_bytes: download size with an empty store; None when unknown.
        unpacked_bytes: size of the environment; None when unknown.
        peak_disk_bytes: maximum space needed at one time; None when unknown.
        files: number of installed files; None when unknown.
        fetch_bytes: download size given what is in the store; None when unknown.
        changes: changes from the environment in use, for messages; None when there is no such environment, or unknown.
        candidates: the possible decisions when the profile asks for more than TensorFlow: that of the decision first,
            the others best first; empty when it asks for nothing else, and when a lock decides.
    """

    decision: Decision
    refused: tuple[Refused, ...] = ()
    notes: tuple[str, ...] = ()
    download_bytes: int | None = None
    unpacked_bytes: int | None = None
    peak_disk_bytes: int | None = None
    files: int | None = None
    fetch_bytes: int | None = None
    changes: tuple[str, ...] | None = None
    fallbacks: tuple[Decision, ...] = field(default=())
    """Decisions to try after a failure, in order; empty unless the profile allows it."""
    candidates: tuple[Candidate, ...] = ()

    @property
    def build_seconds(self) -> int | None:
        """Estimated time without the download, in seconds; None when the size is unknown.

        Measured on two cores: 10 s for everything that does not grow with the size (resolve, first import, checks), and
        120 MB unpacked per second (1.46 GB of tensorflow-cpu 2.21.0 took 8 s to install and 6 s to prove).
        """
        return None if self.unpacked_bytes is None else round(10 + self.unpacked_bytes / 120e6)
