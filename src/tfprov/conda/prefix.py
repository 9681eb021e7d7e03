"""A conda environment on disk: its records, its history, whether its files are as they should be."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from tfprov.conda.records import Package, Virtual
from tfprov.digests import sha256_of
from tfprov.errors import TfprovError
from tfprov.paths import write_atomic

META = "conda-meta"
# A line of the history names the conda that wrote it; older ones are read in other ways.
_CONDA = "24.1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """A file that a conda package put there.

    Attributes:
        path: relative to the environment.
        package: `name-version-build`.
        sha256: of the file as it was linked; None for links, and where the record has none.
    """

    path: str
    package: str
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A package of an environment, as its record says."""

    name: str
    version: str
    build: str
    owned: tuple[Owned, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadFile:
    """A file that is not as its package left it."""

    path: str
    package: str
    expected: str
    found: str


def is_conda(prefix: Path) -> bool:
    """Whether a folder is a conda environment."""
    return (prefix / META).is_dir()


def records(prefix: Path) -> tuple[Record, ...]:
    """The packages of an environment, sorted by name. A record that cannot be read counts as absent."""
    found = []
    for path in sorted((prefix / META).glob("*.json")):
        try:
            document = json.loads(path.read_bytes())
            found.append(_record(document))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return tuple(found)


def owned_files(prefix: Path) -> frozenset[str]:
    """Every path that conda packages own, relative to the environment, and their records."""
    files = {one.path for record in records(prefix) for one in record.owned}
    return frozenset(files | {f"{META}/{path.name}" for path in (prefix / META).glob("*")})


def bad_files(prefix: Path) -> tuple[BadFile, ...]:
    """The files of conda packages that are missing or were written to. Reads everything."""
    owned = [one for record in records(prefix) for one in record.owned]
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return tuple(bad for bad in pool.map(lambda one: _check(prefix, one), owned) if bad is not None)


def own(prefix: Path, packages: Sequence[Package]) -> None:
    """Write the true addresses into the records: they were linked from where nobody answers.

    conda takes a package again from the address in its record. Addresses of the store would say nothing elsewhere, and
    credentials must not stand there.
    """
    by_stem = {package.stem: package for package in packages}
    for path in (prefix / META).glob("*.json"):
        package = by_stem.get(path.stem)
        if package is None:
            continue
        document = json.loads(path.read_bytes())
        document |= {"url": package.url, "channel": package.channel, "fn": package.filename}
        document.pop("package_tarball_full_path", None)
        write_atomic(path, json.dumps(document, indent=2).encode())


def write_history(
    prefix: Path, packages: Sequence[Package], specs: Sequence[str], *, now: datetime | None = None
) -> None:
    """Write conda's history, with the specs that were asked for.

    Without them a later `conda remove` by hand takes away what nobody asked for by name: everything.
    """
    moment = (now or datetime.now(timezone.utc)).strftime("%Y-%m-%d %H:%M:%S")
    lines = [f"==> {moment} <==", "# cmd: tfprov up", f"# conda version: {_CONDA}"]
    lines += [f"+{package.channel}/{package.subdir}::{package.stem}" for package in packages]
    lines.append(f"# update specs: {list(specs)!r}")
    write_atomic(prefix / META / "history", ("\n".join(lines) + "\n").encode())


def check_projects(packages: Sequence[Package], cache: Path, wheels: Mapping[str, str]) -> None:
    """Make sure that no wheel would be written over a project that a conda package brings.

    Args:
        packages: those of the lock, unpacked.
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
                    f"`{name}` would come from conda and as a wheel, into the same files",
                    evidence=(f"conda package `{package.stem}`", f"wheel {name} {wheels[name]}"),
                    hint="ask for it in one place: `conda.packages` or `packages.requirements`",
                )


def for_executable(path: Path, packages: Sequence[tuple[Package, Path]], virtual: Sequence[Virtual]) -> Path:
    """Write the locked packages as an explicit file, which an installed conda links without solving; its path."""
    lines = ["# made by tfprov from its lock", *(f"# virtual: {one}" for one in virtual), "@EXPLICIT"]
    lines += [f"{archive.as_uri()}#{package.md5}" for package, archive in packages]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _record(document: Mapping[str, object]) -> Record:
    stem = f"{document['name']}-{document['version']}-{document['build']}"
    hashes: dict[str, str | None] = {}
    listed = document.get("paths_data")
    for entry in listed.get("paths", ()) if isinstance(listed, dict) else ():
        digest = entry.get("sha256_in_prefix") or entry.get("sha256")
        linked = entry.get("path_type") == "softlink"
        hashes[str(entry["_path"])] = None if linked else digest
    files = document.get("files")
    # Records that conda itself wrote keep `site-packages/…` in the one list and have the real path in the other.
    paths = [str(path) for path in files] if isinstance(files, list) else list(hashes)
    return Record(
        name=str(document["name"]),
        version=str(document["version"]),
        build=str(document["build"]),
        owned=tuple(Owned(path=path, package=stem, sha256=hashes.get(path)) for path in paths),
    )


def _check(prefix: Path, one: Owned) -> BadFile | None:
    path = prefix / one.path
    if one.path.endswith(".pyc"):
        # Bytecode comes and goes.
        return None
    if not os.path.lexists(path):
        return BadFile(path=one.path, package=one.package, expected=one.sha256 or "a link", found="missing")
    if one.sha256 is None or path.is_symlink():
        return None
    try:
        found = sha256_of(path)
    except OSError as error:
        return BadFile(path=one.path, package=one.package, expected=one.sha256, found=error.strerror or "unreadable")
    if found == one.sha256:
        return None
    return BadFile(path=one.path, package=one.package, expected=one.sha256, found=found)


def _projects(unpacked: Path) -> Iterator[str]:
    from packaging.utils import canonicalize_name

    try:
        listed = json.loads((unpacked / "info" / "paths.json").read_bytes())["paths"]
    except (OSError, ValueError, KeyError):
        return
    for entry in listed:
        folder, _, name = str(entry["_path"]).rpartition("/")
        if name == "METADATA" and folder.endswith(".dist-info"):
            yield canonicalize_name(folder.rpartition("/")[2][: -len(".dist-info")].rpartition("-")[0])
