"""The processor behind what the kernel tells, on the texts of real machines."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tfprov.host import processor
from tfprov.host.processor import apple_flags, architecture, flags, native_machine, parse_flags, windows_flags

EPYC = "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\nflags\t\t: fpu lm avx avx2 fma sse4_2\n"
PENTIUM = "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu sse sse2 ssse3 lm\n"
GRAVITON = (
    "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd sve\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
)
ROSETTA = "processor\t: 0\nvendor_id\t: VirtualApple\nmodel name\t: VirtualApple @ 2.50GHz\nflags\t\t: fpu lm sse4_2\n"


@pytest.fixture(autouse=True)
def without_a_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """These are other machines: what started this process says nothing about them. Wine cannot tell it at all."""
    monkeypatch.setattr(os, "getppid", lambda: 0)


def machine(root: Path, cpuinfo: str) -> Path:
    (root / "proc").mkdir(parents=True, exist_ok=True)
    (root / "proc/cpuinfo").write_text(cpuinfo, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        (EPYC, ("avx", "avx2", "fma", "fpu", "lm", "sse4_2")),
        (PENTIUM, ("fpu", "lm", "sse", "sse2", "ssse3")),
        (GRAVITON, ("asimd", "fp", "sve")),
        ("processor : 0\n", ()),
        ("", ()),
    ],
)
def test_flags_are_read(cpuinfo: str, expected: tuple[str, ...], tmp_path: Path) -> None:
    assert parse_flags(cpuinfo) == expected
    assert flags("linux", root=machine(tmp_path, f"{cpuinfo}\n{cpuinfo}")).value == expected


def test_an_unreadable_file_gives_no_flags(tmp_path: Path) -> None:
    assert flags("linux", root=tmp_path).value == ()


def test_the_flags_of_an_intel_mac_get_the_names_of_linux() -> None:
    told = "FPU SSE3 SSE4.2 AVX1.0 FMA AVX2 BMI1"

    assert apple_flags(told) == ("avx", "avx2", "bmi1", "fma", "fpu", "pni", "sse4_2")


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [(EPYC, "x86_64"), (PENTIUM, "x86_64"), (GRAVITON, "aarch64"), ("", None), (ROSETTA, "x86_64")],
)
def test_the_text_tells_who_printed_it(cpuinfo: str, expected: str | None) -> None:
    assert native_machine(cpuinfo) == expected


@pytest.mark.parametrize(
    ("cpuinfo", "reported", "expected", "emulation"),
    [
        (EPYC, "x86_64", "x86_64", None),
        (EPYC, "AMD64", "x86_64", None),
        (GRAVITON, "aarch64", "aarch64", None),
        (GRAVITON, "armv7l", "armv7l", None),
        (EPYC, "i686", "i686", None),
        (GRAVITON, "x86_64", "x86_64", "qemu"),
        (EPYC, "aarch64", "aarch64", "qemu"),
        (ROSETTA, "x86_64", "x86_64", "rosetta"),
        ("", "riscv64", "riscv64", None),
        ("", "x86_64", "x86_64", None),
    ],
)
def test_the_process_decides_and_an_emulator_is_seen(
    cpuinfo: str, reported: str, expected: str, emulation: str | None, tmp_path: Path
) -> None:
    found, seen = architecture("linux", {}, root=machine(tmp_path, cpuinfo), reported=reported)

    assert (found.value, seen.value) == (expected, emulation)


@pytest.mark.parametrize(
    ("started", "emulation"),
    [
        ("/usr/bin/qemu-x86_64-static\0/bin/sh\0", "qemu"),
        ("/usr/libexec/qemu-binfmt/qemu-x86_64\0/bin/sh\0", "qemu"),
        ("/run/rosetta/rosetta\0/bin/sh\0", "rosetta"),
        ("/usr/bin/qemu-system-x86_64\0-m\0008G\0", None),
        ("/sbin/init\0", None),
    ],
)
def test_the_first_process_gives_an_emulator_away(started: str, emulation: str | None, tmp_path: Path) -> None:
    root = machine(tmp_path, "")
    (root / "proc/1").mkdir()
    (root / "proc/1/cmdline").write_text(started, encoding="utf-8")

    assert architecture("linux", {}, root=root, reported="x86_64")[1].value == emulation


@pytest.mark.parametrize(
    ("environ", "reported", "expected"),
    [
        ({"PROCESSOR_ARCHITECTURE": "AMD64"}, "AMD64", "x86_64"),
        ({"PROCESSOR_ARCHITECTURE": "x86", "PROCESSOR_ARCHITEW6432": "AMD64"}, "x86", "x86_64"),
        ({"PROCESSOR_IDENTIFIER": "ARMv8 (64-bit) Family 8 Model D4B Revision 0"}, "AMD64", "arm64"),
        ({}, "ARM64", "arm64"),
    ],
)
def test_windows_tells_the_truth_in_its_variables(environ: dict[str, str], reported: str, expected: str) -> None:
    assert architecture("windows", environ, reported=reported)[0].value == expected


@pytest.mark.parametrize(
    ("translated", "reported", "expected", "emulation"),
    [(1, "x86_64", "arm64", "rosetta"), (0, "x86_64", "x86_64", None), (0, "arm64", "arm64", None)],
)
def test_rosetta_is_seen_through(
    translated: int, reported: str, expected: str, emulation: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"sysctl.proc_translated": translated.to_bytes(4, sys.byteorder)}
    monkeypatch.setattr(processor, "_sysctl", lambda name: answers.get(name, b""))

    found, seen = architecture("macos", {}, reported=reported)

    assert (found.value, seen.value) == (expected, emulation)


X86, ARM = {6, 10, 13, 17}, {2, 19, 30, 31}  # what a Windows before 10 2004 tells of any processor


@pytest.mark.parametrize(
    ("features", "states", "expected"),
    [
        (X86 | {36, 37, 38, 39, 40}, 0b111, ("avx", "avx2", "pni", "sse2", "sse4_1", "sse4_2", "ssse3")),
        # Windows Server 2019 and older deny all features that were numbered later, but tell which registers they save.
        (X86, 0b111, ("avx", "pni", "sse2")),
        (X86, 0b011, ("pni", "sse2")),
        (X86 | {36, 37, 38}, 0b011, ("pni", "sse2", "sse4_1", "sse4_2", "ssse3")),
        # On ARM the same bit stands for something else.
        (ARM, 0b100, ()),
    ],
)
def test_an_old_windows_does_not_hide_avx(features: set[int], states: int, expected: tuple[str, ...]) -> None:
    assert windows_flags(features.__contains__, states) == expected


@pytest.mark.parametrize(
    ("reported", "bits", "loader", "expected"),
    [
        # The kernel has 64 bits, and the system in the container or on the card has not.
        ("x86_64", 32, "", "i686"),
        ("aarch64", 32, "", "armv7l"),
        # A 32-bit Python on a system that can start others, too.
        ("x86_64", 32, "lib64/ld-linux-x86-64.so.2", "x86_64"),
        ("aarch64", 32, "lib/ld-linux-aarch64.so.1", "aarch64"),
        ("x86_64", 64, "", "x86_64"),
        ("riscv64", 32, "", "riscv64"),
    ],
)
def test_a_system_of_32_bits_stays_one_on_a_kernel_of_64(
    reported: str, bits: int, loader: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "maxsize", 2 ** (bits - 1) - 1)
    if loader:
        (tmp_path / loader).parent.mkdir(parents=True)
        (tmp_path / loader).touch()

    assert architecture("linux", {}, root=tmp_path, reported=reported)[0].value == expected


def test_a_mac_tells_its_features_and_name(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "machdep.cpu.features": b"FPU AVX1.0 SSE4.2\0",
        "machdep.cpu.leaf7_features": b"AVX2 BMI1\0",
        "machdep.cpu.brand_string": b"Apple M2\0",
    }
    monkeypatch.setattr(processor, "_sysctl", lambda name: answers.get(name, b""))

    assert flags("macos").value == ("avx", "avx2", "bmi1", "fpu", "sse4_2")
    assert processor.brand("macos") == "Apple M2"
    assert processor.brand("linux") == ""
