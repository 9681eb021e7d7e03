"""What files ask for, each with the place where it is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """One thing that a file asks for.

    Attributes:
        text: a PEP 508 requirement; a version range of Python, a conda package or a name, as its place in `Wants` says.
        where: `requirements.txt:4`, or the file and the key.
        hashes: SHA-256 of the files that may be installed for it, hexadecimal; empty when any file may.
    """

    text: str
    where: str
    hashes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A place to take packages from.

    Attributes:
        kind: the index instead of the usual one, one more index, or a folder or page with wheels.
        url: an address, or the absolute path of a folder.
        where: as in `Want`.
    """

    kind: Literal["index", "extra", "find-links"]
    url: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectParts:
    """Which parts of a project are wanted beside its dependencies.

    Attributes:
        extras: optional dependencies, by name.
        groups: dependency groups, by name.
    """

    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalProject:
    """A project in a folder of this machine that is asked for.

    Attributes:
        name: of the project, normalised.
        path: absolute.
        kind: installed as a wheel; as a link to the folder; or only what the project depends on.
        state: changes when the environment may have to follow the folder.
    """

    name: str
    path: str
    kind: Literal["wheel", "editable", "dependencies"]
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wants:
    """Everything that files ask for.

    Attributes:
        requirements: what is to be installed.
        constraints: bounds for what something else asks for.
        preferences: versions to take where they fit, as `name==version`.
        overrides: taken instead of what packages ask for.
        excluded: names of projects that are never installed.
        python: version ranges; all of them hold.
        conda: conda packages.
        channels: of conda, most important first.
        addresses: where packages are to be taken from.
        folders: the projects among the requirements that lie in folders here.
        notes: what was read in another way than it is written, a sentence each.
        problems: what cannot be done, `place: what, why, and what to write instead`.
        misnamed: those of the problems that are about the name of a package.
        absent: those of the problems that are about a file which is not there.
        included: files that were read because another one names them, absolute. They are no part of what is asked for,
            and so of no digest.
    """

    requirements: tuple[Want, ...] = ()
    constraints: tuple[Want, ...] = ()
    preferences: tuple[Want, ...] = ()
    overrides: tuple[Want, ...] = ()
    excluded: tuple[Want, ...] = ()
    python: tuple[Want, ...] = ()
    conda: tuple[Want, ...] = ()
    channels: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    folders: tuple[LocalProject, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    misnamed: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    included: tuple[str, ...] = field(default=(), repr=False)


def together(parts: Iterable[Wants]) -> Wants:
    """What several files ask for together, in order; what two of them say alike counts once."""
    parts = tuple(parts)
    return Wants(
        **{
            each.name: tuple(dict.fromkeys(one for part in parts for one in getattr(part, each.name)))
            for each in fields(Wants)
        }
    )
