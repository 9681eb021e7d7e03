"""Records of an environment that somebody else made, and of what it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tfprov.structured import minor_of

Kind = Literal["venv", "conda", "interpreter"]
"""A virtual environment, a conda environment, or the folder of an interpreter itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectUrl:
    """Where a distribution was installed from, if not from an index (PEP 610).

    Attributes:
        url: as recorded, without credentials.
        path: local folder or file; None for a remote address.
        commit: commit of a repository; empty for none.
        subdirectory: subdirectory of a repository; empty for its root.
        is_editable: whether the folder itself is used, and not a copy.
    """

    url: str
    path: Path | None = None
    commit: str = ""
    subdirectory: str = ""
    is_editable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDistribution:
    """An installed distribution, as its metadata folder describes it.

    Attributes:
        name: normalised.
        project: name as written.
        version: as installed; empty if unknown.
        metadata: the metadata folder, or the file of an older format.
        installer: `pip`, `uv`, `conda`, …; empty if unknown.
        is_requested: whether the user named it to the installer.
        requires: lines of `Requires-Dist`.
        tags: tags of the wheel that it was installed from.
        origin: None if it was installed from an index.
        lacks: metadata files that every distribution has but this one does not: `METADATA`, `RECORD`.
        commands: files that it installed outside site-packages, relative to the environment, such as `bin/pip`.
        in_user_site: whether it lies among the packages that the user installed outside any environment.
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
    in_user_site: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPython:
    """The interpreter of an environment, as far as files tell; it is never started.

    Attributes:
        path: path of the command in the environment.
        version: `3.11.7`, or `3.11` if no more is known; empty if unknown.
        target: the program that the command leads to, links resolved.
        why: why it cannot start; empty if no reason is known.
    """

    path: Path
    version: str
    target: Path
    why: str = ""

    @property
    def works(self) -> bool:
        """Whether no reason is known why it should not start."""
        return not self.why

    @property
    def minor(self) -> str:
        """Minor version, `3.11`; empty if unknown."""
        return minor_of(self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaSide:
    """What conda has recorded about an environment.

    Attributes:
        requested: specs that the user asked for, as in conda's history.
        versions: versions of the conda packages, by name.
        channels: channels that they came from, most used first.
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
        what: one line of what is known about it; empty for nothing.
    """

    kind: Literal["editable", "local", "startup", "file", "command", "leftover"]
    path: str
    what: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignEnvironment:
    """An environment that somebody else made.

    Attributes:
        root: its folder; absolute, links resolved.
        named: its folder as the user named it, absolute.
        maker: the tool that made it: `venv`, `virtualenv`, `uv`, `conda`, or the kind of environment.
        libraries: its site-packages folders.
        distributions: sorted by name; one that is installed twice is listed twice.
        outside: distributions in other folders that its Python finds, such as those of the user site.
        sees_system: whether the packages of its base interpreter are visible.
        made_at: another path that its commands name; None when they name this one.
        conda: None unless it is a conda environment.
        beside: what no profile can ask for.
        module: whether site-packages has a folder `tensorflow`.
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
        """Versions by normalised name; of a distribution that is installed twice, the one with complete metadata."""
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
        version: the installed version; empty if unknown.
        text: PEP 508 requirement to use as it is; empty for name and version.
        is_pinned: whether exactly that version is asked for.
        project: the name as written.
        is_carried: whether it is the user's own files, which are dropped with a note rather than failing the run.
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
        # A local label (`+cu118`) belongs to one builder; `==` without it matches both.
        return f"{self.project}=={self.version.partition('+')[0]}" if self.is_pinned and self.version else self.project


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionChange:
    """A difference between the old environment and the new one.

    Attributes:
        what: a project, or `Python`.
        before: the old version; None if it was not installed.
        after: the new version; None if it will not be installed.
        why: the reason.
    """

    what: str
    before: str | None
    after: str | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user of an environment once asked for, in terms of a profile.

    Attributes:
        kind: kind of environment to make.
        tensorflow: PEP 440 range; empty for any.
        accelerator: `auto` or `cpu`.
        python: PEP 440 range; empty for any.
        packages: packages other than TensorFlow, by name.
        project: how the project in the profile's folder is installed.
        wishes: versions to prefer, for everything that was installed.
        channels: conda channels.
        conda: specs of conda packages.
        conda_tensorflow: whether TensorFlow comes from a channel.
        index: address of the index that the environment's own pip uses; empty for the machine's.
        reasons: why something is not asked for as it was found, by normalised name.
        notes: what the user should know, one sentence each.
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
