"""Known incompatibilities of packages beside TensorFlow, by the package that breaks (data/companions.toml)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import resources
from types import MappingProxyType

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tfprov.distributions import TENSORFLOWS, kind_of
from tfprov.plan.records import Constraint, Decision, RequiredVariable
from tfprov.plan.versions import published
from tfprov.structured import toml_of, version_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A package that does not work together with what a resolver would choose.

    Attributes:
        package: normalised name.
        versions: PEP 440 range of its versions that break; it ends before a release that fixes it.
        requires: PEP 508 line that must then hold; empty where only variables are needed. A bound on `tensorflow`
            applies to TensorFlow under any of its names.
        why: the reason, worded to follow the package's name.
        source: evidence.
        since: the version that introduced the incompatibility: `numpy 2.0`, `TensorFlow 2.16`.
        adds: whether the line is a requirement, because no other package may depend on that project; else it is a
            bound.
        beside: PEP 508 line of another package that must be present for it to break; empty for none.
        python: PEP 440 range of Pythons on which it breaks; empty for all.
        variables: environment variables that it then needs, by name.
        leaves_out: whether to leave out the package itself, because `beside` provides the same modules.
        instead: what to ask for instead, where no version of it works and the profile is refused; empty otherwise.
    """

    package: str
    versions: str
    why: str
    source: str
    since: str
    requires: str = ""
    adds: bool = False
    beside: str = ""
    python: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    leaves_out: bool = False
    instead: str = ""

    def holds(self, versions: Mapping[str, str], python: str = "") -> bool:
        """Whether a row applies to a set of packages.

        Args:
            versions: the whole set, by normalised name.
            python: version of its Python; empty where that is unknown, and then a row for certain Pythons does not
                apply.
        """
        return (
            _within(_version(self.package, versions), self.versions)
            and (not self.beside or _is_in(Requirement(self.beside), versions))
            and (not self.python or bool(python and _within(python, self.python)))
        )

    def is_spent(self, versions: Mapping[str, str]) -> bool:
        """Whether the package that it breaks with has left the set, although this row cannot have caused that."""
        if not self.beside or _is_in(Requirement(self.beside), versions):
            return False
        # A bound on another package may itself have removed it.
        return self.adds or (bool(self.requires) and canonicalize_name(Requirement(self.requires).name) == self.package)

    def is_met(self, versions: Mapping[str, str]) -> bool:
        """Whether a set of packages satisfies the line."""
        if not self.requires:
            # A package that was left out is not in the set, and then the row does not apply.
            return not (self.leaves_out or self.instead)
        needed = Requirement(self.requires)
        # A bound on a package that is not in the set has no effect.
        if _version(canonicalize_name(needed.name), versions) is None:
            return not self.adds
        return _is_in(needed, versions)

    def __str__(self) -> str:
        if self.leaves_out:
            return f"`{self.package}` is left out beside `{self.beside}`: {self.why}"
        if self.instead:
            return f"`{self.package}` does not work with `{self.beside}`: {self.why}"
        needs = (self.requires, *(f"{name}={value}" for name, value in self.variables.items()))
        return f"`{self.package}` needs {' and '.join(f'`{each}`' for each in needs if each)}: {self.why}"


@lru_cache(maxsize=1)
def known_breaks() -> tuple[Break, ...]:
    """The rows that tfprov ships."""
    text = resources.files("tfprov.plan").joinpath("data/companions.toml").read_text(encoding="utf-8")
    return tuple(Break(**row) for row in toml_of(text)["row"])


def breaks_in(
    versions: Mapping[str, str], rows: tuple[Break, ...] | None = None, *, python: str = ""
) -> tuple[Break, ...]:
    """The rows that apply to a set of packages and are not satisfied.

    Args:
        versions: the whole set, by normalised name.
        rows: known incompatibilities; those that tfprov ships when None.
        python: version of its Python; empty where that is unknown.
    """
    return tuple(row for row in holding(versions, rows, python=python) if not row.is_met(versions))


def overruling(row: Break, asked: Iterable[str]) -> str | None:
    """The requirement that pins a version which the line of a row excludes; None for none.

    A user who pins a version may know better, so that a break is only reported. TensorFlow is chosen for the packages.
    """
    needed = Requirement(row.requires) if row.requires else None
    if needed is None or kind_of(needed.name) is not None:
        return None
    for line in asked:
        requirement = Requirement(line)
        if requirement.marker is None and canonicalize_name(requirement.name) == canonicalize_name(needed.name):
            pin = re.fullmatch(r"===?(?P<version>[^*,]+)", str(requirement.specifier))
            if pin and not _within(pin["version"], str(needed.specifier)):
                return line
    return None


def to_apply(rows: Sequence[Break]) -> tuple[Break, ...]:
    """Of the rows that are not satisfied, those to apply before the packages are resolved again.

    Rows that change the version of the package itself come first: another version may have other dependencies, whose
    own rows are not known yet.
    """
    own = tuple(
        row for row in rows if row.requires and canonicalize_name(Requirement(row.requires).name) == row.package
    )
    return own or tuple(rows)


def sparing(rows: Sequence[Break], asked: Collection[str]) -> tuple[Break, ...]:
    """The rows, changed where they would leave out the only one of two packages that the user asked for.

    Such a row leaves out the other package with the same modules instead.

    Args:
        rows: known incompatibilities.
        asked: normalised names of the requested packages.
    """
    found = []
    for row in rows:
        other = canonicalize_name(Requirement(row.beside).name) if row.leaves_out else ""
        is_turned = row.leaves_out and row.package in asked and other not in asked
        found.append(replace(row, package=other, beside=row.package, versions=">=0") if is_turned else row)
    return tuple(found)


def holding(
    versions: Mapping[str, str], rows: tuple[Break, ...] | None = None, *, python: str = ""
) -> tuple[Break, ...]:
    """The rows that apply to a set of packages, satisfied or not; see `breaks_in`.

    With the rows that tfprov ships, packages whose published TensorFlow range excludes the one in the set count as
    well.
    """
    given = (*known_breaks(), *_unpaired(versions)) if rows is None else rows
    return tuple(row for row in given if row.holds(versions, python))


def _unpaired(versions: Mapping[str, str]) -> Iterator[Break]:
    """Packages in the set that do not work with its TensorFlow, although an older version does.

    A resolver cannot see that where it is not in the metadata but checked during import.
    """
    release = release_in(versions)
    for name, version in versions.items() if release else ():
        rows = () if kind_of(name) is not None else published(name)
        taken = next((row for row in rows if row.version == version_in(version)), None)
        if release is None or taken is None or taken.tensorflow is None or _within(release, taken.tensorflow):
            continue
        older = [row for row in rows if row.version < taken.version and not row.version.is_prerelease]
        fitting = [row for row in older if row.tensorflow is not None and _within(release, row.tensorflow)]
        if fitting:
            newest = fitting[-1].version
            yield Break(
                package=name,
                versions=f">{newest}",
                beside=f"tensorflow=={release}",
                requires=f"{name}<={newest}",
                why=f"{version} goes with TensorFlow `{taken.tensorflow}`",
                since=f"{name} {version}",
                source="data/versions.json",
            )


def newer_than_known(versions: Mapping[str, str], *, python: str) -> tuple[Break, ...]:
    """The rows that would apply to a set of packages if the package were the newest version in the table.

    Args:
        versions: the whole set, by normalised name.
        python: version of its Python.
    """
    found = []
    for row in known_breaks():
        version = _version(row.package, versions)
        # The bound of a `<` is a version that is known to work; that of a `<=` is only the newest known one.
        known = re.fullmatch(r"<=([^,]+)", row.versions)
        there = None if version is None else version_in(version)
        if there is None or known is None or there <= Version(known[1]):
            continue
        if row.holds({**versions, row.package: known[1]}, python) and not row.is_met(versions):
            found.append(row)
    return tuple(found)


PYTHON = "python"
"""Name in a bound that applies to the interpreter."""
# Projects that packages import without depending on them, so that a bound must add them; and the variables that they
# need.
_NOT_ASKED_FOR: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"setuptools": {}, "tf-keras": {"TF_USE_LEGACY_KERAS": "1"}}
)


def constraints_of(bounds: Sequence[str]) -> tuple[str, ...]:
    """Bounds in the form for a resolver: one for each name of TensorFlow, without those on the interpreter."""
    needed = (Requirement(line) for line in bounds)
    return tuple(line for each in needed if each.name != PYTHON and each.specifier for line in _lines(each))


def brought_by(bounds: Sequence[str]) -> tuple[Constraint, ...]:
    """The bounds that must also be requirements, because no other package may depend on those projects."""
    added = {Requirement(row.requires).name for row in known_breaks() if row.adds}.union(_NOT_ASKED_FOR)
    return tuple(
        Constraint(requirement=line, why="the smoke test requires it")
        for line in bounds
        if Requirement(line).name in added
    )


def variables_for(bounds: Sequence[str]) -> dict[str, str]:
    """The environment variables that are needed with some bounds."""
    return {name: value for line in bounds for name, value in _NOT_ASKED_FOR.get(Requirement(line).name, {}).items()}


def of_python(rows: Sequence[Break], python: str) -> tuple[Break, ...]:
    """The rows that apply on a Python."""
    return tuple(row for row in rows if not row.python or _within(python, row.python))


def settings(rows: Sequence[Break]) -> tuple[RequiredVariable, ...]:
    """The environment variables that some rows need; the first row that sets a variable counts."""
    found: dict[str, RequiredVariable] = {}
    for row in rows:
        for name, value in row.variables.items():
            found.setdefault(name, RequiredVariable(name=name, value=value, why=f"`{row.package}`: {row.why}"))
    return tuple(found.values())


def with_breaks(decision: Decision, rows: Sequence[Break]) -> Decision:
    """The decision, with further rows applied."""
    bounds = [
        Constraint(requirement=line, why=f"`{row.package}`: {row.why}")
        for row in rows
        if row.requires and not row.adds
        for line in _lines(Requirement(row.requires))
    ]
    also = [Constraint(requirement=row.requires, why=f"`{row.package}`: {row.why}") for row in rows if row.adds]
    without = [
        Constraint(requirement=row.package, why=f"beside `{row.beside}`: {row.why}") for row in rows if row.leaves_out
    ]
    return replace(
        decision,
        without=tuple(dict.fromkeys((*decision.without, *without))),
        constraints=tuple(dict.fromkeys((*decision.constraints, *bounds))),
        also=tuple(dict.fromkeys((*decision.also, *also))),
    )


def _lines(needed: Requirement) -> tuple[str, ...]:
    """A bound, once for each name under which the project may be installed."""
    if needed.name != "tensorflow":
        return (str(needed),)
    return tuple(f"{name}{needed.specifier}" for name, kind in TENSORFLOWS.items() if kind == "release")


def _is_in(needed: Requirement, versions: Mapping[str, str]) -> bool:
    return _within(_version(canonicalize_name(needed.name), versions), str(needed.specifier))


def release_in(versions: Mapping[str, str]) -> str | None:
    """The version of TensorFlow in a set of packages, under any of its names; None without one."""
    return _version("tensorflow", versions)


def _version(name: str, versions: Mapping[str, str]) -> str | None:
    if name != "tensorflow" or name in versions:
        return versions.get(name)
    # The version of whichever build of TensorFlow is there; a part of a release has the version of the whole.
    return next((version for other, version in versions.items() if kind_of(other) is not None), None)


def _within(version: str | None, bounds: str) -> bool:
    return version is not None and SpecifierSet(bounds).contains(version, prereleases=True)
