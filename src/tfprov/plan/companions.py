"""What is known to break beside TensorFlow, keyed on the packages that break: the rows of data/companions.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tfprov.structured import toml_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A package that does not work with what a resolver would take beside it.

    Attributes:
        package: normalised name.
        versions: of it, that break: a PEP 440 range.
        requires: PEP 508 line that must hold then.
        why: fit to stand behind the package's name.
        source: what shows it.
        adds: whether the line is a requirement, because nothing else may ask for that package; else it is a bound.
    """

    package: str
    versions: str
    requires: str
    why: str
    source: str
    adds: bool = False


@lru_cache(maxsize=1)
def known_breaks() -> tuple[Break, ...]:
    """The rows that come with tfprov."""
    text = resources.files("tfprov.plan").joinpath("data/companions.toml").read_text(encoding="utf-8")
    return tuple(Break(**row) for row in toml_of(text)["row"])


def breaks_in(versions: Mapping[str, str], rows: tuple[Break, ...] | None = None) -> tuple[Break, ...]:
    """The rows that a closure needs and does not fulfil.

    Args:
        versions: of the closure, by normalised name.
        rows: known breaks; those that come with tfprov when None.
    """
    found = []
    for row in known_breaks() if rows is None else rows:
        version, needed = versions.get(row.package), Requirement(row.requires)
        if version is None or not SpecifierSet(row.versions).contains(version, prereleases=True):
            continue
        other = versions.get(canonicalize_name(needed.name))
        # A bound on what is not there binds nothing.
        met = not row.adds if other is None else needed.specifier.contains(other, prereleases=True)
        if not met:
            found.append(row)
    return tuple(found)
