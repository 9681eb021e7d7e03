"""The plan: what will be done, and everything that was refused and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Accelerator = Literal["cpu", "cuda", "metal", "rocm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """A file that an index offers.

    Attributes:
        filename: wheel file name.
        requires_python: PEP 440 range, or None when not stated.
        size: bytes, or None when the index does not say.
        yanked: whether it was withdrawn.
        uploaded: RFC 3339 time, or None when the index does not say.
    """

    filename: str
    requires_python: str | None = None
    size: int | None = None
    yanked: bool = False
    uploaded: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Files on the index of the packages that a plan chooses from.

    Attributes:
        files: by normalised project name; a project that the index does not have maps to an empty tuple.
        source: where it was read, without secrets.
    """

    files: dict[str, tuple[IndexFile, ...]]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedChoice:
    """Release, Python and variant of an existing lock, which bind the decision.

    Attributes:
        package: project that brings TensorFlow: `tensorflow`, `tensorflow-cpu`, …
        version: exact version.
        python_minor: `3.12`.
        accelerator: what its files can run on (`cpu`, `cuda`, …); None when the lock does not say, and then its package
            speaks for it.
        breaks: what is known to break in it, and what it holds to for that, a line each.
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
        why: the reason in a line, with the fact that it rests on.
        remedy: what makes the reason go away, as an instruction; None when the reason alone does not tell.
        driver: oldest version of the NVIDIA driver with which the reason goes away; None when no driver does that.
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
        why: the reason in a line, with the fact that it rests on.
    """

    what: str
    code: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenPython:
    """The interpreter.

    Attributes:
        version: full version, or `3.12` when it is still to be brought.
        path: None when it is still to be brought.
        alternatives: other minor versions that are as good, the better first; the installer of the Python may choose.
    """

    version: str
    path: str | None
    why: str
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenTensorflow:
    """The TensorFlow.

    Attributes:
        package: project to install: `tensorflow`, `tensorflow-cpu`, …
        version: exact version.
        extras: extras of that project.
        verified: False when the compat table does not know the release and only the index speaks for it.
    """

    package: str
    version: str
    extras: tuple[str, ...]
    accelerator: Accelerator
    why: str
    verified: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A bound that makes a release work, and why."""

    requirement: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredVariable:
    """A variable that a package needs in the environment, and why."""

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
    """Packages that this release, or another package, needs and does not bring by itself."""
    variables: tuple[RequiredVariable, ...] = ()
    without: tuple[Constraint, ...] = ()
    """Packages that are left out although another one asks for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A Python with a range of releases that work on it: what is left to the resolver, which sees the other packages.

    Attributes:
        requirement: the range as a PEP 508 line, of one project with its extras.
        decisions: one for each release of the range, newest first.
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
        refused: everything passed over, most interesting first.
        notes: what a person should know: rewrites, warnings, hazards.
        download_bytes: bytes to move if nothing is in the store; None when not known.
        unpacked_bytes: size of the environment; None when not known.
        peak_disk_bytes: most space needed at one time; None when not known.
        files: number of installed files; None when not known.
        fetch_bytes: bytes to move with what is here already; None when not known.
        changes: what changes in the environment in use, as people write it; None when there is none, or not known.
        candidates: what the decision may become when the profile asks for more than TensorFlow: that of the decision
            first, then the better ones first; empty when nothing else is asked for, and when a lock decides.
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
        """Estimate of the time beside the download, in seconds; None when the size is not known.

        Measured on two cores: 10 s for everything that does not grow with the size (resolve, first import, checks), and
        120 MB unpacked a second (1.46 GB of tensorflow-cpu 2.21.0 took 8 s to install and 6 s to prove).
        """
        return None if self.unpacked_bytes is None else round(10 + self.unpacked_bytes / 120e6)
