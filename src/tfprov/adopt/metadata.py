"""Reads the metadata of an environment's distributions. Nothing is imported and nothing is run."""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path

from packaging.utils import canonicalize_name

from tfprov.adopt.records import DirectUrl, FoundDistribution
from tfprov.contents import content_of
from tfprov.index_address import path_in
from tfprov.record_rows import rows_in
from tfprov.redact import holds_password, without_userinfo
from tfprov.structured import json_of

# pip renames what it is about to delete; what it could not delete keeps that name.
LEFTOVER = re.compile(r"^[~-]")
_EGG = re.compile(r"(?P<name>[A-Za-z0-9._]+?)-(?P<version>[^-]+)(?:-py[\d.]+)?\.egg-info$")
_EDITABLE = re.compile(r"^(?:__editable__\.|__editable___|_)?(?P<name>[A-Za-z0-9._]+?)(?:-[0-9][^/]*)?\.pth$")


def distributions_in(library: Path, root: Path) -> tuple[FoundDistribution, ...]:
    """The distributions in one site-packages folder, sorted by name, without half-removed ones (`~name`).

    Args:
        library: the folder.
        root: folder of the environment; paths of commands are relative to it.
    """
    found = []
    with contextlib.suppress(OSError):
        for path in sorted(library.iterdir()):
            if LEFTOVER.match(path.name):
                continue
            if path.name.endswith(".dist-info") and path.is_dir():
                found.append(_from_wheel(path, root))
            elif (named := _EGG.fullmatch(path.name)) is not None:
                found.append(_from_egg(path, named["name"], named["version"]))
            elif path.name.endswith(".egg-link"):
                found.append(_from_link(path))
    return tuple(sorted(found, key=lambda one: one.name))


def _from_wheel(folder: Path, root: Path) -> FoundDistribution:
    project, _, version = folder.name.removesuffix(".dist-info").rpartition("-")
    head = headers(_text(folder / "METADATA"))
    project, version = head.get("Name", [project])[0], head.get("Version", [version])[0]
    return FoundDistribution(
        name=canonicalize_name(project),
        project=project,
        version=version,
        metadata=folder,
        installer=_text(folder / "INSTALLER").strip(),
        is_requested=os.access(folder / "REQUESTED", os.F_OK),
        requires=tuple(head.get("Requires-Dist", ())),
        tags=tuple(headers(_text(folder / "WHEEL")).get("Tag", ())),
        origin=_origin(_text(folder / "direct_url.json")),
        lacks=tuple(name for name in ("METADATA", "RECORD") if not os.access(folder / name, os.R_OK)),
        commands=tuple(_commands(folder, root)),
    )


def _from_egg(path: Path, project: str, version: str) -> FoundDistribution:
    """A distribution installed by `setup.py install` or by Debian: a folder, or a file with only the metadata."""
    text = _text(path / "PKG-INFO" if path.is_dir() else path)
    head = headers(text)
    lines = _text(path / "requires.txt") if path.is_dir() else ""
    plain = lines.partition("\n[")[0].splitlines() if not lines.startswith("[") else []
    return FoundDistribution(
        name=canonicalize_name(project),
        project=head.get("Name", [project])[0],
        version=head.get("Version", [version])[0],
        metadata=path,
        requires=(*head.get("Requires-Dist", ()), *(line.strip() for line in plain if line.strip())),
        lacks=() if text else ("METADATA",),
    )


def _from_link(path: Path) -> FoundDistribution:
    """A distribution installed by `setup.py develop`: a file that names the folder of the project."""
    lines = _text(path).splitlines()
    folder = Path(lines[0].strip()) if lines else path.parent
    project = path.name.removesuffix(".egg-link")
    told = next(iter(sorted(folder.glob("*.egg-info"))), None) if folder.is_dir() else None
    known = _from_egg(told, project, "") if told is not None else None
    return FoundDistribution(
        name=canonicalize_name(project),
        project=project,
        version=known.version if known else "",
        metadata=path,
        requires=known.requires if known else (),
        origin=DirectUrl(url=folder.as_uri() if folder.is_absolute() else str(folder), path=folder, is_editable=True),
    )


def _origin(text: str) -> DirectUrl | None:
    """The content of a `direct_url.json`; None if there is none, or it cannot be read."""
    try:
        told = json_of(text)
        url = str(told["url"])
        place = path_in(url)
    except (ValueError, KeyError, TypeError):
        return None
    folder, repository = told.get("dir_info"), told.get("vcs_info")
    path = None if place is None else Path(place)
    clean = without_userinfo(url) if holds_password(url) else url
    if isinstance(repository, dict):
        return DirectUrl(
            url=f"{repository.get('vcs', 'git')}+{clean}",
            commit=str(repository.get("commit_id", "")),
            subdirectory=str(told.get("subdirectory", "")),
        )
    editable = isinstance(folder, dict) and bool(folder.get("editable"))
    return DirectUrl(url=clean, path=path, is_editable=editable)


def headers(text: str) -> dict[str, list[str]]:
    """The header fields of a metadata file, by name."""
    found: dict[str, list[str]] = {}
    for name, value in HeaderParser().parsestr(text).items():
        found.setdefault(name, []).append(" ".join(str(value).split()))
    return found


def recorded(folder: Path) -> Iterator[str]:
    """The paths in a RECORD, relative to site-packages."""
    for row in rows_in(folder):
        yield row.path


def _commands(folder: Path, root: Path) -> Iterator[str]:
    try:
        library = folder.parent.relative_to(root).as_posix()
    except ValueError:
        return
    for path in recorded(folder):
        if path.startswith("../"):
            inside = posixpath.normpath(f"{library}/{path}")
            if not inside.startswith(".."):
                yield inside
        elif path.startswith(f"{root}/"):
            yield os.path.relpath(path, root)


def editable_of(pth: str) -> str:
    """Normalised name of the project whose editable installation a `.pth` file may be, by its name; empty for none."""
    found = _EDITABLE.fullmatch(pth)
    return canonicalize_name(found["name"]) if found else ""


def _text(path: Path) -> str:
    try:
        return content_of(path).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
