"""A conda environment on disk: its records, its history, and its damaged files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from tfprov.conda.records import Package
from tfprov.contents import content_of
from tfprov.digests import sha256_of
from tfprov.errors import TfprovError
from tfprov.structured import json_of
from tfprov.writing import write_atomic

META = "conda-meta"
_ORIGIN = ".tfprov.sha256"
# The version of conda in the history; an older version would make conda read the file differently.
_CONDA = "24.1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """A file of a conda package.

    Attributes:
        path: relative to the environment.
        package: `name-version-build`.
        sha256: of the linked file; None for symbolic links, and if the record has none.
    """

    path: str
    package: str
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixRecord:
    """A package of an environment, from its record."""

    name: str
    version: str
    build: str
    owned: tuple[Owned, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadPrefixFile:
    """A file that differs from the record of its package."""

    path: str
    package: str
    expected: str
    found: str


def records(prefix: Path) -> tuple[PrefixRecord, ...]:
    """The packages of an environment, sorted by name. Unreadable records are skipped."""
    found = []
    for path in sorted((prefix / META).glob("*.json")):
        try:
            document = json_of(content_of(path))
            found.append(_record(document))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return tuple(found)


def owned_files(prefix: Path) -> frozenset[str]:
    """The paths of all files of conda packages, and of their records, relative to the environment."""
    files = {one.path for record in records(prefix) for one in record.owned}
    return frozenset(files | {f"{META}/{path.name}" for path in (prefix / META).glob("*")})


def bad_files(prefix: Path) -> tuple[BadPrefixFile, ...]:
    """The files of conda packages that are missing or changed. Reads every file."""
    owned = [one for record in records(prefix) for one in record.owned]
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return tuple(bad for bad in pool.map(lambda one: _check(prefix, one), owned) if bad is not None)


def is_unpacked(folder: Path, sha256: str) -> bool:
    """Whether a folder of the cache has the content of an archive, and not of another one of the same name.

    Channels may have different packages of one name, version and build.

    Args:
        folder: named after the package.
        sha256: hash of the archive.
    """
    try:
        return content_of(folder / _ORIGIN) == sha256.encode()
    except OSError:
        return False


def mark_unpacked(folder: Path, sha256: str) -> None:
    """Note the hash of the archive that a folder was unpacked from; see `is_unpacked`."""
    # The package may have a link of that name.
    write_atomic(folder / _ORIGIN, sha256.encode())


def own(prefix: Path, packages: Sequence[Package]) -> None:
    """Write the real addresses of packages, without credentials, into their records.

    The worker links from an address that does not exist, and conda downloads a package again from the address in its
    record.
    """
    by_stem = {package.stem: package for package in packages}
    for path in (prefix / META).glob("*.json"):
        package = by_stem.get(path.stem)
        if package is None:
            continue
        document = json_of(content_of(path))
        document |= {"url": package.url, "channel": package.channel, "fn": package.filename}
        document.pop("package_tarball_full_path", None)
        write_atomic(path, json.dumps(document, indent=2).encode())


def write_history(
    prefix: Path, packages: Sequence[Package], specs: Sequence[str], *, now: datetime | None = None
) -> None:
    """Write conda's history, with the requested specs.

    Without them a later `conda remove` by hand removes every package, because none was requested by name.
    """
    moment = (now or datetime.now(timezone.utc)).strftime("%Y-%m-%d %H:%M:%S")
    lines = [f"==> {moment} <==", "# cmd: tfprov up", f"# conda version: {_CONDA}"]
    lines += [f"+{package.channel}/{package.subdir}::{package.stem}" for package in packages]
    lines.append(f"# update specs: {list(specs)!r}")
    write_atomic(prefix / META / "history", ("\n".join(lines) + "\n").encode())


def check_projects(packages: Sequence[Package], cache: Path, wheels: Mapping[str, str]) -> None:
    """Make sure that no wheel would overwrite a project of a conda package.

    Args:
        packages: packages of the lock, unpacked.
        cache: folder of the unpacked packages.
        wheels: version by normalised name.

    Raises:
        TfprovError: `several-tensorflows` or `conda-pip-mix`.
    """
    for package in packages:
        for name in _projects(cache / package.stem):
            if name in wheels:
                code = "several-tensorflows" if name.startswith("tensorflow") else "conda-pip-mix"
                raise TfprovError(
                    code,
                    f"`{name}` would be installed from conda and from a wheel, into the same files",
                    evidence=(f"conda package `{package.stem}`", f"wheel {name} {wheels[name]}"),
                    hint="request it in one place: `conda.packages` or `packages.requirements`",
                )


def for_executable(path: Path, packages: Sequence[tuple[Package, Path]]) -> Path:
    """Write the locked packages as an explicit file, which conda links without solving; returns its path."""
    lines = ["# made by tfprov from its lock", "@EXPLICIT"]
    lines += [f"{archive.as_uri()}#{package.md5}" for package, archive in packages]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _record(document: Mapping[str, object]) -> PrefixRecord:
    stem = f"{document['name']}-{document['version']}-{document['build']}"
    hashes: dict[str, str | None] = {}
    listed = document.get("paths_data")
    for entry in listed.get("paths", ()) if isinstance(listed, dict) else ():
        digest = entry.get("sha256_in_prefix") or entry.get("sha256")
        linked = entry.get("path_type") == "softlink"
        hashes[str(entry["_path"])] = None if linked else digest
    files = document.get("files")
    # Records written by conda itself have `site-packages/…` in `paths_data` and the real path in `files`.
    paths = [str(path) for path in files] if isinstance(files, list) else list(hashes)
    return PrefixRecord(
        name=str(document["name"]),
        version=str(document["version"]),
        build=str(document["build"]),
        owned=tuple(Owned(path=path, package=stem, sha256=hashes.get(path)) for path in paths),
    )


def _check(prefix: Path, one: Owned) -> BadPrefixFile | None:
    path = prefix / one.path
    if one.path.endswith(".pyc"):
        # Python may rewrite bytecode at any time.
        return None
    if not os.path.lexists(path):
        return BadPrefixFile(path=one.path, package=one.package, expected="the file", found="missing")
    if one.sha256 is None or path.is_symlink():
        return None
    try:
        found = sha256_of(path)
    except OSError as error:
        return BadPrefixFile(
            path=one.path, package=one.package, expected=one.sha256, found=error.strerror or "unreadable"
        )
    if found == one.sha256:
        return None
    return BadPrefixFile(path=one.path, package=one.package, expected=one.sha256, found=found)


def _projects(unpacked: Path) -> Iterator[str]:
    from packaging.utils import canonicalize_name

    try:
        listed = json_of(content_of(unpacked / "info" / "paths.json"))["paths"]
    except (OSError, ValueError, KeyError):
        return
    for entry in listed:
        folder, _, name = str(entry["_path"]).rpartition("/")
        if name == "METADATA" and folder.endswith(".dist-info"):
            yield canonicalize_name(folder.rpartition("/")[2][: -len(".dist-info")].rpartition("-")[0])
