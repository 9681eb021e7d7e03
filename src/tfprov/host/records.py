"""Facts: the properties of a machine, each with the source that it was read from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal, TypeVar

T = TypeVar("T")
Vendor = Literal["nvidia", "amd", "apple", "intel"]
"""Vendor of a GPU."""


class _Record:
    """Base of the records: tells pydantic how to validate them, without importing pydantic."""

    __slots__ = ()

    # An unknown key is a mistake in the file, and a number in quotes is not a number.
    __pydantic_config__: ClassVar[dict[str, str | bool]] = {"extra": "forbid", "strict": True}


LOST_DEVICES = "lost its device files"
"""Message about a container that had access to its GPUs when it was started, and has lost it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact(_Record, Generic[T]):
    """A value and its source.

    Attributes:
        value: None always means that the source was read and has none.
        source: file, call or variable, such as `/proc/cpuinfo` or `NVML`.
    """

    value: T
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Libc(_Record):
    """The C library. `version` is dotted (`2.36`)."""

    kind: Literal["glibc", "musl"]
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(_Record):
    """A fault: its failure code, and what is wrong in one line."""

    code: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter(_Record):
    """A Python interpreter on the machine.

    Attributes:
        path: the real executable, symbolic links resolved; never a shim.
        version: full version (`3.12.1`); empty when the interpreter did not answer.
        implementation: `cpython`, `pypy`, …
        bits: pointer size, 64 or 32.
        machine: architecture that it was built for, as from its `platform.machine()` (`x86_64`).
        free_threaded: True for a build without the GIL (tag `cp313t`).
        virtual: True when it belongs to a virtual environment.
        externally_managed: True when the operating system owns it (PEP 668); an environment may still be made from it.
        found_by: how it was found: a version manager (`pyenv`, `uv`, `conda`, …), `PATH`, `system` and `user` (default
            folders), `registry`, `profile` (named there), `tfprov` (installed by it), `running` (tfprov runs on it).
        libc: the C library that it runs on; None outside Linux and when unknown.
        problem: why it cannot be used at all; None when it works.
    """

    path: str
    version: str
    implementation: str = "cpython"
    bits: int = 64
    machine: str = ""
    free_threaded: bool = False
    virtual: bool = False
    externally_managed: bool = False
    found_by: str = ""
    libc: Libc | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MigSlice(_Record):
    """A MIG device: a part of a GPU in MIG mode. A process can use one of them at a time.

    Attributes:
        uuid: `MIG-…`, as CUDA_VISIBLE_DEVICES takes it.
        memory_total: bytes; None when unknown.
    """

    uuid: str
    name: str
    memory_total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu(_Record):
    """A GPU. Memory in bytes; None where the source does not tell.

    Attributes:
        index: number that the driver gives it.
        name: product name.
        uuid: the driver's own id, `GPU-…` or `MIG-…`.
        pci: PCI address.
        vendor: `nvidia`, `amd`, `apple`, `intel`.
        compute_capability: such as `9.0`; None for other vendors or without a driver.
        compute_mode: `default`, `exclusive-process`, `prohibited`.
        mig: whether MIG mode is on.
        visible: False when a variable or the container hides it from CUDA programs.
        usable: False when nothing can be computed on it until somebody intervenes: it is lost, must be reset, or is in
            MIG mode without a MIG device.
        health: faults that the driver reports (pending row remap, uncorrected ECC errors …), in words. It can compute
            despite most of them.
        slices: its MIG devices; empty without MIG.
    """

    index: int
    name: str
    vendor: Vendor = "nvidia"
    uuid: str | None = None
    pci: str | None = None
    compute_capability: str | None = None
    memory_total: int | None = None
    memory_used: int | None = None
    compute_mode: str | None = None
    mig: bool | None = None
    ecc: bool | None = None
    persistence: bool | None = None
    visible: bool = True
    usable: bool = True
    health: tuple[str, ...] = ()
    slices: tuple[MigSlice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver(_Record):
    """The NVIDIA driver.

    Attributes:
        version: kernel driver version (`550.144.03`), never the CUDA version.
        cuda: newest CUDA version that the driver supports (`12.4`); None when unknown.
    """

    version: str
    cuda: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk(_Record):
    """Free space for one purpose.

    Attributes:
        purpose: `data`, `cache`, `target` or `temporary`.
        path: nearest existing folder.
        device: id of the file system; file systems with equal ids share free space.
        free_bytes: available to this user.
        free_files: number of files that can still be created (inodes); None where the file system has no such limit.
    """

    purpose: str
    path: str
    device: str
    free_bytes: int
    free_files: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexConfig(_Record):
    """The package index that the tools of this machine are configured with. Contains credentials in memory only.

    Attributes:
        url: None when no index is configured and the tool's default applies.
        extra: further indexes.
        find_links: folders or pages.
        merged: True when the best version over all indexes is taken, as in pip; False when the first index that has a
            package decides, as in uv.
        invalid: settings that cannot be read and that would decide where packages come from, one line each, without
            their values.
    """

    url: str | None
    extra: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    merged: bool = False
    invalid: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies(_Record):
    """Values of HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, or of the system's settings; None when unset."""

    http: str | None = None
    https: str | None = None
    all: str | None = None
    no_proxy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hazard(_Record):
    """A setting of the machine that breaks installs or imports, although tfprov shields its own work from it.

    Attributes:
        code: failure code that it leads to.
        name: variable, file or program.
        value: what was found, without secrets.
        why: its effect on an environment.
    """

    code: str
    name: str
    value: str
    why: str


# Among the features of a processor, these decide which kernels TensorFlow uses.
_VECTOR_UNITS = ("sse4", "avx", "amx", "fma", "f16c", "asimd", "sve", "bf16")


def vector_units(flags: Iterable[str]) -> tuple[str, ...]:
    """The features of a processor that affect which kernels TensorFlow uses, sorted."""
    return tuple(sorted(flag for flag in flags if flag.startswith(_VECTOR_UNITS)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Card(_Record):
    """A GPU or MIG device in a verdict.

    Attributes:
        id: the driver's own id, `GPU-…` or `MIG-…`; the PCI address of a GPU without an id, the name of an Apple GPU.
        name: product name; that of the MIG profile for a MIG device.
        vendor: see `Gpu`.
        capability: compute capability, `9.0`; empty for a MIG device, and where the driver does not tell.
        visible: whether a program may use it: no variable hides it, and it does not need a reset.
    """

    id: str
    name: str = ""
    capability: str = ""
    visible: bool = True
    vendor: str = "nvidia"

    @property
    def identity(self) -> tuple[str, ...]:
        """A key that is equal for two records of the same card."""
        # A PCI address is that of a slot, so the name is compared as well. The names of NVIDIA's cards depend on the
        # source; their id is enough.
        return (self.id, self.capability) if self.vendor == "nvidia" else (self.id, self.name)

    def __str__(self) -> str:
        return f"{self.name or 'GPU'} ({self.id})" if self.id != self.name else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint(_Record):
    """The properties of a machine that a verdict depends on. Nothing in it identifies the machine or its user.

    Attributes:
        taken_at: time in UTC, ISO 8601; ignored in comparisons.
        vector_units: of the processor, see `vector_units`.
        libc: `glibc 2.36`; empty outside Linux.
        python_bytes: size of the interpreter's executable; 0 where the environment has its own (conda).
        python_time: its modification time in whole seconds: archives keep no more.
        python_hash: its SHA-256.
        has_gpus: whether the verdict depends on GPUs. The attributes below are empty where it does not.
        driver: version of the NVIDIA driver; empty when there is none, and where the verdict depends on other GPUs.
        cards: all GPUs and MIG devices; in a proof, those of the vendor that the environment is for.
        required: number of GPUs that the profile asks for.
    """

    taken_at: str = ""
    vector_units: tuple[str, ...] = ()
    libc: str = ""
    python_bytes: int = 0
    python_time: int = 0
    python_hash: str = ""
    has_gpus: bool = False
    driver: str = ""
    cards: tuple[Card, ...] = ()
    required: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineChange(_Record):
    """A difference between a machine now and when a verdict was made.

    Attributes:
        code: failure code of the change, or one that it may lead to.
        what: `driver`, `GPUs`, `processor`, `C library`, `interpreter` or `machine`.
        was: its state when the verdict was made.
        now: its state now; empty where nothing could be compared.
        container: kind of the container that has no access to the GPUs; None for any other change.
    """

    code: str
    what: str
    was: str
    now: str
    container: str | None = None

    def __str__(self) -> str:
        return f"{self.what}: {self.was} then, {self.now} now" if self.now else f"{self.what}: {self.was}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(_Record):
    """All facts about a machine that decisions are based on.

    Attributes:
        machine: architecture of the hardware: `x86_64` (also for `amd64`), `aarch64`, `arm64` (macOS).
        os_version: release of the operating system; on macOS its version (`14.5`), needed for wheel tags.
        libc: None outside Linux.
        cpu_flags: lower-case names as in Linux (`avx2`); empty when they cannot be read.
        emulation: `rosetta`, `qemu`, or None.
        memory_bytes: physical memory, or the limit of the control group when that is lower.
        gpu_problem: why the GPUs of the machine cannot be used (`gpu-driver-mismatch` …); None when there is no
            problem.
        container: `docker`, `podman`, `kubernetes`, …, or None.
        ci: name of the CI system, or None.
        visible_devices: CUDA_VISIBLE_DEVICES and similar variables, by name.
        library_path: entries of LD_LIBRARY_PATH that contain a foreign CUDA or cuDNN.
        conda: executables and roots of conda, mamba and micromamba.
    """

    system: Fact[Literal["linux", "macos", "windows"]]
    machine: Fact[str]
    os_version: Fact[str]
    libc: Fact[Libc | None]
    cpu_flags: Fact[tuple[str, ...]]
    emulation: Fact[str | None]
    cores: Fact[int]
    memory_bytes: Fact[int]
    disks: Fact[tuple[Disk, ...]]
    gpus: Fact[tuple[Gpu, ...]]
    driver: Fact[Driver | None]
    gpu_problem: Fact[Problem | None]
    container: Fact[str | None]
    wsl: Fact[bool]
    ci: Fact[str | None]
    visible_devices: Fact[dict[str, str]]
    library_path: Fact[tuple[str, ...]]
    conda: Fact[tuple[str, ...]]
    interpreters: Fact[tuple[Interpreter, ...]]
    index: Fact[IndexConfig]
    proxies: Fact[Proxies]
    certificates: Fact[str | None]
    hazards: Fact[tuple[Hazard, ...]]
