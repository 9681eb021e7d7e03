"""Records about environments on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from tfprov.errors import TfprovError
from tfprov.host.records import Fingerprint
from tfprov.lock.target_records import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The profile that an environment's folder belongs to.

    Attributes:
        name: name of the profile; of the folder, where the owner is unknown.
        profile: the profile file, absolute; empty where the owner is unknown, because its record cannot be read.
        link: stable path outside tfprov's folders (`environment.path`), or empty.
        former: stable paths that the profile asked for earlier; their links are deleted once the new one works.
    """

    name: str
    profile: str
    link: str = ""
    former: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether the record of the owner can be read."""
        return bool(self.profile)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cure:
    """A change that was made to a generation after a failed smoke test, and that it needs to pass.

    Attributes:
        name: kind of the cure: `library-path`, `clean-library-path`, `xla-flags`, `own-modules`, `keras-2`,
            `pin` or `likely-bound`.
        code: failure code that it fixes.
        what: what it does, in a line without a full stop.
        libraries: shared libraries to open before TensorFlow does, relative to site-packages; each comes after those
            that it needs.
        without: folders that `run`, `shell` and `activate` remove from LD_LIBRARY_PATH, absolute.
        cuda: folder in which XLA finds `ptxas` and `libdevice`, absolute or relative to site-packages; empty for none.
        modules: top-level modules that are always imported from the environment.
        constraint: PEP 508 bound that the lock was resolved with, on `python` for the interpreter; empty for none.
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
    """Everything that is known about a verified generation. A generation without a seal is unfinished.

    Attributes:
        kind: kind of the environment, `venv` or `conda`; selects the backend.
        profile_digest: digest of the profile that it was made from.
        lock_digest: digest of the lock file.
        target: what the lock was resolved for.
        python: the interpreter that it was made from, absolute.
        python_version: full version of the interpreter.
        tensorflow: version that was imported.
        level: how much the smoke test checked.
        smoke_digest: digest of everything in the profile that the smoke test depends on.
        verdict: the verdict as a JSON document.
        why: why this release and interpreter were chosen.
        installer: what installed it: `tfprov`, `uv` or `pip`; the kind of the environment if no wheel was installed.
        sealed_at: moment in UTC, ISO 8601.
        bytes: size of the files.
        image: name of the image with the same files.
        proofs: the machines that passed the smoke test of `smoke_digest`, each as it was then, the newest last; empty
            if an older tfprov sealed it.
        place: folder that it was made in, which its commands name.
        cures: cures that were applied after a failed smoke test, in order.
        variables: variables that the profile sets, by name, with `${NAME}` for variables of the user.
        keep: how many generations the profile wants kept; 0 if not known, because an older tfprov sealed it.
        from_folders: SHA-256 of its wheels that were built from folders, sorted.
        adopted: original path of an environment that was adopted as it was; empty for one that tfprov made.
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
        number: counts from 1; 0 is an adopted environment.
        path: its folder; it never moves.
        seal: None while it is unfinished.
    """

    number: int
    path: Path
    seal: Seal | None = None

    @property
    def sealed(self) -> Seal:
        """The seal of a generation that was verified, as every active one was.

        Raises:
            TfprovError: `internal` if it has none.
        """
        if self.seal is None:
            raise TfprovError("internal", f"generation {self.number} has no seal")
        return self.seal


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that uses a generation.

    Attributes:
        command: its command line, truncated.
    """

    pid: int
    command: str

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.command})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A generation that is in use, with its processes."""

    generation: Generation
    holders: tuple[Holder, ...]

    def __str__(self) -> str:
        first, *others = self.holders
        more = f" and {len(others)} more" if others else ""
        return f"generation {self.generation.number} is in use by {first}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Undeleted:
    """A generation of which something could not be deleted, and the system's reason."""

    generation: Generation
    error: OSError

    def __str__(self) -> str:
        return f"generation {self.generation.number} cannot be deleted completely: {self.error}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What happened to the generations beyond those that are kept.

    Attributes:
        deleted: generations that were deleted, or put aside.
        held: generations that are in use; they are deleted when they no longer are.
        failed: generations of which something is left; later runs try to delete it.
    """

    deleted: tuple[Generation, ...] = ()
    held: tuple[Held, ...] = ()
    failed: tuple[Undeleted, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Verified files of a generation that have changed since.

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
        words: what is wrong, to follow `the environment is unusable:`.
    """

    code: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One thing about an environment that is not as it should be.

    Attributes:
        code: failure code that it is, or leads to.
        path: file, package, variable or program.
        expected: what it should be.
        found: what it is.
        fix: the next step; empty for the one that all defects of an environment share.
        kind: `damage` needs a repair; `change` needs a new proof; `advice` is about the machine around it.
    """

    code: str
    path: str
    expected: str
    found: str
    fix: str = ""
    kind: Literal["damage", "change", "advice"] = "damage"

    @staticmethod
    def alike(found: Iterable[Defect]) -> Iterator[tuple[Defect, str]]:
        """Each, but of the missing files of one package only the first, with words on the others: ` and 300 more`."""
        groups: dict[Defect, list[Defect]] = {}
        for one in found:
            groups.setdefault(replace(one, path="") if one.found == "missing" else one, []).append(one)
        for first, *others in groups.values():
            yield first, f" and {len(others)} more" if others else ""
