"""What was read of an environment that somebody else made, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["venv", "conda", "interpreter"]
"""An environment for one project, one of conda, or the folder of an interpreter itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectUrl:
    """Where a distribution came from, when that was not an index (PEP 610).

    Attributes:
        url: as it was recorded, without credentials.
        path: of a local folder or file; None for an address elsewhere.
        commit: of a repository; empty for none.
        subdirectory: of a repository; empty for its top.
        is_editable: whether the folder itself is used, and not a copy.
    """

    url: str
    path: Path | None = None
    commit: str = ""
    subdirectory: str = ""
    is_editable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDistribution:
    """A distribution as its metadata folder tells it.

    Attributes:
        name: normalised.
        project: as it is written.
        version: as installed; empty when nothing says it.
        metadata: the folder, or the file of an old kind.
        installer: `pip`, `uv`, `conda`, …; empty when nothing says it.
        is_requested: whether the user named it to the installer.
        requires: lines of `Requires-Dist`.
        tags: of the wheel that it came from.
        origin: None when it came from an index.
        lacks: files that every installed distribution has and this one does not: `METADATA`, `RECORD`.
        commands: files that it installed beside the packages, relative to the environment, such as `bin/pip`.
    """

    name: str
    project: str
    version: str
    metadata: Path
    installer: str = ""
    is_requested: bool = False
    requires: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    origin: DirectUrl | None = None
    lacks: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPython:
    """The interpreter of an environment, as files tell it; it is never started.

    Attributes:
        path: of the command in the environment.
        version: `3.11.7`, or `3.11` when nothing says more; empty when nothing says it.
        target: where the command leads in the end.
        why: what is wrong with it; empty when nothing is.
    """

    path: Path
    version: str
    target: Path
    why: str = ""

    @property
    def works(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.why

    @property
    def minor(self) -> str:
        """`3.11`; empty when nothing says it."""
        return ".".join(self.version.split(".")[:2])


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaSide:
    """What conda knows about an environment.

    Attributes:
        requested: specs that the user named, as the history has them.
        versions: of the conda packages, by name.
        channels: that they came from, most used first.
        is_base: whether it is the environment that conda itself runs from.
    """

    requested: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    channels: tuple[str, ...] = ()
    is_base: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Something in an environment that no profile can ask for.

    Attributes:
        kind: what it is.
        path: relative to the environment.
        what: what is known about it, in a line; empty for nothing.
    """

    kind: Literal["editable", "local", "startup", "file", "command", "leftover"]
    path: str
    what: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignEnvironment:
    """An environment that somebody else made.

    Attributes:
        root: its folder; absolute, links resolved.
        named: as the user named it, absolute.
        maker: `venv`, `virtualenv`, `uv`, `conda`, or what else made it.
        libraries: folders in which its packages lie.
        distributions: sorted by name; one that is there twice stands twice.
        outside: distributions of other folders that it sees, such as those of the user site.
        sees_system: whether the packages of the interpreter it was made from are visible.
        made_at: another path that its commands name; None when they name this one.
        conda: None unless it is one of conda.
        beside: what no profile can ask for.
        module: whether there is a folder `tensorflow` among the packages.
    """

    root: Path
    named: Path
    kind: Kind
    maker: str
    python: FoundPython
    libraries: tuple[Path, ...] = ()
    distributions: tuple[FoundDistribution, ...] = ()
    outside: tuple[FoundDistribution, ...] = ()
    sees_system: bool = False
    made_at: Path | None = None
    conda: CondaSide | None = None
    beside: tuple[Beside, ...] = ()
    module: bool = False

    @property
    def versions(self) -> dict[str, str]:
        """Versions by normalised name; of a distribution that is there twice, that of the one that is whole."""
        found: dict[str, str] = {}
        for one in sorted(self.distributions, key=lambda each: not each.lacks):
            if one.version:
                found[one.name] = one.version
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A package that the user asked for.

    Attributes:
        name: normalised.
        version: that is there; empty when nothing says it.
        text: a PEP 508 line that is taken as it is; empty for name and version.
        is_pinned: whether exactly that version is asked for.
        project: the name as it is written.
        is_carried: whether it is the user's own files, which are named rather than worth a failure.
    """

    name: str
    project: str
    version: str = ""
    text: str = ""
    is_pinned: bool = True
    is_carried: bool = False

    def __str__(self) -> str:
        if self.text:
            return self.text
        # A local label (`+cu118`) is that of one builder; `==` without it matches both.
        return f"{self.project}=={self.version.partition('+')[0]}" if self.is_pinned and self.version else self.project


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionChange:
    """A difference between what was found and what will be there.

    Attributes:
        what: a project, or `Python`.
        before: version that was found; None when it was not there.
        after: version that will be there; None when it will not.
        why: the reason.
    """

    what: str
    before: str | None
    after: str | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user of an environment once asked for, as a profile can say it.

    Attributes:
        kind: of the environment to make.
        tensorflow: PEP 440 range; empty for any.
        accelerator: `auto` or `cpu`.
        python: PEP 440 range; empty for any.
        packages: beside TensorFlow, by name.
        project: how the project in the folder of the profile is installed.
        wishes: versions to take where they fit, of everything that was there.
        channels: of conda.
        conda: specs of conda packages.
        conda_tensorflow: whether TensorFlow comes from a channel.
        index: address of the index that the environment's own pip uses; empty for the machine's.
        reasons: why something is asked for in another way than it was found, by normalised name.
        notes: what a person should know, a sentence each.
    """

    kind: Literal["venv", "conda"] = "venv"
    tensorflow: str = ""
    accelerator: Literal["auto", "cpu"] = "auto"
    python: str = ""
    packages: tuple[Ask, ...] = ()
    project: Literal["no", "wheel", "editable"] = "no"
    wishes: tuple[tuple[str, str], ...] = ()
    channels: tuple[str, ...] = ()
    conda: tuple[str, ...] = ()
    conda_tensorflow: bool = False
    index: str = ""
    reasons: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
