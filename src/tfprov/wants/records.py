"""Records of what files request, each with its place in a file."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """The system that files are read for, which need not be this one: some packages exist for one system only.

    Attributes:
        name: value of the marker variable `sys_platform` there.
        machine: its architecture, in lower case, as `platform.machine()` has it there.
    """

    name: str = sys.platform
    machine: str = field(default_factory=lambda: platform.machine().lower())

    @property
    def conda_name(self) -> str:
        """The name that conda has for it: `linux-64`."""
        name = {"darwin": "osx", "win32": "win"}.get(self.name, self.name)
        return f"{name}-{'64' if self.machine in ('x86_64', 'amd64') else self.machine}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """One item that a file requests.

    Attributes:
        text: a PEP 508 requirement, a version range of Python, a conda spec or a project name, depending on the field
            of `Wants` that holds it.
        where: `requirements.txt:4`, or the file and the key.
        hashes: SHA-256 of the files that may be installed for it, hexadecimal; empty when any file may.
    """

    text: str
    where: str
    hashes: tuple[str, ...] = ()


AddressKind = Literal["index", "extra", "find-links", "only"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A source of packages.

    Attributes:
        kind: `index` replaces the default index, `extra` is one more index, `find-links` a folder or page with wheels;
            `only` is the index that a single project must come from.
        url: an address, or the absolute path of a folder.
        where: as in `Want`.
        project: of `only`, as it is written; empty for the other kinds.
    """

    kind: AddressKind
    url: str
    where: str
    project: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectParts:
    """The parts of a project to include besides its dependencies.

    Attributes:
        extras: optional dependencies, by name.
        groups: dependency groups, by name.
    """

    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalProject:
    """A requested project in a local folder.

    Attributes:
        name: of the project, normalised.
        path: of the folder, absolute.
        kind: installed as a wheel, as an editable, or only the dependencies of the project.
        state: digest of the folder, which changes when the environment may need an update.
    """

    name: str
    path: str
    kind: Literal["wheel", "editable", "dependencies"]
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wants:
    """Everything that files request.

    Attributes:
        requirements: to be installed.
        constraints: bounds that apply if another requirement brings the project.
        preferences: versions to use where they fit, as `name==version`.
        overrides: replace the requirements that packages declare.
        excluded: names of projects that are never installed.
        no_binary: names of projects that are built from source although they have wheels.
        only_binary: names of projects that are not built, or `:all:`.
        prereleases: where pre-releases are asked for; empty where they count only if a version names one.
        python: version ranges, all of which apply.
        conda: conda specs.
        channels: of conda, most important first.
        addresses: sources of packages.
        folders: the projects among the requirements that are local folders.
        notes: what was left out or interpreted differently from what the file says, as `place: sentence`.
        problems: mistakes, as `place: what, why, and what to write instead`.
        misnamed: those of the problems that are about the name of a package.
        absent: those of the problems that are about a missing file.
        included: absolute paths of files that were read because another file includes them. They are not requested
            themselves, and so not part of any digest.
    """

    requirements: tuple[Want, ...] = ()
    constraints: tuple[Want, ...] = ()
    preferences: tuple[Want, ...] = ()
    overrides: tuple[Want, ...] = ()
    excluded: tuple[Want, ...] = ()
    # Not in `repr`, from which the digests of profiles are made, and those of older ones must stay.
    no_binary: tuple[Want, ...] = field(default=(), repr=False)
    only_binary: tuple[Want, ...] = field(default=(), repr=False)
    prereleases: tuple[Want, ...] = field(default=(), repr=False)
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
    """Merge the wants of several files, in order and without duplicates."""
    parts = tuple(parts)
    return Wants(
        **{
            each.name: tuple(dict.fromkeys(one for part in parts for one in getattr(part, each.name)))
            for each in fields(Wants)
        }
    )
