"""Finds what is wrong with an environment from its files: what `pip check` reports, and known bad combinations."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tfprov.adopt.metadata import recorded
from tfprov.adopt.records import ForeignEnvironment, FoundDistribution
from tfprov.conda.prefix import bad_files as bad_conda_files
from tfprov.conda.prefix import owned_files
from tfprov.distributions import kind_of
from tfprov.envs.integrity import bad_files
from tfprov.envs.records import Defect
from tfprov.plan.companions import breaks_in
from tfprov.plan.compat import table
from tfprov.requires_dist import is_met
from tfprov.smoke.requirements import unmet
from tfprov.structured import version_in
from tfprov.words import quoted

_PLATFORM = re.compile(r"(?:^|_)(x86_64|i686|aarch64|armv7l|ppc64le|s390x|amd64|arm64|win32|universal2)$")
_ALIKE = {"amd64": "x86_64", "arm64": "aarch64"}
_CPYTHON = re.compile(r"^cp(\d)(\d+)$")
_TENSORFLOW_FILES = "tensorflow/__init__.py"


def findings(found: ForeignEnvironment, *, thorough: bool = True) -> tuple[Defect, ...]:
    """Everything that is wrong with an environment, starting with defects that keep it from working at all.

    Args:
        found: the environment.
        thorough: whether to read every file of every package and compare it with its hash.
    """
    advice = f"recreate it with `tfprov adopt {quoted(str(found.named))}`"
    every = (
        *_interpreter(found),
        *_place(found),
        *_tensorflows(found),
        *_metadata(found),
        *_builds(found),
        *conflicts(found),
        *_known_breaks(found),
        *_visible(found),
        *_records_of_conda(found),
        *(_files(found) if thorough else ()),
    )
    return tuple(one if one.fix else replace(one, fix=advice) for one in every)


def conflicts(found: ForeignEnvironment) -> Iterator[Defect]:
    """Requirements of installed distributions that the installed versions do not meet, as `pip check` reports them."""
    versions = {**{one.name: one.version for one in found.outside}, **found.versions}
    # Markers need three numbers.
    python = f"{found.python.version}.0" if found.python.version.count(".") == 1 else found.python.version or None
    for one in found.distributions:
        who = "TensorFlow" if kind_of(one.name) is not None else one.project
        for each in unmet(one.requires, versions, python, who=f"{who} {one.version}".strip()):
            asks, _, said = each.evidence.rpartition(", ")
            asker, _, needed = asks.partition(" asks for ")
            yield Defect(code=each.code, path=one.name, expected=f"{needed} (required by {asker})", found=said)


def _interpreter(found: ForeignEnvironment) -> Iterator[Defect]:
    if not found.python.works:
        version = f"Python {found.python.version}".strip()
        yield Defect(
            code="python-broken",
            path=str(found.python.path),
            expected=f"a {version} that starts",
            found=found.python.why,
        )
    minors = {library.parent.name for library in found.libraries if library.name == "site-packages"}
    own = ("Lib", f"python{found.python.minor}")  # on Windows the folder has no number
    minors = {name for name in minors if found.python.minor and name.rstrip("t") not in own}
    for name in sorted(minors):
        yield Defect(
            code="python-broken",
            path=f"lib/{name}",
            expected=f"packages for Python {found.python.minor}",
            found=f"packages for {name}, which its Python ignores",
        )


def _place(found: ForeignEnvironment) -> Iterator[Defect]:
    if found.made_at is not None:
        yield Defect(
            code="environment-moved",
            path=str(found.root),
            expected=f"`{found.made_at}`, where its commands were made",
            found="moved or copied, and its commands name the old place",
        )


def _tensorflows(found: ForeignEnvironment) -> Iterator[Defect]:
    # Distributions that install TensorFlow's files. A placeholder and the empty wheel for another platform install
    # none.
    bring = [one for one in found.distributions if kind_of(one.name) is not None and brings_files(one)]
    if len(bring) > 1:
        names = " and ".join(f"{one.project} {one.version}" for one in bring)
        yield Defect(
            code="several-tensorflows",
            path="tensorflow",
            expected="one distribution with the package `tensorflow`",
            found=f"{names}, which overwrote each other's files",
        )
    for one in found.distributions:
        if kind_of(one.name) == "placeholder":
            yield Defect(
                code="tensorflow-gpu-package",
                path=one.name,
                expected="`tensorflow`, which has included GPU support since 2.1",
                found=f"{one.project} {one.version}, which is no longer published",
            )
    if not bring and found.module:
        yield Defect(
            code="uninstall-metadata",
            path="tensorflow",
            expected="metadata for the TensorFlow files that are installed",
            found="none, so its release is unknown",
        )


def brings_files(one: FoundDistribution) -> bool:
    """Whether a TensorFlow distribution installs the package itself; one without a RECORD counts as if it did."""
    if one.lacks:
        return True
    return any(path == _TENSORFLOW_FILES for path in recorded(one.metadata))


def _metadata(found: ForeignEnvironment) -> Iterator[Defect]:
    counted = Counter(one.name for one in found.distributions)
    for name, number in counted.items():
        if number > 1:
            versions = " and ".join(one.version or "?" for one in found.distributions if one.name == name)
            yield Defect(
                code="uninstall-metadata",
                path=name,
                expected="one version",
                found=f"the metadata of {versions}: an upgrade was interrupted",
            )
    for one in found.distributions:
        if one.lacks:
            is_closed = any(os.path.lexists(one.metadata / name) for name in one.lacks) or (
                one.metadata.is_dir() and not os.access(one.metadata, os.R_OK | os.X_OK)
            )
            why = "this user may not read them" if is_closed else "an installation was interrupted"
            yield Defect(
                code="permission-denied" if is_closed else "uninstall-metadata",
                path=one.metadata.name,
                expected="complete metadata",
                found=f"without {' and '.join(f'`{name}`' for name in one.lacks)}: {why}",
            )
    for each in found.beside:
        if each.kind == "leftover":
            yield Defect(code="uninstall-metadata", path=each.path, expected="no such folder", found=each.what)


def _builds(found: ForeignEnvironment) -> Iterator[Defect]:
    """Packages that were built for another processor, operating system or Python."""
    here = _ALIKE.get(platform.machine().lower(), platform.machine().lower())
    systems = {"linux": ("linux", "manylinux", "musllinux"), "darwin": ("macosx",), "win32": ("win",)}
    for one in found.distributions:
        if not one.tags:
            continue
        if not any(_fits_processor(tag, here, systems.get(sys.platform, ())) for tag in one.tags):
            yield Defect(
                code="platform-no-wheel",
                path=one.name,
                expected=f"a build for {sys.platform} on {here}",
                found=f"{one.project} {one.version} is built for `{one.tags[0]}`",
            )
        elif found.python.minor and not any(_fits_python(tag, found.python.minor) for tag in one.tags):
            yield Defect(
                code="python-unsupported",
                path=one.name,
                expected=f"a build for Python {found.python.minor}",
                found=f"{one.project} {one.version} is built for `{one.tags[0]}`",
            )


def _fits_processor(tag: str, here: str, systems: tuple[str, ...]) -> bool:
    for place in tag.rpartition("-")[2].split("."):
        if place == "any":
            return True
        found = _PLATFORM.search(place)
        built = _ALIKE.get(found[1], found[1]) if found else ""
        if place.startswith(systems) and built in ("", "universal2", here):
            return True
    return False


def _fits_python(tag: str, minor: str) -> bool:
    python, abi, _ = (*tag.split("-"), "", "")[:3]
    if "abi3" in abi:
        return True
    for each in python.split("."):
        exact = _CPYTHON.match(each)
        if exact is None or f"{exact[1]}.{exact[2]}" == minor or abi == "none":
            return True
    return False


def _known_breaks(found: ForeignEnvironment) -> Iterator[Defect]:
    """Combinations that break although no metadata forbids them, from the tables of known breaks."""
    versions = found.versions
    for row in breaks_in(versions):
        if row.leaves_out or row.instead:
            yield Defect(
                code="file-damaged",
                path=row.package,
                expected=f"not together with {row.beside} ({row.why})",
                found="both are installed",
            )
            continue
        needed = Requirement(row.requires)
        yield _broken(row.package, versions, needed, f"{row.package} {versions[row.package]}: {row.why}")
    release = tensorflow_version(found)
    if release is None:
        return
    for bound in table().bounds:
        needed = Requirement(bound.requirement)
        version = versions.get(canonicalize_name(needed.name))
        concerned = bound.accelerator is None and bound.below is None and SpecifierSet(bound.releases).contains(release)
        if concerned and version is not None and not is_met(needed, version):
            yield _broken("tensorflow", versions, needed, f"TensorFlow {release}: {bound.why}")


def _broken(package: str, versions: Mapping[str, str], needed: Requirement, why: str) -> Defect:
    name = canonicalize_name(needed.name)
    codes = {"numpy": "numpy-abi", "protobuf": "protobuf-mismatch", "setuptools": "setuptools-pkg-resources"}
    codes |= {"h5py": "h5py-mismatch", "keras": "keras-mismatch"}
    version = versions.get(name)
    return Defect(
        code=codes.get(name, "resolver-conflict"),
        path=package,
        expected=f"`{needed}` ({why})",
        found=f"{name} {version} is installed" if version else f"{name} is not installed",
    )


def tensorflow_version(found: ForeignEnvironment) -> Version | None:
    """The TensorFlow release in the metadata; None when there is none, or its version is invalid."""
    chosen = tensorflow_of(found)
    return version_in(chosen.version) if chosen is not None else None


def tensorflow_of(found: ForeignEnvironment) -> FoundDistribution | None:
    """The distribution that owns the files of the package `tensorflow`; None when there is none.

    Where several have overwritten each other's files: the one with the fewest altered files, and if that is a tie, the
    newest.
    """
    all_of_them = [one for one in found.distributions if kind_of(one.name) is not None]
    candidates = [one for one in all_of_them if brings_files(one)] or all_of_them
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    damage = Counter(bad.project for bad in bad_files(found.root, workers=os.cpu_count() or 1))
    return min(candidates, key=lambda one: (damage[one.name], kind_of(one.name) != "release", _reverse(one.version)))


def _reverse(version: str) -> tuple[int, ...]:
    found = version_in(version)
    return tuple(-part for part in found.release) if found is not None else (0,)


def leak_of_base(root: Path) -> Defect:
    """The defect of an environment in which the packages of its base interpreter are visible."""
    return Defect(
        code="path-leak",
        path=str(root / "pyvenv.cfg"),
        expected="`include-system-site-packages = false`",
        found="`true`: packages of the base interpreter are visible",
    )


def _visible(found: ForeignEnvironment) -> Iterator[Defect]:
    """Packages outside the environment that hide its own, or that it would lack on another machine."""
    if found.sees_system:
        yield leak_of_base(found.root)
    inside = found.versions
    for one in found.outside:
        if one.name in inside and inside[one.name] != one.version and one.in_user_site:
            yield Defect(
                code="path-leak",
                path=str(one.metadata.parent / one.name),
                expected=f"{one.name} {inside[one.name]} of the environment",
                found=f"{one.name} {one.version} in the user site, which takes precedence",
                fix=f"`python -m pip uninstall {one.name}` outside any environment, or set PYTHONNOUSERSITE=1",
                kind="advice" if found.kind == "venv" and not found.sees_system else "damage",
            )


def _records_of_conda(found: ForeignEnvironment) -> Iterator[Defect]:
    if found.conda is None and (found.root / "conda-meta").is_dir():
        yield Defect(
            code="foreign-file",
            path="conda-meta",
            expected=f"no records of conda in an environment made by {found.maker}",
            found="records of conda without its Python, ignored",
        )


def _files(found: ForeignEnvironment) -> Iterator[Defect]:
    owned: frozenset[str] = frozenset()
    if found.conda is not None:
        # conda's records answer for files of conda packages; the RECORD of a project in one need not be right.
        owned = owned_files(found.root)
        for one in bad_conda_files(found.root):
            yield _damaged(one.path, f"{one.expected} ({one.package})", one.found)
    for bad in bad_files(found.root, workers=os.cpu_count() or 1):
        if bad.path not in owned:
            yield _damaged(bad.path, f"{bad.expected} ({bad.project})", bad.found)


def _damaged(path: str, expected: str, found: str) -> Defect:
    return Defect(code="file-damaged", path=path, expected=expected, found=found)
