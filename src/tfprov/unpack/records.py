"""Records of wheels, their members and their unpacked trees."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

from tfprov.errors import TfprovError


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A complete wheel on disk.

    Attributes:
        path: its path, under its wheel name.
        sha256: hash in the lock. It is verified while the wheel is unpacked.
    """

    path: Path
    sha256: str


class ArchiveMember(NamedTuple):
    """A file in an archive. A tuple, because TensorFlow's wheel has 16,000 of them.

    Attributes:
        name: relative path with forward slashes, inside the folder that it is unpacked into.
        offset: offset of its local header.
        deflated: whether it is compressed.
        crc: CRC of its content.
        packed: compressed size in bytes.
        size: uncompressed size in bytes.
        executable: whether it is executable.
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
    """An unpacked wheel.

    Attributes:
        sha256: hash of the wheel.
        root: folder of its files, which may be linked to but never written to.
        files: their paths relative to it, with forward slashes.
    """

    sha256: str
    root: Path
    files: tuple[str, ...]


Landed: TypeAlias = Callable[[Path, Iterable[str]], None]
"""Called, from any thread, when files are complete: with the folder that their wheel is unpacked into, and their paths.

The hash of the wheel may not have been verified yet. Once it has, all its files are reported in the folder of its tree.
"""


def broken(wheel: str, why: str) -> TfprovError:
    """The error for a wheel that is not a valid archive.

    Args:
        wheel: its file name.
        why: what is wrong with it.
    """
    return TfprovError(
        "cache-corrupt",
        f"`{wheel}` cannot be unpacked",
        evidence=(why,),
        hint="run again; if it fails the same way, the wheel itself is broken: choose another version of the package",
    )
