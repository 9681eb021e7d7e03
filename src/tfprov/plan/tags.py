"""Wheel tags and marker values of an interpreter, computed from facts, so that they can be for another machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain

from packaging.markers import Environment
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.version import Version

from tfprov.host.records import Facts, Libc
from tfprov.wants.records import System

# PEP 600 keeps three older names for fixed glibc versions.
_LEGACY_MANYLINUX = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
# The oldest glibc with a manylinux tag: 2.5 on x86, 2.17 on later architectures (PEP 599).
_OLDEST_GLIBC = {"x86_64": 5, "i686": 5}
_OLDEST_GLIBC_ELSEWHERE = 17

_ARCHITECTURES = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64", "armv8": "aarch64", "i386": "i686"}


def architecture(name: str) -> str:
    """One name for each architecture, such as `x86_64` or `aarch64`, whatever the operating system calls it."""
    lower = name.lower()
    return _ARCHITECTURES.get(lower, lower)


def platform_name(system: str, machine: str) -> str:
    """The name of a platform in the compat table, such as `linux_x86_64`, `macos_arm64` or `windows_x86_64`."""
    kind = architecture(machine)
    return f"{system}_{'arm64' if system == 'macos' and kind == 'aarch64' else kind}"


def supported_tags(python_version: str, free_threaded: bool, facts: Facts) -> list[Tag]:
    """The wheel tags that a CPython accepts on the machine of the facts, best first.

    Args:
        python_version: `3.12` or longer.
        free_threaded: True for a build without the GIL.
        facts: about the machine; it need not be this one.
    """
    version = Version(python_version)
    python = (version.major, version.minor)
    interpreter = f"cp{version.major}{version.minor}"
    abi = interpreter + ("t" if free_threaded else "m" if python < (3, 8) else "")
    platforms = platform_tags(facts)
    return list(chain(cpython_tags(python, [abi], platforms), compatible_tags(python, interpreter, platforms)))


def platform_tags(facts: Facts, libc: Libc | None = None) -> list[str]:
    """The platform tags of a machine, best first.

    Args:
        facts: about the machine.
        libc: the C library that the interpreter runs on, where that is not the system's.
    """
    system, machine = facts.system.value, architecture(facts.machine.value)
    if system == "windows":
        return [{"x86_64": "win_amd64", "aarch64": "win_arm64"}.get(machine, "win32")]
    if system == "macos":
        arch = "arm64" if machine == "aarch64" else machine
        return list(mac_platforms(major_minor(facts.os_version.value), arch))
    return list(_linux(libc or facts.libc.value, machine))


def _linux(libc: Libc | None, machine: str) -> Iterator[str]:
    # A wheel built on such a machine comes before one built for many, as in packaging.
    yield f"linux_{machine}"
    if libc is not None:
        major, minor = major_minor(libc.version)
        if libc.kind == "musl":
            yield from (f"musllinux_{major}_{older}_{machine}" for older in range(minor, -1, -1))
        elif major == 2:
            oldest = _OLDEST_GLIBC.get(machine, _OLDEST_GLIBC_ELSEWHERE)
            for older in range(minor, oldest - 1, -1):
                yield f"manylinux_2_{older}_{machine}"
                if older in _LEGACY_MANYLINUX:
                    yield f"{_LEGACY_MANYLINUX[older]}_{machine}"


def major_minor(version: str) -> tuple[int, int]:
    """The first two numbers of a version of an operating system or a C library, 0 for one that is not there.

    A number of more than four digits is none: there is a tag for each older version.
    """
    # Distributions append suffixes to the C library's version (`2.31-13+deb11u5`), and people write names beside it.
    found = re.search(r"(?<![0-9.])([0-9]{1,4})(?![0-9])(?:\.([0-9]{1,4})(?![0-9]))?", version)
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)


def marker_environment(python_version: str, implementation: str, facts: Facts) -> Environment:
    """The values of PEP 508 markers for an interpreter on the machine of the facts.

    Args:
        python_version: full version; for `3.12` its first patch release is assumed.
        implementation: `cpython`, `pypy`, …
        facts: about the machine; it need not be this one.
    """
    return _environment(python_version, implementation, facts.system.value, facts.machine.value, facts.os_version.value)


def system_of(facts: Facts) -> System:
    """The system of the machine of the facts, for the readers of files."""
    there = marker_environment("3.12", "cpython", facts)
    return System(name=there["sys_platform"], machine=there["platform_machine"].lower())


@lru_cache(maxsize=1024)
def _environment(python_version: str, implementation: str, system: str, machine: str, os_version: str) -> Environment:
    version = Version(python_version)
    full = python_version if len(version.release) > 2 else f"{version.major}.{version.minor}.0"
    machine = architecture(machine)
    names = {"linux": ("posix", "linux", "Linux"), "macos": ("posix", "darwin", "Darwin")}
    os_name, sys_platform, platform_system = names.get(system, ("nt", "win32", "Windows"))
    if system == "windows":
        machine = {"x86_64": "AMD64", "aarch64": "ARM64", "i686": "x86"}.get(machine, machine)
    elif system == "macos" and machine == "aarch64":
        machine = "arm64"
    return Environment(
        implementation_name=implementation,
        implementation_version=full,
        os_name=os_name,
        platform_machine=machine,
        platform_release=os_version,
        platform_system=platform_system,
        platform_version="",
        python_full_version=full,
        platform_python_implementation={"cpython": "CPython", "pypy": "PyPy"}.get(implementation, implementation),
        python_version=f"{version.major}.{version.minor}",
        sys_platform=sys_platform,
    )
