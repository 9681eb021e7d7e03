"""The manifest of a sealed generation: its list of files, which is checked before the environment counts as verified.

It has one line for each file, `size mtime path`, then an empty line, then `hash path` for files without a hash in any
RECORD. Every `up` compares sizes and times; it reads contents only where the time differs, so that an edit which kept
the size is found, and a file that was merely touched is not reported. Bytecode comes and goes and is left out.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from tfprov import trees
from tfprov.envs.records import Damage
from tfprov.writing import write_atomic

SEAL = "tfprov.json"
MANIFEST = "tfprov.manifest"
_RECORD = ".dist-info/RECORD"


def write(root: Path) -> int:
    """Write the manifest of an environment, `tfprov.manifest` in its folder; returns the total size in bytes."""
    from tfprov.envs.integrity import recorded

    owned = recorded(root)
    files = sorted(_files(root))
    lines = [f"{found.st_size} {found.st_mtime_ns} {path}" for path, found in files]
    # Commands are rewritten for each place, so the hashes in their RECORD prove nothing.
    hashes = _hashes(root, [path for path, _ in files if path not in owned])
    others = [f"{found} {path}" for path, found in hashes.items()]
    text = "\n".join((*lines, "", *others))
    write_atomic(root / MANIFEST, text.encode("utf-8", "surrogateescape"))
    return sum(found.st_size for _, found in files)


def listed(root: Path) -> tuple[str, ...]:
    """Paths of the files of a sealed environment, relative to it, without bytecode."""
    text = (root / MANIFEST).read_bytes().decode("utf-8", "surrogateescape")
    return tuple(line.split(" ", 2)[2] for line in text.partition("\n\n")[0].split("\n") if line)


def damage(root: Path, *, total: int | None) -> Damage:
    """Missing and altered files of the manifest. Takes some 60 ms; reads contents only where a time differs.

    A file with another time but its old content gets its time back, since bytecode records the time of its source.

    Args:
        root: folder of the environment.
        total: bytes of all files, from the seal; None if it has no total.
    """
    try:
        text = (root / MANIFEST).read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return Damage(missing=(MANIFEST,))
    files, _, hashes = text.partition("\n\n")
    missing, altered = [], []
    touched: dict[str, int] = {}
    prefix = f"{root}/"
    counted = 0
    lstat = os.lstat
    try:
        for line in files.split("\n"):
            size, mtime, relative = line.split(" ", 2)
            listed = int(size)
            counted += listed
            try:
                found = lstat(prefix + relative)
            except OSError:
                missing.append(relative)
                continue
            if found.st_size != listed:
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
    expected.update((path, digest) for digest, _, path in (line.partition(" ") for line in hashes.split("\n")))
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
            with contextlib.suppress(OSError, NotImplementedError, OverflowError):
                os.utime(f"{root}/{path}", ns=(mtime, mtime), follow_symlinks=False)
    return wrong


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


def _files(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Path relative to `root`, with forward slashes, and status of every file except bytecode."""
    base = str(root)
    stack = [""]
    while stack:
        prefix = stack.pop()
        with os.scandir(f"{base}/{prefix}") as entries:
            for entry in entries:
                relative = f"{prefix}/{entry.name}" if prefix else entry.name
                if trees.is_folder(entry):
                    if entry.name != "__pycache__":
                        stack.append(relative)
                elif relative not in (SEAL, MANIFEST):
                    # On Windows, the times in a DirEntry are less precise than those of lstat.
                    yield relative, os.lstat(entry.path)
