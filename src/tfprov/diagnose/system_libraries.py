"""Looks up which package of a Linux distribution contains a shared library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from tfprov.structured import toml_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """The packages that contain a library.

    Attributes:
        debian: package of Debian and Ubuntu.
        fedora: package of Fedora and RHEL.
        instead: an alternative without a system package, for messages; empty when there is none.
    """

    debian: str
    fedora: str
    instead: str = ""


def providers(library: str) -> Providers | None:
    """The packages that contain a library; None for one that is not in the table.

    Args:
        library: name of its file (`libGL.so.1`).
    """
    return next((row for start, row in _table().items() if _is_of(library, start)), None)


def _is_of(library: str, start: str) -> bool:
    return library.startswith((f"{start}.", f"{start}-")) or library == start


@cache
def _table() -> Mapping[str, Providers]:
    text = files("tfprov.diagnose").joinpath("system_libraries.toml").read_text(encoding="utf-8")
    rows: Mapping[str, Mapping[str, str]] = toml_of(text)
    return {start: Providers(**row) for start, row in rows.items()}
