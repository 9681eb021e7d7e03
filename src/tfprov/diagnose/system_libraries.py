"""Which package of the operating system brings a library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from tfprov.structured import toml_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """Packages that bring a library.

    Attributes:
        debian: package of Debian and Ubuntu.
        fedora: package of Fedora and RHEL.
        instead: a way that needs none of them; empty where there is none.
    """

    debian: str
    fedora: str
    instead: str = ""


def providers(library: str) -> Providers | None:
    """The packages that bring a library; None for one that the table does not know.

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
