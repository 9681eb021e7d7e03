"""RECORD, the list of files that every installed project has: text of whoever made the package.

A row may be of any shape, and its path may lead anywhere. Whoever makes a file name of a path asks `is_below` first.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tfprov.contents import content_of


class Row(NamedTuple):
    """A file that came with a project.

    Attributes:
        path: as the list has it, with forward slashes; relative to the folder of the packages, if nobody lied.
        digest: `sha256=…` or the like; empty where there is none.
        size: in bytes, as digits; empty where there is none.
    """

    path: str
    digest: str
    size: str


def rows_of(text: str) -> Iterator[Row]:
    """The rows of a RECORD. What is none is passed over: the other rows are good for all that."""
    reader = csv.reader(text.splitlines())
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
    """The rows of the RECORD in a folder of metadata; none where it cannot be read."""
    try:
        text = content_of(metadata / "RECORD").decode("utf-8", "surrogateescape")
    except OSError:
        return
    yield from rows_of(text)


def is_below(path: str) -> bool:
    """Whether the path of a row names a file below the folder of the packages, as far as its words tell."""
    return path[:1] != "/" and path[1:2] != ":" and (".." not in path or ".." not in path.split("/"))
