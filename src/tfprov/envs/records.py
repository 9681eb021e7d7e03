"""What tfprov knows about environments on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tfprov.host.records import Fingerprint
from tfprov.lock.records import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose environment a folder is.

    Attributes:
        name: name of the profile.
        profile: the profile file, absolute.
        link: stable path outside tfprov's folders (`environment.path`), or empty.
        former: stable paths that the profile asked for earlier; their links go when the new one works.
    """

    name: str
    profile: str
    link: str = ""
    former: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cure:
    """Something that a generation was given after a failed smoke test, and without which it does not pass.

    Attributes:
        name: kind of the cure: `library-path`, `clean-library-path`, `xla-flags`, `own-modules`, `keras-2`,
            `pin` or `likely-bound`.
        code: failure code that it answers.
        what: what it does, in a line without a final stop.
        libraries: shared libraries to open before TensorFlow does, relative to the folder of the packages; each stands
            behind those that it needs.
        without: folders that `run`, `shell` and `activate` take out of LD_LIBRARY_PATH, absolute.
        cuda: folder in which XLA finds `ptxas` and `libdevice`, absolute or relative to the packages; empty for none.
        modules: top-level modules that are always taken from the environment.
        constraint: bound that the lock was resolved with, PEP 508, on `python` for the interpreter; empty for none.
    """

    name: str
    code: str
    what: str
    libraries: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    cuda: str = ""
    modules: tuple[str, ...] = ()
    constraint: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What is written into a generation when it has proved itself. Without it a generation counts as unfinished.

    Attributes:
        kind: of the environment, `venv` or `conda`; what knows it on disk.
        profile_digest: digest of the profile that it was made from.
        lock_digest: digest of the lock file.
        target: what the lock was resolved for.
        python: the interpreter that it was made from, absolute.
        python_version: full version of it.
        tensorflow: version that was imported.
        level: how much the smoke test checked.
        smoke_digest: digest of everything in the profile that the smoke test depends on.
        verdict: the verdict as a JSON document.
        why: why this release and interpreter.
        installer: what installed it: `tfprov`, `uv` or `pip`; the kind of the environment where no wheel was.
        sealed_at: moment in UTC, ISO 8601.
        bytes: size of the files.
        image: name of the image with the same files.
        proofs: the machines that it was proved on as `smoke_digest` says, each as it was then, the newest last; none
            where an older tfprov sealed it.
        place: folder that it was made in; its commands name it.
        cures: what it was given after a failed smoke test, in order.
        variables: what the profile sets, with `${NAME}` for variables of the user, by name.
        keep: how many generations the profile wants kept; 0 where an older tfprov sealed it, for not known.
        from_folders: SHA-256 of the wheels in it that were built from folders, sorted.
        adopted: where somebody else's environment stood that was taken over as it was; empty for one of tfprov's own.
    """

    profile_digest: str
    lock_digest: str
    target: Target
    python: str
    python_version: str
    tensorflow: str
    level: str
    smoke_digest: str
    kind: str = "venv"
    verdict: dict[str, object] = field(default_factory=dict)
    why: str = ""
    installer: str = "uv"
    sealed_at: str = ""
    bytes: int = 0
    image: str = ""
    proofs: tuple[Fingerprint, ...] = ()
    place: str = ""
    cures: tuple[Cure, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    keep: int = 0
    from_folders: tuple[str, ...] = ()
    adopted: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One complete environment on disk.

    Attributes:
        number: counts from 1; 0 is an environment that was adopted.
        path: its folder; it never moves.
        seal: None while it is unfinished.
    """

    number: int
    path: Path
    seal: Seal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that uses a generation.

    Attributes:
        command: its command line, cut short.
    """

    pid: int
    command: str

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.command})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A generation that processes use."""

    generation: Generation
    holders: tuple[Holder, ...]

    def __str__(self) -> str:
        first, *others = self.holders
        more = f" and {len(others)} more" if others else ""
        return f"generation {self.generation.number} is in use by {first}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What became of the generations beyond those that are kept.

    Attributes:
        deleted: they are gone, or put aside.
        held: they go when nobody uses them any more.
    """

    deleted: tuple[Generation, ...] = ()
    held: tuple[Held, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Verified files of a generation that are not as they were.

    Attributes:
        missing: paths relative to the generation.
        altered: paths whose size or content differs.
    """

    missing: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is damaged."""
        return bool(self.missing or self.altered)

    def __str__(self) -> str:
        parts = [
            f"{len(paths)} {word}" for word, paths in (("missing", self.missing), ("altered", self.altered)) if paths
        ]
        first, *others = (*self.missing, *self.altered)
        return f"{' and '.join(parts)} files, such as `{first}`" if others else f"{parts[0]} file, `{first}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """Why a sealed generation may not be used as it is.

    Attributes:
        code: failure code.
        words: what is wrong, fit to stand after `the environment is unusable:`.
    """

    code: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """Something about an environment that is not as it should be.

    Attributes:
        code: failure code that it is, or leads to.
        path: file, package, variable or program.
        expected: what it should be.
        found: what it is.
        fix: the next step.
        kind: `damage` is put right by a repair; `change` wants a new proof; `advice` is about the machine around it.
    """

    code: str
    path: str
    expected: str
    found: str
    fix: str
    kind: Literal["damage", "change", "advice"] = "damage"
