"""The manifest of a sealed generation: its list of files, which is checked before the environment counts as verified.

It has one line for each file, `size mtime path`, then an empty line, then `hash path` for files without a hash in any
RECORD. Every `up` compares sizes and times; it reads contents only where the time differs, so that an edit which kept
the size is found, and a file that was merely touched is not reported. Bytecode comes and goes and is left out. A line
feed in a path is written as NUL.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfprov.contents import content_of
from tfprov.envs.records import Damage
from tfprov.writing import as_line, of_line, write_atomic

if TYPE_CHECKING:
    from tfprov.envs.survey import Files

SEAL = "tfprov.json"
MANIFEST = "tfprov.manifest"
_RECORD = ".dist-info/RECORD"
_OPEN = stat.S_IRUSR | stat.S_IXUSR
_KINDS_OF_HASH = ("sha256=", "link=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What was read of an environment before it was proved; of use to `write` as far as its files did not change.

    Attributes:
        files: its files before anything was read.
        owned: those whose hash is in a RECORD; None if that cannot be known from the files.
        hashes: of the others, without bytecode.
    """

    files: Files
    owned: frozenset[str] | None
    hashes: Mapping[str, str]


def draft(root: Path, files: Files) -> Draft:
    """Read what `write` needs of an environment in which programs may still write.

    Args:
        root: its folder.
        files: its files, as surveyed just before.
    """
    from tfprov.envs.integrity import installed, recorded

    owned = recorded(root).keys()
    # A RECORD behind a link to a folder is in no survey.
    records = (one.metadata.relative_to(root) / "RECORD" for one in installed(root))
    is_known = all(path.as_posix() in files or not (root / path).exists() for path in records)
    hashes = _hashes(root, [path for path in _listed(files) if path not in owned])
    # A file that cannot be read now may be readable later, and then has the same size and time.
    hashes = {path: found for path, found in hashes.items() if found.startswith(_KINDS_OF_HASH)}
    return Draft(files=files, owned=frozenset(owned) if is_known else None, hashes=hashes)


def write(root: Path, files: Files | None = None, *, before: Draft | None = None) -> int:
    """Write the manifest of an environment, `tfprov.manifest` in its folder.

    Args:
        root: its folder.
        files: its files, as surveyed just before; None to look.
        before: what was read earlier; what changed since is read again.

    Returns:
        Total size of the listed files in bytes.
    """
    from tfprov.envs.survey import survey

    files = survey(root) if files is None else files
    listed = sorted(_listed(files))
    owned = _owned(root, files, before)
    lines = [f"{files[path].size} {files[path].mtime} {as_line(path)}" for path in listed]
    # Commands are rewritten for each place, so the hashes in their RECORD prove nothing.
    others = [path for path in listed if path not in owned]
    known = {path: before.hashes[path] for path in others if path in before.hashes} if before else {}
    known = {path: found for path, found in known.items() if before and before.files[path] == files[path]}
    hashes = known | _hashes(root, [path for path in others if path not in known])
    text = "\n".join((*lines, "", *(f"{hashes[path]} {as_line(path)}" for path in others)))
    write_atomic(root / MANIFEST, text.encode("utf-8", "surrogateescape"))
    return sum(files[path].size for path in listed)


def _owned(root: Path, files: Files, before: Draft | None) -> frozenset[str]:
    """The files whose hash is in a RECORD, as read before if no RECORD has come, gone or changed since."""
    from tfprov.envs.integrity import recorded
    from tfprov.envs.survey import unchanged

    if before is not None and before.owned is not None and unchanged(_records(before.files), _records(files)):
        return before.owned
    return frozenset(recorded(root))


def _records(files: Files) -> Files:
    return {path: status for path, status in files.items() if path.endswith(_RECORD)}


def listed(root: Path) -> tuple[str, ...]:
    """Paths of the files of a sealed environment, relative to it, without bytecode."""
    text = content_of(root / MANIFEST).decode("utf-8", "surrogateescape")
    return tuple(line.split(" ", 2)[2] for line in _lines(text.partition("\n\n")[0]) if line)


def unrecorded(root: Path) -> frozenset[str]:
    """Paths of the files of a sealed environment that no RECORD proves, and the manifest itself; without bytecode.

    That alone where it cannot be read.
    """
    try:
        text = content_of(root / MANIFEST).decode("utf-8", "surrogateescape")
    except OSError:
        text = ""
    hashes = text.partition("\n\n")[2]
    return frozenset((MANIFEST, *(line.partition(" ")[2] for line in _lines(hashes))))


def closed_folders(root: Path) -> tuple[str, ...]:
    """Folders of a sealed environment whose owner may not look into them, which root does not notice, sorted."""
    try:
        folders = {path.rpartition("/")[0] for path in listed(root)}
    except (OSError, IndexError):  # the manifest is damaged
        return ()
    found = []
    for relative in folders:
        with contextlib.suppress(OSError):  # it is gone, and its files are missing
            if (root / relative).stat().st_mode & _OPEN != _OPEN:
                found.append(relative)
    return tuple(sorted(found))


def damage(root: Path, *, total: int | None) -> Damage:
    """Missing and altered files of the manifest. Takes some 60 ms; reads contents only where a time differs.

    A file with another time but its old content gets its time back, since bytecode records the time of its source.

    Args:
        root: folder of the environment.
        total: bytes of all files, from the seal; None if it has no total.
    """
    try:
        text = content_of(root / MANIFEST).decode("utf-8", "surrogateescape")
    except OSError:
        return Damage(missing=(MANIFEST,))
    files, _, hashes = text.partition("\n\n")
    missing, altered = [], []
    touched: dict[str, int] = {}
    prefix = f"{root}/"
    counted = 0
    lstat = os.lstat
    try:
        for line in _lines(files):
            size, mtime, relative = line.split(" ", 2)
            listed = int(size)
            counted += listed
            try:
                found = lstat(prefix + relative)
            except OSError:
                missing.append(relative)
                continue
            # Root reads also what its owner may not; a program of the owner's fails on it.
            if found.st_size != listed or not found.st_mode & stat.S_IRUSR:
                altered.append(relative)
            elif found.st_mtime_ns != int(mtime):
                touched[relative] = int(mtime)
    except ValueError:
        return Damage(altered=(MANIFEST,))
    # A truncated manifest must not pass for one of intact files.
    if total is not None and counted != total:
        altered.append(MANIFEST)
    if touched:
        altered += _altered(root, touched, hashes)
    return Damage(missing=tuple(missing), altered=tuple(altered))


def _altered(root: Path, touched: dict[str, int], hashes: str) -> list[str]:
    """Touched files whose content differs; the others get their time back."""
    from tfprov.envs.integrity import recorded

    expected = recorded(root)
    expected.update((path, digest) for digest, _, path in (line.partition(" ") for line in _lines(hashes)))
    # A RECORD that was itself written to proves nothing about the other files.
    if any(_hash(f"{root}/{path}") != expected.get(path) for path in touched if path.endswith(_RECORD)):
        return sorted(touched)
    found = _hashes(root, list(touched))
    wrong = []
    for path, mtime in touched.items():
        if found[path] != expected.get(path):
            wrong.append(path)
        else:
            # A damaged manifest may have any time.
            with contextlib.suppress(OSError, OverflowError):
                _set_time(f"{root}/{path}", mtime)
    return wrong


def _lines(part: str) -> list[str]:
    """The lines of a part of a manifest, each with its path as the system has it."""
    lines = part.split("\n")
    return list(map(of_line, lines)) if "\0" in part else lines


def _set_time(path: str, mtime: int) -> None:
    """Set the time of a file or a link itself; that of a link stays where the system sets none, as on Windows."""
    if os.utime in os.supports_follow_symlinks:
        os.utime(path, ns=(mtime, mtime), follow_symlinks=False)
    elif not os.path.islink(path):  # noqa: PTH114 - as many as there are files
        os.utime(path, ns=(mtime, mtime))


def _hashes(root: Path, paths: list[str]) -> dict[str, str]:
    """Hash of each file or link, by path."""
    from tfprov.envs.integrity import digests

    links = {path for path in paths if os.path.islink(f"{root}/{path}")}  # noqa: PTH114 - as many as there are files
    found = digests(root, [path for path in paths if path not in links], workers=os.cpu_count() or 1)
    return {path: _hash(f"{root}/{path}") if path in links else found[path] for path in paths}


def _hash(path: str) -> str:
    """Hash of a file in the notation of RECORD; for a link, a hash of its target."""
    from tfprov.envs.integrity import digest

    if os.path.islink(path):  # noqa: PTH114 - paths here are text: 20,000 Path objects double the time
        return "link=" + hashlib.sha256(os.fsencode(os.readlink(path))).hexdigest()  # noqa: PTH115 - likewise
    return digest(path)


def _listed(files: Files) -> list[str]:
    """The files that a manifest lists: all but bytecode, the seal and the manifest itself."""
    return [
        path
        for path in files
        if path not in (SEAL, MANIFEST) and "/__pycache__/" not in path and not path.startswith("__pycache__/")
    ]
