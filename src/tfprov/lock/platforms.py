"""One lock for several platforms: each is resolved separately, then the results are merged.

A resolve for all platforms at once reads the metadata of one wheel and assumes that those of the others are equal.
TensorFlow's wheels differ: the one for Windows may be empty and require `tensorflow-intel`, the one for Linux on ARM
`tensorflow-cpu-aws`. So every platform is resolved separately, and packages that differ get a marker.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import tomlkit
from tomlkit.items import Array, InlineTable

from tfprov.lock.question import Pinned
from tfprov.profile.records import PlatformName
from tfprov.structured import toml_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A platform that TensorFlow has wheels for.

    Attributes:
        system: as in the facts.
        machine: as in the facts.
        os_version: oldest supported release of the operating system; empty on Linux.
        glibc: oldest supported glibc; None outside Linux. No wheel of TensorFlow requires more than 2.28.
        triple: uv's name of the platform.
        sys_platform: value of that marker variable.
        platform_machine: value of that marker variable.
    """

    system: Literal["linux", "macos", "windows"]
    machine: str
    os_version: str = ""
    glibc: str | None = None
    triple: str
    sys_platform: str
    platform_machine: str

    @property
    def marker(self) -> str:
        """A marker that is true on this platform and false on all others."""
        return f"sys_platform == '{self.sys_platform}' and platform_machine == '{self.platform_machine}'"


PLATFORMS: Mapping[PlatformName, Platform] = {
    "linux-x86_64": Platform(
        system="linux",
        machine="x86_64",
        glibc="2.28",
        triple="x86_64-manylinux_2_28",
        sys_platform="linux",
        platform_machine="x86_64",
    ),
    "linux-aarch64": Platform(
        system="linux",
        machine="aarch64",
        glibc="2.28",
        triple="aarch64-manylinux_2_28",
        sys_platform="linux",
        platform_machine="aarch64",
    ),
    "windows-amd64": Platform(
        system="windows",
        machine="x86_64",
        os_version="10.0.17763",
        triple="x86_64-pc-windows-msvc",
        sys_platform="win32",
        platform_machine="AMD64",
    ),
    "macos-arm64": Platform(
        system="macos",
        machine="arm64",
        os_version="13.0",
        triple="aarch64-apple-darwin",
        sys_platform="darwin",
        platform_machine="arm64",
    ),
    "macos-x86_64": Platform(
        system="macos",
        machine="x86_64",
        os_version="13.0",
        triple="x86_64-apple-darwin",
        sys_platform="darwin",
        platform_machine="x86_64",
    ),
}
"""The platforms, by their names in profiles."""


def merge(documents: Mapping[PlatformName, str], *, python: str) -> str:
    """Merge one PEP 751 document per platform into a single one.

    A package that is the same on all platforms has no marker; any other has one for the platforms that need it. Its
    wheels are those of all platforms together. `environments` lists the platforms, so that an installer on another one
    stops instead of installing the common part.

    Args:
        documents: PEP 751 documents by platform name, each resolved for its platform only: every package in it is
            needed there, whatever its marker. `dependencies` is dropped, because in the standard it is only
            informational.
        python: minor version that all of them were resolved for, `3.12`; the merged lock is for this version only.
    """
    parsed = {name: toml_of(text) for name, text in documents.items()}
    packages: dict[str, dict[PlatformName, dict[str, object]]] = {}
    for name, document in parsed.items():
        for package in document.get("packages", []):
            packages.setdefault(_identity(package), {})[name] = package
    first = next(iter(parsed.values()))
    merged = tomlkit.document()
    merged["lock-version"] = first["lock-version"]
    merged["environments"] = [PLATFORMS[name].marker for name in parsed]
    pythons = dict.fromkeys(each["requires-python"] for each in parsed.values() if "requires-python" in each)
    merged["requires-python"] = ",".join((*pythons, f"=={python}.*"))
    merged["created-by"] = first["created-by"]
    listed = tomlkit.aot()
    for found in sorted(packages.values(), key=_order):
        listed.append(_package(found, tuple(parsed)))
    merged["packages"] = listed
    return tomlkit.dumps(merged)


def preferences(resolved: Pinned, older: Pinned) -> Pinned:
    """The versions to prefer on a further platform.

    Args:
        resolved: just resolved for this machine; the same versions everywhere are best.
        older: from the lock that is being renewed; used for packages that only other platforms have.
    """
    known = dict(resolved)
    return (*resolved, *(each for each in older if each[0] not in known))


def _identity(package: Mapping[str, object]) -> str:
    """A text that is equal for equal packages on two platforms."""
    own = {key: value for key, value in package.items() if key not in ("marker", "wheels", "dependencies")}
    return json.dumps(own, default=str, sort_keys=True)


def _order(found: Mapping[PlatformName, Mapping[str, object]]) -> tuple[str, str]:
    package = next(iter(found.values()))
    return str(package["name"]), str(package.get("version", ""))


def _package(
    found: Mapping[PlatformName, Mapping[str, object]], names: tuple[PlatformName, ...]
) -> tomlkit.items.Table:
    """One entry for a package that some of the named platforms have."""
    package = dict(next(iter(found.values())))
    package.pop("dependencies", None)
    marker = _marker(found.keys(), names)
    wheels: dict[object, object] = {}
    for each in found.values():
        for wheel in _wheels(each):
            wheels.setdefault(wheel.get("url") or wheel.get("path"), wheel)
    package.pop("marker", None)
    package.pop("wheels", None)
    # The order that uv uses: name, version, marker, files.
    ordered: dict[str, object] = {key: package.pop(key) for key in ("name", "version") if key in package}
    if marker:
        ordered["marker"] = marker
    ordered.update(package)
    if wheels:
        ordered["wheels"] = list(wheels.values())
    return _table(ordered)


def _wheels(package: Mapping[str, object]) -> list[dict[str, object]]:
    wheels = package.get("wheels", [])
    return wheels if isinstance(wheels, list) else []


def _marker(has: Collection[PlatformName], names: Collection[PlatformName]) -> str:
    """The marker of a package that some of the named platforms have; empty when all have it."""
    if len(has) == len(names):
        return ""
    markers = [PLATFORMS[name].marker for name in has]
    return markers[0] if len(markers) == 1 else " or ".join(f"({each})" for each in markers)


def _table(package: Mapping[str, object]) -> tomlkit.items.Table:
    table = tomlkit.table()
    for key, value in package.items():
        if key == "wheels" and isinstance(value, list):
            table[key] = _listed(value)
        else:
            table[key] = _inline(value) if isinstance(value, dict) else value
    return table


def _listed(wheels: list[dict[str, object]]) -> Array:
    array = tomlkit.array().multiline(len(wheels) > 1)
    for wheel in wheels:
        array.append(_inline(wheel))
    return array


def _inline(mapping: Mapping[str, object]) -> InlineTable:
    table = tomlkit.inline_table()
    for key, value in mapping.items():
        table[key] = _inline(value) if isinstance(value, dict) else value
    return table
