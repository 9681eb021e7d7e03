"""Facts: what a machine is. Every fact carries the source that it was read from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal, TypeVar

T = TypeVar("T")
Vendor = Literal["nvidia", "amd", "apple", "intel"]
"""Who made a GPU."""


class _Record:
    """Base of the records: tells pydantic how to read them back, without importing it."""

    __slots__ = ()

    # A key that is not known is a mistake in the file, and a number in quotes is not a number.
    __pydantic_config__: ClassVar[dict[str, str | bool]] = {"extra": "forbid", "strict": True}


LOST_DEVICES = "lost its device files"
"""What is told of a container that saw its GPUs when it was started, and does no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact(_Record, Generic[T]):
    """A value and where it was read.

    Attributes:
        value: None always means: looked, and there is none.
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
    """A fault that was found on something: a failure code, and what is wrong in a line."""

    code: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter(_Record):
    """A Python that is on the machine.

    Attributes:
        path: the real executable, symbolic links resolved; never a shim.
        version: full version (`3.12.1`); empty when it could not be asked.
        implementation: `cpython`, `pypy`, …
        bits: pointer size, 64 or 32.
        machine: architecture that it was built for, as `platform.machine()` says there (`x86_64`).
        free_threaded: True for a build without the GIL (tag `cp313t`).
        virtual: True when it belongs to a virtual environment.
        externally_managed: True when the operating system owns it (PEP 668); an environment may still be made from it.
        found_by: how it was found: a version manager (`pyenv`, `uv`, `conda`, …), `PATH`, `system` and `user` (usual
            folders), `registry`, `profile` (named there), `tfprov` (brought by it), `running` (tfprov runs on it).
        libc: the C library that it runs on; None outside Linux and when not known.
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
    """A part of a GPU in MIG mode. A process can use one of them at a time.

    Attributes:
        uuid: `MIG-…`, what CUDA_VISIBLE_DEVICES takes.
        memory_total: bytes, or None when not told.
    """

    uuid: str
    name: str
    memory_total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu(_Record):
    """A GPU. Memory in bytes; None where the source cannot tell.

    Attributes:
        index: number that the driver gives it.
        name: product name.
        uuid: the driver's own id, `GPU-…` or `MIG-…`.
        pci: PCI address.
        vendor: `nvidia`, `amd`, `apple`, `intel`.
        compute_capability: `9.0` and the like; None for other vendors or without a driver.
        compute_mode: `default`, `exclusive-process`, `prohibited`.
        mig: whether MIG mode is on.
        visible: False when a variable or the container hides it from CUDA programs.
        usable: False when nothing can be computed on it until somebody acts: it is lost, has to be reset, or is in MIG
            mode without a MIG device.
        health: faults that the driver reports (pending row remap, uncorrected ECC errors …), in words. Most do not keep
            it from computing.
        slices: the MIG devices that were made on it; empty without MIG.
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
        cuda: newest CUDA that the driver serves (`12.4`); None when not known.
    """

    version: str
    cuda: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk(_Record):
    """Free space where something will be written.

    Attributes:
        purpose: `data`, `cache`, `target` or `temporary`.
        path: nearest existing folder.
        device: id of the file system; equal ids share their space.
        free_bytes: space for this user.
        free_files: files that can still be made (inodes); None where the file system has no such limit.
    """

    purpose: str
    path: str
    device: str
    free_bytes: int
    free_files: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexConfig(_Record):
    """The package index that this machine's tools are configured with, credentials included in memory only.

    Attributes:
        url: None when nothing is configured and the tool's own default holds.
        extra: further indexes.
        find_links: folders or pages.
        merged: True when the best version over all indexes is meant, as with pip; False when the first index that has a
            package decides, as with uv.
        invalid: settings that cannot be read and that would decide where packages come from, a line each, without
            their values.
    """

    url: str | None
    extra: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    merged: bool = False
    invalid: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies(_Record):
    """Proxies of the environment: values of HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY; None when unset."""

    http: str | None = None
    https: str | None = None
    all: str | None = None
    no_proxy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hazard(_Record):
    """Something on the machine that breaks installs or imports, although tfprov keeps its own work clear of it.

    Attributes:
        code: failure code that it leads to.
        name: variable, file or program.
        value: what was found, without secrets.
        why: what it does to an environment.
    """

    code: str
    name: str
    value: str
    why: str


# Of all that a processor says about itself, these decide which kernels TensorFlow takes.
_VECTOR_UNITS = ("sse4", "avx", "amx", "fma", "f16c", "asimd", "sve", "bf16")


def vector_units(flags: Iterable[str]) -> tuple[str, ...]:
    """Of the features of a processor those that have a say in what TensorFlow computes, sorted."""
    return tuple(sorted(flag for flag in flags if flag.startswith(_VECTOR_UNITS)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Card(_Record):
    """A GPU, or a MIG device on one, as a verdict knows it.

    Attributes:
        id: the driver's own id, `GPU-…` or `MIG-…`; of a GPU that has none its PCI address, of Apple's the name.
        name: product name, of a MIG device that of its profile.
        vendor: who made it, see `Gpu`.
        capability: compute capability, `9.0`; empty for a MIG device, and where the driver does not tell.
        visible: whether a program may use it: no variable hides it, and the driver does not ask to reset it.
    """

    id: str
    name: str = ""
    capability: str = ""
    visible: bool = True
    vendor: str = "nvidia"

    @property
    def identity(self) -> tuple[str, ...]:
        """What two cards have in common that are the same one."""
        # A PCI address is that of a slot. What NVIDIA's cards are called depends on who is asked; their id is enough.
        return (self.id, self.capability) if self.vendor == "nvidia" else (self.id, self.name)

    def __str__(self) -> str:
        return f"{self.name or 'GPU'} ({self.id})" if self.id != self.name else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint(_Record):
    """What of a machine a verdict rests on. It holds nothing that names the machine or its user.

    Attributes:
        taken_at: moment in UTC, ISO 8601; does not count when two are compared.
        vector_units: of the processor, see `vector_units`.
        libc: `glibc 2.36`; empty outside Linux.
        python_bytes: size of the interpreter's executable; 0 where the environment has its own (conda).
        python_time: its time of change, in whole seconds: archives keep no more.
        python_hash: its SHA-256.
        has_gpus: whether the verdict rests on GPUs. The rest is empty where it does not.
        driver: version of the NVIDIA driver; empty for none, and where the verdict rests on GPUs of others.
        cards: GPUs and MIG devices, all that are here: of a proof those of the vendor that the environment is for.
        required: so many GPUs the profile asked for.
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
    """Something that a verdict rests on and that is not as it was.

    Attributes:
        code: failure code that it is, or may lead to.
        what: `driver`, `GPUs`, `processor`, `C library`, `interpreter` or `machine`.
        was: when the verdict was made.
        now: here and now; empty where nothing could be compared.
    """

    code: str
    what: str
    was: str
    now: str

    def __str__(self) -> str:
        return f"{self.what}: {self.was} then, {self.now} now" if self.now else f"{self.what}: {self.was}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(_Record):
    """All facts of a machine that decisions are made from.

    Attributes:
        machine: architecture of the hardware: `x86_64`, `aarch64`, `arm64` (macOS), `amd64` is written `x86_64`.
        os_version: release of the operating system; on macOS its version (`14.5`), needed for wheel tags.
        libc: None outside Linux.
        cpu_flags: lower-case names as Linux prints them (`avx2`); empty when they cannot be read.
        emulation: `rosetta`, `qemu`, or None.
        memory_bytes: physical memory, or the limit of the control group when that is lower.
        gpu_problem: why the GPUs that seem to be there cannot be used (`gpu-driver-mismatch` …); None when all is well.
        container: `docker`, `podman`, `kubernetes`, …, or None.
        ci: name of the CI system, or None.
        visible_devices: CUDA_VISIBLE_DEVICES and the like, by name.
        library_path: entries of LD_LIBRARY_PATH that hold a foreign CUDA or cuDNN.
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
