"""The processor: its architecture, its features, and an emulator or translator that runs this process."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tfprov.host.records import Fact
from tfprov.host.system import ROOT, System, exists, read_text

_MACHINES = {"amd64": "x86_64", "x64": "x86_64", "x86-64": "x86_64", "i386": "i686", "i586": "i686", "x86": "i686"}

# Apple uses the names in Intel's manuals; decisions are based on the names in Linux.
_APPLE_FLAGS = {"avx1.0": "avx", "sse4.1": "sse4_1", "sse4.2": "sse4_2", "sse3": "pni"}

# IsProcessorFeaturePresent numbers the features (winnt.h); it has no number for FMA. A Windows before 10 2004, such as
# Server 2019, denies those from 36 on, whatever the processor has.
_WINDOWS_FEATURES = {
    10: "sse2",
    13: "pni",
    36: "ssse3",
    37: "sse4_1",
    38: "sse4_2",
    39: "avx",
    40: "avx2",
    41: "avx512f",
}

# Bit of the registers of AVX in GetEnabledXStateFeatures, which tells of them since Windows 7.
_AVX_STATE = 1 << 2

# The loader of 64-bit programs, and the name of the architecture for a system that has none.
_OF_64_BITS = {
    "x86_64": ("lib64/ld-linux-x86-64.so.2", "i686"),
    "aarch64": ("lib/ld-linux-aarch64.so.1", "armv7l"),
}

_EMULATOR = re.compile(r"(?:^|/)(?:qemu-[a-z0-9_]+(?:-static)?|rosetta|box64|FEXInterpreter)$")


def architecture(
    system: System, environ: Mapping[str, str], *, root: Path = ROOT, reported: str | None = None
) -> tuple[Fact[str], Fact[str | None]]:
    """The architecture to install for, and the emulator of this process: `rosetta`, `qemu` or None.

    On Linux this is the architecture of the process, since an emulated container can start nothing else. On macOS and
    Windows it is that of the hardware, which can start native interpreters as well.

    Args:
        system: operating system family.
        environ: its variables are used on Windows.
        root: folder that contains /proc.
        reported: the architecture that the kernel reports to this process; read when None.
    """
    told = _reported() if reported is None else reported
    told = _MACHINES.get(told.lower(), told)
    if system == "macos":
        if told == "x86_64" and _sysctl_number("sysctl.proc_translated") == 1:
            source = "sysctl.proc_translated"
            return Fact(value="arm64", source=source), Fact(value="rosetta", source=source)
        return Fact(value=told, source="uname"), Fact(value=None, source="sysctl.proc_translated")
    if system == "windows":
        return _windows_architecture(told, environ)
    return _linux_architecture(told, root)


def _reported() -> str:
    if hasattr(os, "uname"):
        return os.uname().machine
    import platform

    return platform.machine()


def _windows_architecture(told: str, environ: Mapping[str, str]) -> tuple[Fact[str], Fact[str | None]]:
    # A 32-bit process on 64-bit Windows finds the real architecture in the first variable; on ARM64 everything but the
    # identifier reports AMD64 to an x64 process.
    native = environ.get("PROCESSOR_ARCHITEW6432", "")
    if environ.get("PROCESSOR_IDENTIFIER", "").upper().startswith("ARM"):
        native = "arm64"
    machine = _MACHINES.get(native.lower(), native.lower()) or told.lower()
    source = "PROCESSOR_ARCHITEW6432, PROCESSOR_IDENTIFIER" if native else "platform.machine"
    return Fact(value=machine, source=source), Fact(value=None, source=source)


def _linux_architecture(told: str, root: Path) -> tuple[Fact[str], Fact[str | None]]:
    file = root / "proc/cpuinfo"
    text = _first_processor(file)
    machine = Fact(value=told, source="uname")
    loader, narrow = _OF_64_BITS.get(told, ("", told))
    if loader and sys.maxsize < 1 << 32 and not exists(root / loader):
        # uname is about the kernel: that of a 32-bit Raspberry Pi OS, or below a 32-bit container, has 64 bits.
        told, machine = narrow, Fact(value=narrow, source=f"a 32-bit process, and no /{loader}")
    # Under qemu-user or Rosetta, the system's answers about this process are faked, but its files about others are
    # real.
    for number in (1, os.getppid()):
        started = (read_text(root / f"proc/{number}/cmdline") or "").split("\0")[0]
        found = _EMULATOR.search(started)
        if found:
            kind = "rosetta" if "rosetta" in found[0] else "qemu"
            return machine, Fact(value=kind, source=f"/proc/{number}/cmdline")
    if told == "x86_64" and "VirtualApple" in text:
        return machine, Fact(value="rosetta", source=str(file))
    native = native_machine(text)
    families = {told: told, "i686": "x86_64", "armv7l": "aarch64", "armv8l": "aarch64", "armv6l": "aarch64"}
    if native is not None and families.get(told, told) != native:
        return machine, Fact(value="qemu", source=f"{file} against uname ({told})")
    return machine, Fact(value=None, source=str(file))


def native_machine(cpuinfo: str) -> str | None:
    """The architecture that a /proc/cpuinfo was printed on: `x86_64`, `aarch64`, or None when it does not tell."""
    if re.search(
        r"^(?:vendor_id\s*:\s*(?:GenuineIntel|AuthenticAMD|HygonGenuine|CentaurHauls)|flags\s*:.*\blm\b)", cpuinfo, re.M
    ):
        return "x86_64"
    if re.search(r"^CPU architecture\s*:\s*(?:8|AArch64)", cpuinfo, re.M):
        return "aarch64"
    return None


def flags(system: System, *, root: Path = ROOT) -> Fact[tuple[str, ...]]:
    """Features of the processor by their names in Linux (`avx2`); empty when they cannot be read."""
    if system == "linux":
        file = root / "proc/cpuinfo"
        return Fact(value=parse_flags(_first_processor(file)), source=str(file))
    if system == "macos":
        names = ("machdep.cpu.features", "machdep.cpu.leaf7_features")
        told = " ".join(filter(None, (_sysctl_text(name) for name in names)))
        if told:
            return Fact(value=apple_flags(told), source=", ".join(names))
        present = tuple(
            sorted(feature for feature in ("neon", "AdvSIMD") if _sysctl_number(f"hw.optional.{feature}") == 1)
        )
        return Fact(value=tuple(name.lower() for name in present), source="hw.optional")
    return Fact(value=_windows_flags(), source="IsProcessorFeaturePresent, GetEnabledXStateFeatures")


def parse_flags(cpuinfo: str) -> tuple[str, ...]:
    """The features of the first processor in /proc/cpuinfo, sorted: `flags` on x86, `Features` on ARM."""
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.M)
    return tuple(sorted(set(found[1].lower().split()))) if found else ()


def apple_flags(told: str) -> tuple[str, ...]:
    """Features of an Intel Mac, from `machdep.cpu.features` and `leaf7_features`, by their names in Linux."""
    words = told.lower().split()
    return tuple(sorted({_APPLE_FLAGS.get(word, word) for word in words}))


def _first_processor(file: Path) -> str:
    # The kernel prints one block per processor and queries the clock of each: with hundreds of them that takes long.
    text: list[str] = []
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            for line in stream:
                if not line.strip() and any(part.startswith(("flags", "Features")) for part in text):
                    break
                text.append(line)
    except OSError:
        return ""
    return "".join(text)


def brand(system: System) -> str:
    """Product name of the processor on macOS (`Apple M2`); empty elsewhere."""
    return _sysctl_text("machdep.cpu.brand_string") if system == "macos" else ""


def _sysctl_number(name: str) -> int | None:
    raw = _sysctl(name)
    return int.from_bytes(raw, sys.byteorder) if raw else None


def _sysctl_text(name: str) -> str:
    return _sysctl(name).rstrip(b"\0").decode("utf-8", "replace")


def _sysctl(name: str) -> bytes:
    """A sysctl value on macOS; empty when there is none of that name, or on another system."""
    if sys.platform != "darwin":
        return b""
    import ctypes

    library = ctypes.CDLL(None)
    size = ctypes.c_size_t(0)
    if library.sysctlbyname(name.encode(), None, ctypes.byref(size), None, 0) != 0:
        return b""
    buffer = ctypes.create_string_buffer(size.value)
    if library.sysctlbyname(name.encode(), buffer, ctypes.byref(size), None, 0) != 0:
        return b""
    return buffer.raw[: size.value]


def _windows_flags() -> tuple[str, ...]:
    if sys.platform != "win32":
        return ()
    import ctypes

    kernel = ctypes.windll.kernel32
    states = getattr(kernel, "GetEnabledXStateFeatures", None)
    if states is not None:
        states.restype = ctypes.c_uint64
    return windows_flags(kernel.IsProcessorFeaturePresent, states() if states is not None else 0)


def windows_flags(is_present: Callable[[int], object], states: int) -> tuple[str, ...]:
    """Features of a processor under Windows, by their names in Linux.

    Args:
        is_present: what IsProcessorFeaturePresent says of a number.
        states: the mask of GetEnabledXStateFeatures; 0 where Windows does not have that call.
    """
    found = {name for number, name in _WINDOWS_FEATURES.items() if is_present(number)}
    # On ARM the bits of the mask stand for other registers.
    return tuple(sorted(found | {"avx"} if "sse2" in found and states & _AVX_STATE else found))
