"""SHA-256 of files and texts."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import BinaryIO

from tfprov.contents import regular

_BUFFER = 1024 * 1024


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with regular(path) as stream:
        return sha256_of_stream(stream)


def sha256_of_stream(stream: BinaryIO) -> str:
    """Hexadecimal SHA-256 of the rest of a stream."""
    # hashlib.file_digest is newer than Python 3.10.
    digest = hashlib.sha256()
    while chunk := stream.read(_BUFFER):
        digest.update(chunk)
    return digest.hexdigest()


def bytes_of(text: str) -> bytes:
    """UTF-8 of a text with paths, for a digest; also where a name is not Unicode.

    Bytes that are not UTF-8 (POSIX) and halves of surrogate pairs (Windows) stand for themselves, as in `os.fsencode`.
    """
    return text.encode("utf-8", sys.getfilesystemencodeerrors())
