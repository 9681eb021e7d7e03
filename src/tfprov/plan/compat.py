"""The compat table: what is known of each TensorFlow release, and where it was read.

The data is `data/compat.json`; `tools/compat_refresh.py` compares it with what the index says today.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Literal, TypeVar, cast

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tfprov.plan.records import Accelerator
from tfprov.structured import json_of

WheelKind = Literal["cuda", "cpu", "stub"]
_Row = TypeVar("_Row")


@lru_cache(maxsize=4096)
def within(version: Version, releases: str) -> bool:
    """Whether a release lies in a PEP 440 range of the table; release candidates count.

    The answer is kept: a decision asks the same few ranges about the same releases over and over.
    """
    return SpecifierSet(releases).contains(version, prereleases=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheels:
    """The wheels of one project of a release for one platform.

    Attributes:
        package: `tensorflow` or `tensorflow-cpu`.
        platform: `linux_x86_64`, `linux_aarch64`, `macos_arm64`, `macos_x86_64`, `windows_x86_64`.
        pythons: minor versions that can be installed, `3.6` and up.
        tags: platform tags.
        kind: `cuda` has code for NVIDIA GPUs, `cpu` has none, `stub` is empty and depends on `needs`.
        needs: the project that a stub stands for.
        without: minor versions that have a wheel, but whose `needs` has none: they cannot be installed.
        uploaded: RFC 3339 time from which on all of them, and those of `needs`, were on the index; None when not known.
        source: key of `Compat.sources`.
    """

    package: str
    platform: str
    pythons: tuple[str, ...]
    tags: tuple[str, ...]
    kind: WheelKind
    needs: str | None = None
    without: tuple[str, ...] = ()
    uploaded: str | None = None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuda:
    """The CUDA side of the Linux x86-64 wheel of a release.

    Attributes:
        built_for: toolkit release, `12.5.1`.
        cudnn: major version of cuDNN.
        native: compute capabilities that the wheel has machine code for.
        ptx: compute capabilities that it has PTX for, which a driver compiles for newer GPUs.
        mostly_ptx: those of `native` that most kernels have PTX only for.
        pins: what the `and-cuda` extra asks for; empty when there is no such extra.
        source: of the toolkit.
        capabilities_source: of the compute capabilities.
    """

    built_for: str
    cudnn: str
    native: tuple[str, ...]
    ptx: tuple[str, ...]
    mostly_ptx: tuple[str, ...]
    pins: tuple[str, ...]
    source: str
    capabilities_source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A TensorFlow release.

    Attributes:
        requires_python: PEP 440 range that its metadata states; empty when it states none.
        wheels: by project and platform.
        glibc: oldest glibc of the Linux wheels.
        requires: requirements of the Linux x86-64 wheel, without extras.
        extras: extras of the project `tensorflow`.
        cuda: None where the CUDA libraries that it needs cannot be brought.
        wheel_bytes: size of the Linux x86-64 wheel of `tensorflow`; None when not known.
    """

    version: str
    requires_python: str
    wheels: tuple[Wheels, ...]
    glibc: str
    glibc_source: str
    requires: tuple[str, ...]
    requires_source: str
    extras: tuple[str, ...]
    extras_source: str
    cuda: Cuda | None
    wheel_bytes: int | None
    unpacked_bytes: int | None
    size_source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBad:
    """Releases that must not be installed.

    Attributes:
        releases: PEP 440 range of TensorFlow releases.
        accelerator: the variant that is broken; None for all.
        pythons: PEP 440 range of Python minor versions; None for all.
        remedy: what to take instead.
    """

    releases: str
    accelerator: Accelerator | None
    pythons: str | None
    why: str
    remedy: str
    source: str

    def concerns(self, version: Version, accelerator: Accelerator, python_minor: str | None = None) -> bool:
        """Whether it speaks of this release, variant and Python; rows for certain Pythons need one."""
        if self.accelerator not in (None, accelerator) or not within(version, self.releases):
            return False
        if self.pythons is None:
            return True
        return python_minor is not None and within(Version(python_minor), self.pythons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A constraint that makes releases work today.

    Attributes:
        releases: PEP 440 range of TensorFlow releases.
        accelerator: the variant that needs it; None for all.
        below: only for GPUs below this compute capability; None for all.
        requirement: PEP 508.
    """

    releases: str
    accelerator: Accelerator | None
    below: str | None
    requirement: str
    why: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """A package that releases need and do not bring by themselves."""

    releases: str
    accelerator: Accelerator
    requirement: str
    why: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaGeneration:
    """The oldest driver on which machine code of any release of a major version of CUDA runs.

    Before CUDA 11 each release has a driver of its own.

    Attributes:
        cuda: major version.
        linux: driver (never a CUDA version) on Linux.
        windows: driver of Windows, which WSL2 uses; None where NVIDIA names none.
    """

    cuda: str
    linux: str
    windows: str | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolkitDriver:
    """The oldest driver that knows a CUDA toolkit release, and so compiles its PTX.

    Attributes:
        windows: driver of Windows, which WSL2 uses; None where NVIDIA names none.
    """

    cuda: str
    linux: str
    windows: str | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A TensorFlow and its plug-in or build for another accelerator that are known to go together.

    Attributes:
        releases: PEP 440 range of TensorFlow releases.
        package: project to install beside TensorFlow (metal) or instead of it (rocm).
        pythons: minor versions that the package has wheels for.
        needs: what must be on the machine, in words; None when nothing.
        system: oldest release of the operating system; None when any will do.
        uploaded: RFC 3339 time from which on the package was on the index.
    """

    accelerator: Accelerator
    platform: str
    releases: str
    package: str
    version: str
    pythons: tuple[str, ...]
    needs: str | None
    system: str | None = None
    uploaded: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """Sizes of a whole environment with a release, on Linux x86-64.

    Attributes:
        download: bytes of the wheels.
        unpacked: bytes of their files, without bytecode.
        files: number of their files; None when not counted.
        wheels: number of wheels; None when not counted.
    """

    package: str
    version: str
    accelerator: Accelerator
    python: str
    wheels: int | None
    download: int
    unpacked: int
    files: int | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaBuild:
    """A TensorFlow of conda-forge.

    Attributes:
        accelerator: `cpu` or `cuda`.
        cuda: CUDA release of the build; None for the CPU.
        capabilities: compute capabilities with machine code.
        ptx: compute capabilities with PTX.
        uploaded: RFC 3339 time, or a date, from which on the channel could have it.
    """

    version: str
    platform: str
    accelerator: Accelerator
    pythons: tuple[str, ...]
    cuda: str | None
    capabilities: tuple[str, ...]
    ptx: tuple[str, ...]
    uploaded: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compat:
    """The whole table.

    Attributes:
        generated: day of the index that it was compared with.
        sources: what each source key stands for.
        releases: newest first.
        ptx_ends_at: first compute capability for which compiling the PTX of these wheels fails, so that they do not
            serve it although PTX would have promised to.
        cuda_generations: oldest first.
        toolkit_drivers: oldest toolkit first.
    """

    generated: str
    sources: dict[str, str]
    releases: tuple[Release, ...]
    known_bad: tuple[KnownBad, ...]
    bounds: tuple[Bound, ...]
    companions: tuple[Companion, ...]
    ptx_ends_at: str
    ptx_ends_source: str
    cuda_generations: tuple[CudaGeneration, ...]
    toolkit_drivers: tuple[ToolkitDriver, ...]
    pairs: tuple[Pair, ...]
    closures: tuple[Closure, ...]
    conda: tuple[CondaBuild, ...]

    def release(self, version: str) -> Release | None:
        """The row of a release, or None when the table does not know it."""
        wanted = Version(version)
        return next((row for row in self.releases if Version(row.version) == wanted), None)


# The tables of the file whose rows are records of one kind.
_ROWS: dict[str, type[object]] = {
    "known_bad": KnownBad,
    "bounds": Bound,
    "companions": Companion,
    "cuda_generations": CudaGeneration,
    "toolkit_drivers": ToolkitDriver,
    "pairs": Pair,
    "closures": Closure,
    "conda": CondaBuild,
}


def read(text: str) -> Compat:
    """The table from the text of its file. It is not checked: it comes with the package and has a test of its own."""
    document: dict[str, list[dict[str, object]]] = json_of(text)
    rows = {name: [_record(kind, row) for row in document[name]] for name, kind in _ROWS.items()}
    releases = [_release(row) for row in document["releases"]]
    fields = {name: value for name, value in document.items() if name != "schema"}
    return _record(Compat, {**fields, **rows, "releases": releases})


def _release(row: dict[str, object]) -> Release:
    wheels = [_record(Wheels, each) for each in cast("list[dict[str, object]]", row["wheels"])]
    cuda = cast("dict[str, object] | None", row["cuda"])
    return _record(Release, {**row, "wheels": wheels, "cuda": cuda and _record(Cuda, cuda)})


def _record(kind: type[_Row], row: dict[str, object]) -> _Row:
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in row.items()})


@cache
def table() -> Compat:
    """The table that comes with tfprov; read once."""
    return read(files("tfprov.plan").joinpath("data/compat.json").read_text("utf-8"))
