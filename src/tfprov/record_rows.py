"""RECORD, the list of files of an installed distribution: its rows, and how to read it as untrusted text.

A row may have any shape, and its path may lead anywhere: check it with `is_below` before using it as a file name.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tfprov.contents import content_of


class Row(NamedTuple):
    """A file of an installed distribution.

    Attributes:
        path: as in RECORD, with forward slashes; relative to site-packages in a valid one.
        digest: `sha256=…` or similar; empty where there is none.
        size: in bytes, as digits; empty where there is none.
    """

    path: str
    digest: str
    size: str


def row_of(path: str, content: bytes) -> Row:
    """The row of a file with this content."""
    return Row(path, written(hashlib.sha256(content).digest()), str(len(content)))


def written(sha256: bytes) -> str:
    """A SHA-256 in the notation of RECORD, `sha256=…`."""
    return "sha256=" + base64.urlsafe_b64encode(sha256).decode().rstrip("=")


def rows_of(text: str) -> Iterator[Row]:
    """The rows of a RECORD. Malformed rows are skipped: the others are still of use."""
    # Not `splitlines`, which takes more characters for line ends than a RECORD has: they may be in file names.
    reader = csv.reader(io.StringIO(text, newline=""))
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            continue
        path, digest, size = (*cells, "", "", "")[:3]
        if path and "\0" not in path:
            yield Row(path.replace("\\", "/"), digest, size)


def rows_in(metadata: Path) -> Iterator[Row]:
    """The rows of the RECORD in a metadata folder (`*.dist-info`); none where it cannot be read."""
    try:
        text = content_of(metadata / "RECORD").decode("utf-8", "surrogateescape")
    except OSError:
        return
    yield from rows_of(text)


def is_below(path: str) -> bool:
    """Whether the path of a row is below site-packages, judged by its text alone."""
    return path[:1] != "/" and path[1:2] != ":" and (".." not in path or ".." not in path.split("/"))
