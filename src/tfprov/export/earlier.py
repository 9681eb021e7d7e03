"""Recognises exports that earlier runs wrote, such as one that was killed after its export was in place."""

from __future__ import annotations

import contextlib
import filecmp
import tarfile
from pathlib import Path

from tfprov.archives import damage
from tfprov.contents import regular
from tfprov.export import oci
from tfprov.export.tree import MOMENT

_SQUASHFS = b"hsqs"


def looks_exported(path: Path) -> bool:
    """Whether there may be an export at a path, from its first bytes: that is, whether it is worth a comparison."""
    if path.is_symlink():
        return False
    if path.is_dir():
        return any(path.iterdir()) and not oci.foreign(path)
    with contextlib.suppress(OSError, *damage()), regular(path) as stream:
        head = stream.read(12)  # of a file system: its magic number, its number of inodes, its time
        if head.startswith(_SQUASHFS):
            return int.from_bytes(head[8:], "little") == MOMENT
        stream.seek(0)
        with tarfile.open(fileobj=stream, mode="r:gz" if head.startswith(b"\x1f\x8b") else "r:") as archive:
            first = archive.next()
            return first is not None and first.mtime == MOMENT
    return False


def is_same(one: Path, other: Path) -> bool:
    """Whether two files, or two folders with everything in them, have the same content.

    Raises:
        OSError: one of them cannot be read.
    """
    if one.is_dir() is not other.is_dir():
        return False
    if not one.is_dir():
        return filecmp.cmp(one, other, shallow=False)
    names = [sorted(path.relative_to(each) for path in each.rglob("*")) for each in (one, other)]
    return names[0] == names[1] and all(
        filecmp.cmp(one / name, other / name, shallow=False) for name in names[0] if not (one / name).is_dir()
    )
