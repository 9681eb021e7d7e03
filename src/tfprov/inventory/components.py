"""The components of an environment, from the metadata of its installed packages."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

from packaging.tags import parse_tag
from packaging.utils import canonicalize_name, parse_wheel_filename

from tfprov.record_rows import rows_in
from tfprov.requires_dist import applies, parsed, values_of

_LONGEST_LICENCE = 120
_SHA256_DIGITS = 64
_CLASSIFIER = "License :: "
# Libraries of the CUDA wheels, and libraries of other projects that are bundled in a wheel.
_LIBRARY = re.compile(r"(?:nvidia/.*lib(?:64)?/|[^/]+\.libs/)(?P<name>[^/]+?)\.so(?:\.[0-9.]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledPackage:
    """An installed package.

    Attributes:
        name: normalised.
        version: from the name of its metadata folder.
        metadata: its metadata folder.
    """

    name: str
    version: str
    metadata: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A shared library inside a wheel.

    Attributes:
        name: without the ending and the version of its interface.
        path: relative to site-packages.
        sha256: hexadecimal; empty if the RECORD has none.
    """

    name: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A package of an environment.

    Attributes:
        name: normalised.
        version: as installed.
        kind: where the name is registered: `pypi` or `conda`.
        summary: one line of description.
        expression: its licence as an SPDX expression; empty if its metadata has none.
        licences: its licence in other words.
        requires: names of the packages that it requires here.
        sha256: hash of the wheel that it was installed from; empty if the lock does not tell.
        libraries: shared libraries in it.
    """

    name: str
    version: str
    kind: str = "pypi"
    summary: str = ""
    expression: str = ""
    licences: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    sha256: str = ""
    libraries: tuple[Library, ...] = ()


def components(
    installed: Iterable[InstalledPackage], *, python_version: str, wheels: Mapping[str, Iterable[tuple[str, str]]]
) -> tuple[Component, ...]:
    """The components of an environment, sorted by name.

    Args:
        installed: its packages.
        python_version: full version of its interpreter.
        wheels: file name and SHA-256 of the wheels that each package may come from, by normalised name.
    """
    packages = list(installed)
    here = {one.name for one in packages}
    marker = values_of(python_version)
    return tuple(_component(one, here, marker, wheels.get(one.name, ())) for one in packages)


def _component(
    one: InstalledPackage, here: set[str], marker: Mapping[str, str], wheels: Iterable[tuple[str, str]]
) -> Component:
    try:
        text = (one.metadata / "METADATA").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    message = HeaderParser().parsestr(text)
    return Component(
        name=one.name,
        version=message.get("Version", one.version).strip(),
        summary=" ".join(message.get("Summary", "").split()),
        expression=message.get("License-Expression", "").strip(),
        licences=tuple(_licences(message)),
        requires=tuple(sorted(set(_requires(message, marker)) & here)),
        sha256=_came_in(one, wheels),
        libraries=tuple(_libraries(one.metadata)),
    )


def _came_in(one: InstalledPackage, wheels: Iterable[tuple[str, str]]) -> str:
    """The hash of the wheel with the tags in the package's metadata; empty if no wheel has them."""
    try:
        text = (one.metadata / "WHEEL").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    lines = HeaderParser().parsestr(text).get_all("Tag") or ()
    try:
        tags = frozenset(tag for line in lines for tag in parse_tag(line.strip()))
    except ValueError:
        return ""
    for name, sha256 in wheels:
        try:
            if parse_wheel_filename(name)[3] == tags:
                return sha256
        except ValueError:
            continue
    return ""


def _licences(message: Message) -> Iterator[str]:
    classifiers = [each for each in message.get_all("Classifier") or () if each.startswith(_CLASSIFIER)]
    names = [each.rpartition(" :: ")[2].strip() for each in classifiers]
    yield from dict.fromkeys(name for name in names if name != "OSI Approved")
    said = (message.get("License") or "").strip()
    # Some put the whole licence text there.
    if not names and said and said.upper() != "UNKNOWN":
        yield " ".join(said.splitlines()[0].split())[:_LONGEST_LICENCE]


def _requires(message: Message, marker: Mapping[str, str]) -> Iterator[str]:
    for wanted in parsed(message.get_all("Requires-Dist") or ()):
        if applies(wanted, marker):
            yield canonicalize_name(wanted.name)


def _libraries(metadata: Path) -> Iterator[Library]:
    for path, digest, _ in rows_in(metadata):
        found = _LIBRARY.fullmatch(path)
        if found:
            yield Library(name=found["name"], path=path, sha256=_as_hex(digest))


def _as_hex(digest: str) -> str:
    """A SHA-256 in the notation of RECORD converted to hexadecimal; empty for another kind of hash."""
    kind, _, value = digest.partition("=")
    try:
        found = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex()
    except ValueError:
        return ""
    return found if kind == "sha256" and len(found) == _SHA256_DIGITS else ""
