"""The profile: what is asked for. One frozen record a table of the TOML file.

The field descriptions are the reference: the JSON Schema for editors is made from them (`schema`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, field_validator

from tfprov.profile.source import ProfileSource, resolved
from tfprov.profile.values import (
    ChannelText,
    CondaSpec,
    FileOrUrl,
    IndexUrl,
    Many,
    Moment,
    Pep508,
    ProjectName,
    Route,
    Seconds,
    Specifier,
    VariableName,
    VariableText,
    environment_name,
)
from tfprov.secret import looks_secret
from tfprov.wants.records import LocalProject

PlatformName = Literal["linux-x86_64", "linux-aarch64", "windows-amd64", "macos-arm64", "macos-x86_64"]
RungName = Literal["patient", "other-route", "other-source", "fresh", "other-installer", "other-release", "repair"]


class _Table(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=lambda name: name.replace("_", "-"),
        validate_by_name=False,
        validate_by_alias=True,
        serialize_by_alias=True,
    )


class PythonTable(_Table):
    """Which interpreter the environment runs on."""

    version: Specifier | None = None
    """PEP 440 range of Python versions. Default: every version that the chosen TensorFlow has wheels for. Pre-releases
    of Python count only when the range names one."""
    path: str | None = None
    """Use exactly this interpreter; relative to the profile."""
    install: bool = True
    """Whether an interpreter may be downloaded when none on the machine fits, or only those older than 3.9."""
    _of_files: Mapping[str, str] = PrivateAttr(default_factory=dict)

    def with_files(self, version: str, of_files: Mapping[str, str]) -> PythonTable:
        """The table with a range that files ask for, too.

        Args:
            version: the whole range, with that of the table.
            of_files: where each part is written (`pyproject.toml: project.requires-python`), by its text.
        """
        found = self.model_copy(update={"version": version})
        found._of_files = of_files
        return found

    def excluding(self, version: Version) -> str:
        """What of the range excludes a version, each part as it is written, with its place; empty if nothing does."""
        parts = {self.version: ""} if self.version and not self._of_files else self._of_files
        return " and ".join(
            f"`{text}` ({place})" if place else f'`python.version = "{text}"`'
            for text, place in parts.items()
            if text is not None and not SpecifierSet(text).contains(version, prereleases=True)
        )


class EnvironmentTable(_Table):
    """Kind, place and variables of the environment."""

    kind: Literal["venv", "conda"] = "venv"
    """Kind of environment."""
    path: str | None = None
    """Stable path of the environment, relative to the profile. When `--set` gives it for a shipped profile or one from
    a bundle, relative to the working directory. Default: in tfprov's data folder."""
    keep: int = Field(default=3, ge=1, le=100)
    """How many verified generations are kept for rollback."""
    variables: dict[VariableName, VariableText] = {}
    """Environment variables for `run`, `shell` and the smoke test, such as `TF_USE_LEGACY_KERAS = "1"`. `${NAME}` is
    replaced by the variable of that name when a command starts; secrets belong there."""

    @field_validator("variables")
    @classmethod
    def _secrets_stay_outside(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if looks_secret(name) and text and "${" not in text:
                raise ValueError(f"`{name}` looks like a secret: write `${{{name}}}` and set it in the environment")
        return value


class TensorflowTable(_Table):
    """Which TensorFlow is wanted."""

    version: Specifier | None = None
    """PEP 440 range of releases, from 1.15 on. Default: the newest final release that fits this machine."""
    package: Literal["tensorflow", "tf-nightly"] = "tensorflow"
    """`tf-nightly`: the newest build of the development branch that the index has; `tf-nightly` or `tf-nightly-cpu`
    among the requirements has the same effect. Default: releases."""
    accelerator: Literal["auto", "cpu", "cuda", "metal", "rocm"] = "auto"
    """What it must run on. `auto`: CUDA where it can work, otherwise the CPU."""
    allow_fallback: bool = False
    """Whether an older release or the CPU variant may be installed after a failed install or smoke test. A lock names
    one release: where there is one, this takes effect only with `--upgrade`."""


class PackagesTable(_Table):
    """What else is installed in the environment."""

    requirements: Many[Pep508] = ()
    """PEP 508 requirements."""
    files: Many[str] = ()
    """Files with requirements, relative to the profile: `requirements.txt`, `pyproject.toml`, `environment.yml`,
    `Pipfile`, `setup.cfg`, locks of other tools, scripts. The format is recognised from the content."""
    extras: Many[str] = ()
    """Extras of the project whose file is in `files`."""
    groups: Many[str] = ()
    """Dependency groups of that project (PEP 735, Poetry, `dev` of a Pipfile)."""
    constraints: Many[Pep508] = ()
    """Version bounds for packages, which they do not cause to be installed."""
    overrides: Many[Pep508] = ()
    """Requirements that replace those of packages: `protobuf>=5` lifts an upper bound that is too strict."""
    exclude: Many[ProjectName] = ()
    """Projects that are not installed, even if a package requires them."""
    project: Literal["no", "wheel", "editable"] = "no"
    """Whether the project in the folder of the profile is installed too: as a wheel, or as a link to the folder."""
    build: Literal["needed", "never"] | Many[ProjectName] = "needed"
    """Which packages may be built from source where no wheel fits: all (`needed`), none (`never`), or those named."""
    no_binary: Many[ProjectName] = ()
    """Projects that are built from source although they have wheels; not TensorFlow and its libraries, and not in conda
    environments."""
    only_binary: Many[ProjectName] = ()
    """Projects that are never built, whatever `build` says."""
    prereleases: Literal["named", "all"] = "named"
    """Whether pre-releases count: where a version names one (`named`), or everywhere (`all`), as with pip's `--pre`."""
    _places: Mapping[str, str] = PrivateAttr(default_factory=dict)

    def of_lines(
        self, requirements: Sequence[str], constraints: Sequence[str], places: Mapping[str, str]
    ) -> PackagesTable:
        """The table with these lines instead of its own.

        Args:
            requirements: those of the profile and of its files.
            constraints: likewise.
            places: where a line, or the address of an index, is written (`requirements.txt:4`).
        """
        found = self.model_copy(update={"requirements": tuple(requirements), "constraints": tuple(constraints)})
        found._places = places
        return found

    def place_of(self, line: str, key: str = "packages.requirements") -> str:
        """Where a line is written; the key where that is not known, as of a line that was changed for a trial."""
        return self._places.get(line, key)

    @field_validator("constraints")
    @classmethod
    def _constraints_have_no_extras(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if Requirement(text).extras:
                raise ValueError(f"`{text}`: a constraint cannot ask for extras; put it under `requirements`")
        return value


class LockTable(_Table):
    """What the lock is made for."""

    platforms: Many[PlatformName] = ()
    """Further platforms that the lock must cover. Default: only the one that it is made on."""


class IndexTable(_Table):
    """Where packages come from."""

    url: IndexUrl | None = None
    """Package index (PEP 503 or 691). Default: the one that uv or pip is configured with on this machine."""
    mirrors: Many[IndexUrl] = ()
    """Other indexes with the same files; files are downloaded from them by hash."""
    extra: Many[IndexUrl] = ()
    """Additional indexes to resolve from; the first index that has a package wins."""
    only: dict[ProjectName, IndexUrl] = {}
    """Projects that must come from one index: `torch = "https://…"`. That index is asked for nothing else, unless it is
    also `url` or in `extra`. An index in a folder (`file://`) is asked for everything. A run in which such a
    project would come from another folder, or from a page of `find-links`, is refused."""
    strategy: Literal["first", "best"] = "first"
    """`best`: the best version on any index, as in pip; always used for `--extra-index-url` in a file."""
    find_links: Many[FileOrUrl] = ()
    """Folders or pages with wheels, relative to the profile."""
    exclude_newer: Moment | None = None
    """Ignore files uploaded after this date (`2026-01-01`) or time, so that resolving later gives the same answer."""
    allow_http: Many[str] = ()
    """Hosts that an https index may redirect or link to over plain http."""
    attestations: Literal["off", "prefer", "require"] = "off"
    """Whether the publishers' attestations (PEP 740) are verified before files are locked. `prefer`: where the index
    has some. `require`: every file from an index must have one. Either way, a package is refused if its publisher
    differs from the one in the lock."""


class NetworkTable(_Table):
    """How to reach servers."""

    proxies: Many[Route] = ("environment", "system", "direct")
    """Routes to try, in order: `environment`, `system`, `direct`, or the address of a proxy. `${NAME}` is replaced by
    the environment variable of that name."""
    ca_bundle: str | None = None
    """PEM file with certificates to trust in addition to the system's, relative to the profile."""
    connections: int = Field(default=8, ge=1, le=64)
    """Maximum number of connections at a time."""
    connect_timeout: Seconds = 15.0
    """Time limit for connecting to a server."""
    idle_timeout: Seconds = 30.0
    """Time without receiving a byte after which a connection is given up."""
    deadline: Seconds | None = None
    """Time limit for the whole run. Default: none."""


class StrategiesTable(_Table):
    """What may be tried after a failure."""

    skip: Many[RungName] = ()
    """Rungs that are never tried."""


class CondaTable(_Table):
    """For `environment.kind = "conda"`."""

    channels: Annotated[Many[ChannelText], Field(min_length=1)] = ("conda-forge",)
    """Channels, in order of priority: names, addresses, or folders relative to the profile (`./channel`). `${NAME}` is
    replaced by the environment variable of that name, such as a token: `https://host/t/${TOKEN}/channel`. `defaults`
    means `main` and `r`; `nodefaults` has no effect, since no other channels are read."""
    packages: Many[CondaSpec] = ()
    """Conda packages besides Python, in any form that conda accepts: `ffmpeg`, `ffmpeg>=6`, `ffmpeg=6.1`,
    `ffmpeg==6.1.1=gpl*`, `conda-forge::ffmpeg[build='gpl*']`. A channel that is named only here comes after those of
    `channels`."""
    tensorflow: Literal["wheel", "conda"] = "wheel"
    """Where TensorFlow itself comes from."""
    mirrors: dict[str, Many[ChannelText]] = {}
    """Other places with the same files, by channel as written in `channels`."""
    cuda: Annotated[str, Field(pattern=r"^\d+\.\d+$")] | None = None
    """CUDA version that the driver of the target supports (`12.8`), for `smoke.gpu = "later"`. Default: what TensorFlow
    needs."""
    engine: Literal["library", "executable"] = "library"
    """`executable`: an installed conda, mamba or micromamba links the locked packages. It never solves."""
    executable: str | None = None
    """Path of that program, relative to the profile. Default: the first one in `tfprov facts`."""


class SmokeTable(_Table):
    """How the environment is tested."""

    level: Literal["quick", "standard", "deep"] = "standard"
    """How much is checked."""
    require_gpus: int = Field(default=0, ge=0)
    """Minimum number of GPUs that must pass."""
    gpu: Literal["now", "later"] = "now"
    """`later`: built on a machine without a GPU; only the linking of the CUDA libraries is checked."""
    timeout: Seconds = 300.0
    """Time limit for each check."""
    scripts: Many[str] = ()
    """Your own checks: Python files that are run in the new environment, relative to the profile."""
    packages: Literal["requested", "all", "off"] = "requested"
    """Which packages must be importable: the requested ones, all installed ones, or none."""
    skip_imports: Many[str] = ()
    """Packages or modules that are not imported, because they open a window, start a server or need a setting."""


EnvironmentName = Annotated[str, AfterValidator(environment_name)]
"""Used as a folder name, so it must be valid on every system."""


class Profile(_Table):
    """A whole profile."""

    name: EnvironmentName
    """Name of the environment: letters, digits, `.`, `_` and `-`. The lock is named
    after it, so each profile in a folder has another."""
    python: PythonTable = PythonTable()
    environment: EnvironmentTable = EnvironmentTable()
    tensorflow: TensorflowTable = TensorflowTable()
    packages: PackagesTable = PackagesTable()
    lock: LockTable = LockTable()
    index: IndexTable = IndexTable()
    network: NetworkTable = NetworkTable()
    strategies: StrategiesTable = StrategiesTable()
    conda: CondaTable = CondaTable()
    smoke: SmokeTable = SmokeTable()


class Loaded(BaseModel):
    """A profile and where it came from.

    Attributes:
        profile: what is asked.
        path: the file, absolute.
        shipped: True when the file came with tfprov, so that nothing may be written beside it.
        digest: SHA-256 of everything that the profile's meaning depends on: the file, overrides, the files it names.
        requirements: those of the profile, then those of its files.
        constraints: likewise.
        places: where each of these is written (`requirements.txt:4`), and each address of an index in the files.
        hashes: SHA-256 of the files that may be installed, by project; a project that is not there may have any.
        preferred: names and versions that are taken where they fit, when there is no lock yet.
        notes: what was read in another way than it is written, a sentence each.
        folders: the projects among the requirements that lie in folders here.
    """

    model_config = ConfigDict(frozen=True)

    profile: Profile
    path: Path
    shipped: bool
    digest: str
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    places: Mapping[str, str] = {}
    hashes: Mapping[str, tuple[str, ...]] = {}
    preferred: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    folders: tuple[LocalProject, ...] = ()

    @property
    def folder(self) -> Path:
        """The folder that relative paths of the profile start from."""
        return self.path.parent

    @property
    def asked(self) -> Profile:
        """The profile with the lines of its files among its requirements."""
        packages = self.profile.packages.of_lines(self.requirements, self.constraints, self.places)
        return self.profile.model_copy(update={"packages": packages})

    def resolve(self, relative: str) -> Path:
        """A path of the profile as an absolute path. `~` is the home directory."""
        return resolved(self.folder, relative)

    @property
    def source(self) -> ProfileSource:
        """Name, file and digest, which identify the environment of the profile."""
        path = self.profile.environment.path
        return ProfileSource(
            name=self.profile.name,
            path=self.path,
            shipped=self.shipped,
            link=self.resolve(path) if path else None,
            digest=self.digest,
            kind=self.profile.environment.kind,
        )
