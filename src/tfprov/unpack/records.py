"""What unpacking knows of wheels and of what became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

from tfprov.errors import TfprovError


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A whole wheel on disk.

    Attributes:
        path: under its wheel name.
        sha256: that the lock names. Whether the file has it is found out while it is unpacked.
    """

    path: Path
    sha256: str


class ArchiveMember(NamedTuple):
    """A file in an archive. There are 16,000 in TensorFlow's wheel.

    Attributes:
        name: with forward slashes, relative, inside the folder that it is unpacked to.
        offset: of its local header.
        deflated: whether it is compressed.
        crc: of its content.
        packed: bytes in the archive.
        size: bytes of its content.
        executable: whether it may be run.
    """

    name: str
    offset: int
    deflated: bool
    crc: int
    packed: int
    size: int
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A wheel, unpacked.

    Attributes:
        sha256: of the wheel.
        root: the folder of its files. They may be linked to, and never written to.
        files: their paths relative to it, with forward slashes.
    """

    sha256: str
    root: Path
    files: tuple[str, ...]


Landed: TypeAlias = Callable[[Path, Iterable[str]], None]
"""Hears, in any thread, of files that are whole: the folder that their wheel is unpacked to, and paths relative to it.

The hash of the wheel may not have been checked yet. When it has, all its files are told of, in the folder of its tree.
"""


def broken(wheel: str, why: str) -> TfprovError:
    """The failure of a wheel whose archive is not as it has to be.

    Args:
        wheel: its file name.
        why: what is wrong with it.
    """
    return TfprovError(
        "cache-corrupt",
        f"`{wheel}` cannot be unpacked",
        evidence=(why,),
        hint="run again; if it fails alike, the wheel itself is broken: choose another version of the package",
    )
