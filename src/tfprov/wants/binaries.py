"""The choices of files between wheels, sources and pre-releases, as pip's options make them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from packaging.utils import canonicalize_name

from tfprov.distributions import kind_of
from tfprov.wants.records import Want

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_ALL, _NONE = ":all:", ":none:"


@dataclass(slots=True)
class Binaries:
    """Collects the choices of all files that are read together.

    Attributes:
        no: projects to build from source, each with its place.
        only: projects not to build, or `:all:`.
        prereleases: the places that ask for pre-releases, each with the words that do.
    """

    no: dict[str, str] = field(default_factory=dict)
    only: dict[str, str] = field(default_factory=dict)
    prereleases: dict[str, str] = field(default_factory=dict)

    def add(
        self, option: Literal["--no-binary", "--only-binary"], values: str, where: str, *, said: str = ""
    ) -> Iterator[str]:
        """Add the value of an option; as in pip, the last one counts for each project.

        Args:
            option: its name.
            values: names of projects, `:all:` or `:none:`, joined by commas.
            where: its place.
            said: what the file calls the option, for messages; empty where it is the same.

        Yields:
            Why a part of the value is not supported.
        """
        said = said or option
        own, other = (self.no, self.only) if option == "--no-binary" else (self.only, self.no)
        for value in filter(None, map(str.strip, values.split(","))):
            if value == _NONE:
                own.clear()
            elif option == "--no-binary" and (value == _ALL or kind_of(value) is not None):
                better = "name the packages to build" if value == _ALL else "remove the line"
                why = "TensorFlow comes as a wheel, building takes hours"
                yield f"`{said} {value}` is not supported: {why}; {better}"
            elif value == _ALL:
                other.clear()
                own[value] = where
            elif _NAME.fullmatch(value):
                name = str(canonicalize_name(value))
                other.pop(name, None)
                own[name] = where
            else:
                yield f"`{said} {value}`: that is not the name of a project"

    @property
    def wants(self) -> dict[str, tuple[Want, ...]]:
        """The choices as the parts of `Wants` with these names."""
        return {
            "no_binary": tuple(Want(text=name, where=where) for name, where in self.no.items()),
            "only_binary": tuple(Want(text=name, where=where) for name, where in self.only.items()),
            "prereleases": tuple(Want(text=text, where=where) for where, text in self.prereleases.items()),
        }
