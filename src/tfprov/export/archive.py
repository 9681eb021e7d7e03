"""Writes a tree as a tar archive. The same tree gives the same bytes, on any machine and at any time."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from tfprov.export.tree import MOMENT, TreeMember


class _Hashing:
    """A stream that hashes what is written to it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.size += len(data)
        return self._stream.write(data)


def write(target: Path, tree: Iterable[TreeMember], *, packed: bool = False) -> tuple[str, int]:
    """Write an archive.

    Args:
        target: the file.
        tree: its members, folders before their content.
        packed: whether to compress it with gzip.

    Returns:
        SHA-256 and size of the archive.

    Raises:
        OSError: the disk is full, or a file has disappeared.
    """
    with target.open("wb") as raw:
        hashing = _Hashing(raw)
        if packed:
            with gzip.GzipFile(filename="", mode="wb", fileobj=hashing, mtime=0, compresslevel=6) as stream:  # type: ignore[call-overload]  # it needs nothing but `write`
                _write(stream, tree)
        else:
            _write(hashing, tree)
    return hashing.digest.hexdigest(), hashing.size


def _write(stream: object, tree: Iterable[TreeMember]) -> None:
    # In stream mode tarfile needs only `write`, and looks up nothing on this machine.
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]  # likewise
        for one in tree:
            member = tarfile.TarInfo(one.path)
            member.mtime = MOMENT
            member.mode = 0o755 if one.executable or one.is_folder else 0o644
            if one.is_folder:
                member.type = tarfile.DIRTYPE
                archive.addfile(member)
            elif one.link:
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, one.link, 0o777
                archive.addfile(member)
            elif one.source is None:
                member.size = len(one.data)
                archive.addfile(member, io.BytesIO(one.data))
            else:
                with one.source.open("rb") as content:
                    member.size = one.source.stat().st_size
                    archive.addfile(member, content)
