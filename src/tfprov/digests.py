"""SHA-256 of files."""

from __future__ import annotations

import hashlib
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
