"""The compat table: facts about each TensorFlow release, with their sources.

The data is in `data/compat.json`; `tools/compat_refresh.py` compares it with the current index.
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
    """Whether a release is in a PEP 440 range of the table; release candidates count.

    Cached, because a decision tests the same few ranges and releases many times.
    """
    return SpecifierSet(releases).contains(version, prereleases=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheels:
    """The wheels of one project of a release for one platform.

    Attributes:
        package: `tensorflow` or `tensorflow-cpu`.
        platform: `linux_x86_64`, `linux_aarch64`, `macos_arm64`, `macos_x86_64`, `windows_x86_64`.
        pythons: minor versions that the wheels can be installed on, from `3.6`.
        tags: platform tags.
        kind: `cuda` has code for NVIDIA GPUs, `cpu` has none, `stub` is empty and depends on `needs`.
        needs: the project that a stub depends on.
        without: minor versions that have a wheel, but not one of `needs`, so that it cannot be installed.
        uploaded: RFC 3339 time from which all of them, and those of `needs`, were on the index; None when unknown.
        source: key in `Compat.sources`.
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
    """CUDA properties of the Linux x86-64 wheel of a release.

    Attributes:
        built_for: toolkit release, `12.5.1`.
        cudnn: major version of cuDNN.
        native: compute capabilities that the wheel has machine code for.
        ptx: compute capabilities that it has PTX for, which a driver compiles for newer GPUs.
        mostly_ptx: those of `native` for which most kernels have only PTX.
        pins: requirements of the `and-cuda` extra; empty when there is no such extra.
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
        requires_python: PEP 440 range in its metadata; empty when there is none.
        wheels: by project and platform.
        glibc: oldest glibc for the Linux wheels.
        requires: requirements of the Linux x86-64 wheel, without extras.
        extras: extras of the project `tensorflow`.
        cuda: None where the CUDA libraries that it needs are not available as wheels.
        wheel_bytes: size of the Linux x86-64 wheel of `tensorflow`; None when unknown.
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
        accelerator: the broken variant; None for all.
        pythons: PEP 440 range of Python minor versions; None for all.
        remedy: what to take instead.
    """

    releases: str
    accelerator: Accelerator | None
    pythons: str | None
    why: str
    remedy: str
    source: str

    def is_about(self, version: Version, accelerator: Accelerator) -> bool:
        """Whether it applies to a release and variant on some Python."""
        return self.accelerator in (None, accelerator) and within(version, self.releases)

    def concerns(self, version: Version, accelerator: Accelerator, python_minor: str | None = None) -> bool:
        """Whether it applies to a release, variant and Python; a row for certain Pythons needs `python_minor`."""
        if not self.is_about(version, accelerator):
            return False
        if self.pythons is None:
            return True
        return python_minor is not None and within(Version(python_minor), self.pythons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A constraint that old releases need to work with today's index.

    Attributes:
        releases: PEP 440 range of TensorFlow releases.
        accelerator: the variant that needs it; None for all.
        below: applies only to GPUs below this compute capability; None for all.
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
    """A package that releases need and do not depend on.

    Attributes:
        uploaded: RFC 3339 time from which it was on the index.
    """

    releases: str
    accelerator: Accelerator
    requirement: str
    why: str
    uploaded: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaGeneration:
    """The oldest driver that runs machine code of any release of a major version of CUDA.

    Before CUDA 11 each release needs a driver of its own.

    Attributes:
        cuda: major version.
        linux: driver version (never a CUDA version) on Linux.
        windows: driver version on Windows, which WSL2 uses; None where NVIDIA names none.
    """

    cuda: str
    linux: str
    windows: str | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolkitDriver:
    """The oldest driver that supports a CUDA toolkit release, and so can compile its PTX.

    Attributes:
        windows: driver version on Windows, which WSL2 uses; None where NVIDIA names none.
    """

    cuda: str
    linux: str
    windows: str | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuModel:
    """GPUs of one compute capability, for those of which no driver tells it.

    Attributes:
        capability: compute capability (`9.0`).
        names: regular expressions for whole words of the product's name.
    """

    capability: str
    names: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """TensorFlow releases with a plug-in or build for another accelerator that is known to work with them.

    Attributes:
        releases: PEP 440 range of TensorFlow releases.
        package: project to install beside TensorFlow (metal) or instead of it (rocm).
        pythons: minor versions that the package has wheels for.
        needs: software that must be on the machine, in words; None for nothing.
        system: oldest release of the operating system; None for any.
        uploaded: RFC 3339 time from which the package was on the index.
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
    """A TensorFlow build on conda-forge.

    Attributes:
        accelerator: `cpu` or `cuda`.
        cuda: CUDA release of the build; None for the CPU.
        capabilities: compute capabilities with machine code.
        ptx: compute capabilities with PTX.
        uploaded: RFC 3339 time, or date, from which the channel could have it.
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compat:
    """The whole table. It equals nothing but itself, so that it can be a key of caches.

    Attributes:
        generated: date of the index that it was compared with.
        sources: descriptions of the sources, by key.
        releases: newest first.
        ptx_ends_at: first compute capability for which compiling the PTX of these wheels fails in practice, although
            PTX is supposed to work on newer GPUs.
        gpu_models: newest first; the first that matches a name counts.
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
    gpu_models: tuple[GpuModel, ...]
    cuda_generations: tuple[CudaGeneration, ...]
    toolkit_drivers: tuple[ToolkitDriver, ...]
    pairs: tuple[Pair, ...]
    closures: tuple[Closure, ...]
    conda: tuple[CondaBuild, ...]

    def release(self, version: str) -> Release | None:
        """The row of a release; None when the table does not have it."""
        wanted = Version(version)
        return next((row for row in self.releases if Version(row.version) == wanted), None)

    def bad(self, version: Version, accelerator: Accelerator) -> tuple[KnownBad, ...]:
        """The rows of a release and variant that must not be installed, on every Python or on some."""
        return _bad(self, version, accelerator)


@lru_cache(maxsize=1024)
def _bad(table: Compat, version: Version, accelerator: Accelerator) -> tuple[KnownBad, ...]:
    return tuple(row for row in table.known_bad if row.is_about(version, accelerator))


# Keys of the file whose rows are records of one type.
_ROWS: dict[str, type[object]] = {
    "known_bad": KnownBad,
    "bounds": Bound,
    "companions": Companion,
    "gpu_models": GpuModel,
    "cuda_generations": CudaGeneration,
    "toolkit_drivers": ToolkitDriver,
    "pairs": Pair,
    "closures": Closure,
    "conda": CondaBuild,
}


def read(text: str) -> Compat:
    """Parse the text of a table. It is not validated: it is shipped with the package, and a test checks it."""
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
    """The table that tfprov ships; read once."""
    return read(files("tfprov.plan").joinpath("data/compat.json").read_text("utf-8"))
