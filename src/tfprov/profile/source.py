"""Reads what a profile is about, without validating it: its name, the files that it names, and its digest.

A digest that was seen before belongs to a profile that was validated before. So `up` on a verified environment, and the
commands that only need to identify an environment, use this module and do not import the models in `records`.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from tfprov.contents import content_of, is_there
from tfprov.digests import bytes_of
from tfprov.paths import expanded
from tfprov.paths import plain as named
from tfprov.profile.finding import PROFILE, is_stand_in, nearest, with_companions
from tfprov.structured import texts_of, toml_of
from tfprov.wants.records import ProjectParts, System, Wants, together

if TYPE_CHECKING:
    from typing import Any


Document: TypeAlias = "dict[str, Any]"
"""A parsed but unchecked TOML document."""

Content: TypeAlias = Literal["whole", "understood", "none"]
"""What the digest of a profile includes of a file that it names: all bytes, what it requests, or nothing."""

# Keys whose values name files or folders.
NAMES_OF_FILES: tuple[tuple[tuple[str, str], Content], ...] = (
    (("packages", "files"), "understood"),
    (("smoke", "scripts"), "whole"),
    (("index", "find-links"), "none"),
    (("network", "ca-bundle"), "none"),
    (("python", "path"), "none"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFile:
    """A file or folder that a profile names.

    Attributes:
        key: the table and the key that name it.
        name: as written in the profile.
        path: absolute path.
        content: what of it the digest of the profile includes.
    """

    key: tuple[str, str]
    name: str
    path: Path
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileSource:
    """The keys of a profile that identify its environment.

    Attributes:
        name: name of the profile, unchecked.
        path: of the file, absolute.
        shipped: True when the profile comes with tfprov, so that nothing may be written beside it.
        link: `environment.path` as an absolute path; None when the profile has none.
        digest: SHA-256 of everything that affects the meaning of the profile: the file, overrides, the files it names.
        kind: `environment.kind`, unchecked.
    """

    name: str
    path: Path
    shipped: bool
    link: Path | None
    digest: str
    kind: str = "venv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A profile as it is found in a file, parsed but unchecked.

    Attributes:
        document: the profile.
        text: the TOML document that contains it, for line numbers in messages; empty when there is none.
        prefix: the table of that document that holds the profile; empty when it is the whole document.
        first_line: line of the file in which the document begins, counted from 1.
        raw: the bytes that the digest includes.
        is_implied: whether the file contains no profile and only lists dependencies, so that the profile has defaults.
    """

    document: Document
    text: str
    prefix: tuple[str, ...] = ()
    first_line: int = 1
    raw: bytes
    is_implied: bool = False


def given(path: Path, raw: bytes) -> Given:
    """Extract the profile from a file.

    A profile is a TOML file, or `[tool.tfprov]` in a `pyproject.toml` or in the metadata of a script (PEP 723).
    A program without metadata lists dependencies if it has commands that install them.
    For any other file that lists dependencies, a profile is implied that names this file and nothing else.

    Args:
        path: of the file, absolute.
        raw: its content.

    Raises:
        ValueError: it cannot be decoded, or is not TOML where it should be.
    """
    name = path.name.lower()
    if name == "pyproject.toml":
        return _inside(raw.decode("utf-8-sig"), path, "")
    if name.endswith(".py") and name != "setup.py":
        from tfprov.wants.programs import of_program
        from tfprov.wants.script import block, first_line, has_block
        from tfprov.wants.text import decoded

        text = decoded(raw)
        if has_block(text) or not of_program(text)[0]:
            return _inside(block(text), path, path.stem, first_line=first_line(text))
    if _is_list(path, raw):
        # Two dependency files in one folder make two environments, each with its own lock.
        is_own = nearest(path.parent) == path
        name = plain_name(path.parent.name if is_own else f"{path.parent.name}-{path.stem}")
        files = with_companions(path) if is_own else (path.name,)
        document = {"name": name, "packages": {"files": list(files)}}
        return Given(document=document, text="", raw=b"", is_implied=True)
    text = raw.decode("utf-8-sig")
    return Given(document=toml_of(text), text=text, raw=raw)


def _inside(text: str, path: Path, name: str, *, first_line: int = 1) -> Given:
    """The profile in `[tool.tfprov]` of another document, which lists the dependencies unless the profile names files.

    Args:
        text: the TOML document.
        path: of the file that contains it.
        name: default name of the environment; empty for that of the project or the folder. Set for a script.
        first_line: as in `Given`.
    """
    from tfprov.wants.pyproject import has_dependencies
    from tfprov.wants.tables import table

    outer = toml_of(text)
    is_implied = "tfprov" not in table(outer, "tool")
    own = table(outer, "tool").get("tfprov", {})
    if not isinstance(own, dict):
        raise ValueError("`tool.tfprov` must be a table")  # noqa: TRY004 - a mistake of the user's
    document: Document = own
    project = table(outer, "project").get("name") or table(outer, "tool", "poetry").get("name")
    document.setdefault("name", plain_name(name or str(project or path.parent.name)))
    packages = document.setdefault("packages", {})
    if isinstance(packages, dict) and "files" not in packages:
        packages["files"] = [path.name] if name or has_dependencies(outer) else []
        if packages["files"] and not name and is_implied:
            packages["files"] = list(with_companions(path))
    return Given(
        document=document,
        text=text,
        prefix=("tool", "tfprov"),
        first_line=first_line,
        raw=json.dumps(document, default=str, sort_keys=True).encode(),
        is_implied=is_implied,
    )


def _is_list(path: Path, raw: bytes) -> bool:
    """Whether a file lists dependencies: by its name, or because it is not a profile, which is TOML under any name."""
    name, suffix = path.name.lower(), path.suffix.lower()
    if suffix == ".toml":
        return name == "pixi.toml" or name.startswith("pylock.")
    if name == "pipfile" or suffix in (".txt", ".in", ".cfg", ".yml", ".yaml", ".lock", ".ipynb", ".sh"):
        return True
    try:
        return "name" not in toml_of(raw.decode("utf-8-sig"))
    except ValueError:
        return True


def plain_name(text: str) -> str:
    """The closest valid environment name to a text, with letters stripped of diacritics; `train` if nothing is left."""
    plain = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._")[:64].rstrip("-._") or "train"
    try:
        return named(name)
    except ValueError:  # a device of Windows, such as `con` or `aux.v2`
        return f"train-{name}"[:64].rstrip("-._")


def glance(path: Path, *, shipped: bool) -> ProfileSource | None:
    """Identify the environment of a profile without validating it; None when `load` is needed for that.

    Does none of the checks of `load`: the digest tells whether the same profile passed them before.

    Args:
        path: of the profile, absolute.
        shipped: whether the profile is one of those that come with tfprov.
    """
    folder = path.parent
    try:
        found = given(path, content_of(path))
        document = found.document
        name, table = document.get("name"), document.get("environment", {})
        link = table.get("path") if isinstance(table, dict) else 0
        if not isinstance(name, str) or "/" in name or "\\" in name or not (link is None or isinstance(link, str)):
            return None
        named = tuple(named_files(document, folder))
        if not all(is_there(file.path) for file in named):
            return None
        contents = [content_of(file.path) for file in named if file.content == "whole"]
        wants = wants_in(document, folder)
    except (OSError, ValueError, RecursionError):
        return None
    if wants.problems or _has_links(document):
        return None
    return ProfileSource(
        name=name,
        path=path,
        shipped=shipped,
        link=resolved(folder, link) if link else None,
        digest=digest(found.raw, wants=wants, contents=contents),
        kind=str(table.get("kind", "venv")),
    )


def _has_links(document: Document) -> bool:
    """Whether a requirement in the profile itself has an address, which may be a folder whose content changes."""
    packages = document.get("packages")
    return isinstance(packages, dict) and any("@" in text for text in texts_of(packages.get("requirements")))


def digest(raw: bytes, *, overrides: Sequence[str] = (), wants: Wants, contents: Sequence[bytes] = ()) -> str:
    """SHA-256 of everything that affects the meaning of a profile, hexadecimal.

    Args:
        raw: the profile.
        overrides: from the command line.
        wants: what the files that it names request, including what those include in turn.
        contents: of the files whose bytes are part of the digest.
    """
    choices = (wants.no_binary, wants.only_binary, wants.prereleases)
    words = "\0".join((*overrides, "", repr(wants), *([repr(choices)] if any(choices) else ())))
    return hashlib.sha256(b"\0".join((raw, bytes_of(words), b"\0".join(contents)))).hexdigest()


def named_files(document: Document, folder: Path) -> Iterator[NamedFile]:
    """The files and folders that a document names, without addresses and values of the wrong type."""
    for key, content in NAMES_OF_FILES:
        table = document.get(key[0])
        value = table.get(key[1]) if isinstance(table, dict) else None
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str) and "://" not in name:
                yield NamedFile(key=key, name=name, path=folder / expanded(name), content=content)


def wants_in(document: Document, folder: Path, system: System | None = None) -> Wants:
    """What the files under `packages.files` and the project of the profile request; missing files are ignored.

    Conda packages become requirements on wheels unless the environment is conda's.

    Args:
        document: the profile, unchecked.
        folder: of the profile.
        system: that the packages are for; None for the one that tfprov runs on.

    Raises:
        OSError: a file cannot be read.
    """
    packages = document.get("packages")
    if not isinstance(packages, dict) or not (texts_of(packages.get("files")) or packages.get("project", "no") != "no"):
        return Wants()
    # Imported late, because most profiles name no file.
    from tfprov.wants.recognise import read, read_project

    paths = [folder / expanded(name) for name in texts_of(packages.get("files"))]
    parts = ProjectParts(extras=texts_of(packages.get("extras")), groups=texts_of(packages.get("groups")))
    found = read([path for path in paths if path.is_file()], folder, parts, system)
    if (kind := packages.get("project")) in ("wheel", "editable"):
        found = together((found, read_project(folder, kind, parts)))
    if not found.conda:
        return found
    from tfprov.wants.as_wheels import as_wheels, for_conda

    environment = document.get("environment")
    is_conda = isinstance(environment, dict) and environment.get("kind") == "conda"
    return (for_conda if is_conda else as_wheels)(found, system)


def resolved(folder: Path, relative: str) -> Path:
    """A path in a profile as an absolute path, with `~` expanded.

    Args:
        folder: of the profile.
        relative: the path as written.
    """
    return (folder / expanded(relative)).absolute()


def place_of(source: ProfileSource) -> Path:
    """The path that distinguishes the environment of a profile from those of other profiles.

    For a dependency file that stands in for the profile of its folder, this is the path of the profile that
    `tfprov init` would write, so that a later `tfprov init` continues with the same environment.
    """
    return source.path.parent / PROFILE if is_stand_in(source.path) else source.path
