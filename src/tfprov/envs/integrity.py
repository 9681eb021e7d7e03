"""Compares an environment's files with the hashes in every RECORD, and finds files that no package owns."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from tfprov import trees
from tfprov.envs.layout import BINDING, is_metadata, site_packages
from tfprov.record_rows import is_below, rows_in, written

# Files that virtualenv, Python and tfprov put there and no package owns.
_OWNED_BY_NOBODY = re.compile(
    rf"(^|/)(__pycache__/.*|[^/]+\.pyc|(_virtualenv|_tfprov_cures|{BINDING})\.(py|pth|start)|distutils-precedence\.pth)$"
)
# Rewritten by whoever installs or moves the environment, so their hashes prove nothing.
_UNSTABLE = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
_BLOCK = 1 << 20
_BATCH = 400
_MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A project installed in an environment, as its metadata folder says.

    Attributes:
        name: normalised.
        version: as installed.
        metadata: path of the metadata folder.
    """

    name: str
    version: str
    metadata: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class BadFile:
    """A file that differs from its RECORD.

    Attributes:
        path: relative to the examined folder.
        project: the project that owns it.
        expected: hash in the notation of RECORD; `the file` where there is none.
        found: its hash, or why it could not be read; `missing` where there is none.
    """

    path: str
    project: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class _Row:
    path: str
    project: str
    expected: str


def installed(environment: Path) -> tuple[Installed, ...]:
    """The projects installed in an environment, sorted by name."""
    found = []
    for library in site_packages(environment):
        for metadata in library.glob("*.dist-info"):
            if not is_metadata(metadata.name):
                continue
            name, _, version = metadata.name[: -len(".dist-info")].rpartition("-")
            found.append(Installed(name=canonicalize_name(name), version=version, metadata=metadata))
    return tuple(sorted(found, key=lambda one: one.name))


def bad_files(environment: Path, *, workers: int) -> tuple[BadFile, ...]:
    """Every file that is missing or whose content differs from its RECORD. Reads every file.

    Commands and bytecode are left out: both are made for each place.

    Args:
        environment: folder of an environment, or of anything with the same layout.
        workers: number of threads; hashing releases the GIL.
    """
    rows = [row for one in installed(environment) for row in _rows(environment, one)]
    found = digests(environment, [row.path for row in rows], workers=workers)
    return tuple(
        BadFile(
            path=row.path,
            project=row.project,
            expected="the file" if found[row.path] == _MISSING else row.expected,
            found=found[row.path],
        )
        for row in rows
        if found[row.path] != row.expected
    )


def recorded(environment: Path) -> dict[str, str]:
    """Hashes from every RECORD, by path relative to the environment, of all files whose hash proves something."""
    return {row.path: row.expected for one in installed(environment) for row in _rows(environment, one)}


def owners(environment: Path) -> dict[str, str]:
    """Normalised name of the project that owns each file, by path relative to the environment."""
    return {row.path: row.project for one in installed(environment) for row in _rows(environment, one, unstable=True)}


def digests(root: Path, paths: Sequence[str], *, workers: int) -> dict[str, str]:
    """Hash of each file in the notation of RECORD, or why it could not be read."""
    batches = [paths[start : start + _BATCH] for start in range(0, len(paths), _BATCH)]
    with ThreadPoolExecutor(max_workers=workers) as pool:
        found = pool.map(lambda batch: [(path, digest(f"{root}/{path}")) for path in batch], batches)
        return dict(pair for batch in found for pair in batch)


def foreign_files(environment: Path) -> tuple[str, ...]:
    """Files among the packages that no package owns, relative to the environment, sorted."""
    owned = owners(environment)
    found = []
    for library in site_packages(environment):
        prefix = library.relative_to(environment).as_posix()
        for path in _files(library, prefix):
            if path not in owned and not _OWNED_BY_NOBODY.search(path):
                found.append(path)
    return tuple(sorted(found))


def _rows(environment: Path, project: Installed, *, unstable: bool = False) -> Iterator[_Row]:
    library = project.metadata.parent.relative_to(environment).as_posix()
    for name, expected, _ in rows_in(project.metadata):
        if not is_below(name):
            continue
        checked = expected.startswith("sha256=") and name.rpartition("/")[2] not in _UNSTABLE
        if unstable or (checked and not name.endswith(".pyc")):
            yield _Row(f"{library}/{name}", project.name, expected)


def digest(path: str) -> str:
    """Hash of a regular file in the notation of RECORD; the system's error message if it cannot be read."""
    try:
        return _digest(path)
    except FileNotFoundError:
        return _MISSING
    except OSError as error:
        return error.strerror or "unreadable"


def _digest(path: str) -> str:
    # os.open and not Path.open: a third of the time for 17,000 files, most of them small, went into file objects.
    # In somebody else's environment a path may lead to a pipe, or to an endless device.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return "not a regular file"
        content = hashlib.sha256()
        while block := os.read(descriptor, _BLOCK):
            content.update(block)
            if len(block) < _BLOCK:
                break
    finally:
        os.close(descriptor)
    return written(content.digest())


def _files(folder: Path, prefix: str) -> Iterator[str]:
    # Of a folder that this user may not read, nothing is known but what its package says.
    with contextlib.suppress(PermissionError), os.scandir(folder) as entries:
        for entry in entries:
            path = f"{prefix}/{entry.name}"
            if trees.is_folder(entry):
                if entry.name != "__pycache__":
                    yield from _files(Path(entry.path), path)
            else:
                yield path
