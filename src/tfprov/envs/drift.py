"""Finds packages that were installed into a sealed generation, or removed from it, by hand.

The names of its metadata folders, as pip and uv write them, are enough; the only file that is read is the manifest of
the verified packages. Imports as little as possible, because every run with nothing to do loads it.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tfprov.contents import content_of
from tfprov.envs.differences import between
from tfprov.envs.layout import is_metadata, site_packages
from tfprov.envs.manifest import MANIFEST

_NEEDS = re.compile(r"^Requires-Dist: *([A-Za-z0-9._-]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How the packages of a generation differ from those that were verified.

    Attributes:
        before: versions by normalised name, as verified.
        now: versions by normalised name, as installed now.
    """

    before: dict[str, str]
    now: dict[str, str]

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return self.before != self.now

    def __str__(self) -> str:
        return ", ".join(between(self.before, self.now))

    @property
    def only_more(self) -> bool:
        """Whether every verified package is still installed in its verified version."""
        return self.before.items() <= self.now.items()

    @property
    def wanted(self) -> tuple[str, ...]:
        """Exact requirements (`name==version`) for the packages that were added or changed."""
        return tuple(f"{name}=={version}" for name, version in sorted(self.now.items() - self.before.items()))


def drift(root: Path) -> Drift:
    """The drift of a sealed generation; empty if its manifest cannot be read, which other checks report."""
    try:
        text = content_of(root / MANIFEST).partition(b"\n\n")[0]
    except OSError:
        return Drift(before={}, now={})
    before = _versions(
        _listed(text, b"/site-packages/", b".dist-info/METADATA"), conda=_listed(text, b" conda-meta/", b".json")
    )
    names, records = [], []
    for library in site_packages(root):
        # A folder that pip was about to remove (`~umpy…`), or that lost its metadata, is damage and not a package.
        found = [name.removesuffix(".dist-info") for name in _names(library) if is_metadata(name)]
        names += [one for one in found if (library / f"{one}.dist-info" / "METADATA").exists()]
    with contextlib.suppress(FileNotFoundError):
        records += [name.removesuffix(".json") for name in _names(root / "conda-meta") if name.endswith(".json")]
    return Drift(before=before, now=_versions(names, conda=records))


def _listed(text: bytes, folder: bytes, end: bytes) -> Iterator[str]:
    """Names between `folder` and `end` in lines of the manifest. Without a regex, which would try all 20,000 lines."""
    for before in (text + b"\n").split(end + b"\n")[:-1]:
        name = before.rpartition(folder)[2]
        if b"/" not in name and b"\n" not in name:
            yield os.fsdecode(name)


def needed_by_others(root: Path, names: Collection[str]) -> frozenset[str]:
    """Those of the named projects, by normalised name, that another of them requires."""
    found: set[str] = set()
    for library in site_packages(root):
        for metadata in library.glob("*.dist-info/METADATA"):
            owner, _ = _named(metadata.parent.name.removesuffix(".dist-info"))
            if owner in names:
                needs = _NEEDS.findall(metadata.read_text(encoding="utf-8", errors="replace"))
                found |= {_normalised(name) for name in needs} - {owner}
    return frozenset(found & set(names))


def _names(folder: Path) -> list[str]:
    return os.listdir(folder)  # noqa: PTH208 - names alone: half the time


def _versions(stems: Iterable[str], *, conda: Iterable[str] = ()) -> dict[str, str]:
    found = dict(map(_named, stems))
    for stem in conda:
        name, version, *_ = (*stem.rsplit("-", 2), "", "")
        found[name] = version
    return found


def _named(stem: str) -> tuple[str, str]:
    name, _, version = stem.rpartition("-")
    return _normalised(name), version


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
