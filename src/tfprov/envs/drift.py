"""What was installed into a sealed generation, or taken out of it, by hand: one look at its folders of packages.

The names of the folders say it, as pip and uv write them; no file is read but the list of what was verified. Imports
nothing that a run with nothing to do would have to load for it.
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
from tfprov.envs.layout import site_packages
from tfprov.envs.manifest import MANIFEST

_NEEDS = re.compile(r"^Requires-Dist: *([A-Za-z0-9._-]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How the packages of a generation differ from those that were verified.

    Attributes:
        before: versions by normalised name, as they were verified.
        now: as they are.
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
        """Whether all that was verified is there as it was."""
        return self.before.items() <= self.now.items()

    @property
    def wanted(self) -> tuple[str, ...]:
        """Requirements that bring what came or has another version."""
        return tuple(f"{name}=={version}" for name, version in sorted(self.now.items() - self.before.items()))


def drift(root: Path) -> Drift:
    """How a sealed generation differs; nothing differs where its list cannot be read, which others notice."""
    try:
        text = content_of(root / MANIFEST).partition(b"\n\n")[0]
    except OSError:
        return Drift(before={}, now={})
    before = _versions(
        _listed(text, b"/site-packages/", b".dist-info/METADATA"), conda=_listed(text, b" conda-meta/", b".json")
    )
    names, records = [], []
    for library in site_packages(root):
        # A folder that pip was about to remove (`~umpy…`), or that lost its metadata, is damage and no package.
        found = [name.removesuffix(".dist-info") for name in _names(library) if name.endswith(".dist-info")]
        names += [one for one in found if (library / f"{one}.dist-info" / "METADATA").exists() and one[0] != "~"]
    with contextlib.suppress(FileNotFoundError):
        records += [name.removesuffix(".json") for name in _names(root / "conda-meta") if name.endswith(".json")]
    return Drift(before=before, now=_versions(names, conda=records))


def _listed(text: bytes, folder: bytes, end: bytes) -> Iterator[str]:
    """What stands between the two in lines of the list. Not by a pattern, which tries each of 20,000 lines."""
    for before in (text + b"\n").split(end + b"\n")[:-1]:
        name = before.rpartition(folder)[2]
        if b"/" not in name and b"\n" not in name:
            yield os.fsdecode(name)


def needed_by_others(root: Path, names: Collection[str]) -> frozenset[str]:
    """Those of some projects, by normalised name, that another of them depends on."""
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
