"""A profile before it is understood: which file it is, what it names, what digest all of it has.

A digest that was seen before belongs to a profile that was checked before. So `up` on a verified environment, and the
commands that only need to know whose environment is meant, get by with this and without the models in `records`.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tfprov.errors import TfprovError
from tfprov.paths import expanded
from tfprov.wants.records import ProjectParts, Wants

if TYPE_CHECKING:
    from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Document: TypeAlias = "dict[str, Any]"
"""A TOML document as the parser gives it."""

# Keys whose values name files or folders, and whether the content is a part of what the profile means.
NAMES_OF_FILES: tuple[tuple[tuple[str, str], bool], ...] = (
    (("packages", "files"), True),
    (("smoke", "scripts"), True),
    (("index", "find-links"), False),
    (("network", "ca-bundle"), False),
    (("python", "path"), False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFile:
    """A file or folder that a profile names.

    Attributes:
        key: table and key.
        name: as it is written.
        path: where that is, absolute.
        matters: whether its content is a part of what the profile means.
    """

    key: tuple[str, str]
    name: str
    path: Path
    matters: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Whose environment a profile is about.

    Attributes:
        name: name of the profile, unchecked.
        path: the file, absolute.
        shipped: True when the file came with tfprov, so that nothing may be written beside it.
        link: `environment.path` as an absolute path; None when the profile asks for none.
        digest: SHA-256 of everything that the profile's meaning depends on: the file, overrides, the files it names.
        kind: `environment.kind`, unchecked.
    """

    name: str
    path: Path
    shipped: bool
    link: Path | None
    digest: str
    kind: str = "venv"


def glance(path: Path, *, shipped: bool) -> Source | None:
    """What a profile's file says by itself about whose it is; None when it has to be read with care.

    Checks nothing that `load` checks: the digest tells whether this very text was.
    """
    folder = path.parent
    try:
        raw = path.read_bytes()
        document: Document = tomllib.loads(raw.decode("utf-8-sig"))
        name, table = document.get("name"), document.get("environment", {})
        link = table.get("path") if isinstance(table, dict) else 0
        if not isinstance(name, str) or "/" in name or "\\" in name or not (link is None or isinstance(link, str)):
            return None
        named = tuple(named_files(document, folder))
        if not all(file.path.exists() for file in named):
            return None
        contents = [file.path.read_bytes() for file in named if file.matters]
        wants = wants_in(document, folder)
    except (OSError, ValueError, RecursionError):
        return None
    if wants.problems:
        return None
    return Source(
        name=name,
        path=path,
        shipped=shipped,
        link=resolved(folder, link) if link else None,
        digest=digest(raw, wants=wants, contents=contents),
        kind=str(table.get("kind", "venv")),
    )


def digest(raw: bytes, *, overrides: Sequence[str] = (), wants: Wants, contents: Sequence[bytes] = ()) -> str:
    """SHA-256 of everything that a profile's meaning depends on.

    Args:
        raw: the file.
        overrides: from the command line.
        wants: of the files that it names; they stand for the files that those include in their turn.
        contents: the files that the profile names and whose content matters.
    """
    words = "\0".join((*overrides, "", repr(wants)))
    parts = (raw, words.encode("utf-8", "surrogateescape"), b"\0".join(contents))
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def named_files(document: Document, folder: Path) -> Iterator[NamedFile]:
    """The files and folders that a document names; addresses are left out, and so are values that name nothing."""
    for key, matters in NAMES_OF_FILES:
        table = document.get(key[0])
        value = table.get(key[1]) if isinstance(table, dict) else None
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str) and "://" not in name:
                yield NamedFile(key=key, name=name, path=folder / expanded(name), matters=matters)


def wants_in(document: Document, folder: Path) -> Wants:
    """What the files under `packages.files` ask for. Of files that are not there nothing is said.

    Raises:
        OSError: a file cannot be read.
    """
    packages = document.get("packages")
    if not isinstance(packages, dict) or not _texts(packages.get("files")):
        return Wants()
    # Most profiles name no file, and then none of this is imported.
    from tfprov.wants.recognise import read

    paths = [folder / expanded(name) for name in _texts(packages.get("files"))]
    parts = ProjectParts(extras=_texts(packages.get("extras")), groups=_texts(packages.get("groups")))
    found = read([path for path in paths if path.is_file()], folder, parts)
    if not found.conda:
        return found
    from tfprov.wants.as_wheels import as_wheels, for_conda

    environment = document.get("environment")
    is_conda = isinstance(environment, dict) and environment.get("kind") == "conda"
    return for_conda(found) if is_conda else as_wheels(found)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def resolved(folder: Path, relative: str) -> Path:
    """A path of a profile as an absolute path. `~` is the home directory."""
    return (folder / expanded(relative)).absolute()


def shipped_folder() -> Path:
    """The folder of the profiles that come with tfprov: inside the installed package, or at the top of a checkout."""
    # Not at the top: a profile that is named by its path needs none of it.
    from importlib import resources

    package = Path(str(resources.files("tfprov")))
    installed = package / "profiles"
    return installed if installed.is_dir() else package.parents[1] / "profiles"


def shipped() -> tuple[Path, ...]:
    """The shipped profiles, sorted by name."""
    # In a checkout the locks of these very profiles may lie beside them.
    return tuple(sorted(path for path in shipped_folder().glob("*.toml") if not path.name.startswith("pylock.")))


def find(name: str, *, cwd: Path) -> tuple[Path, bool]:
    """The file that a PROFILE argument means, and whether it is a shipped one.

    A path wins over the name of a shipped profile, so that a file can never be hidden by one.

    Raises:
        TfprovError: `profile-missing`.
    """
    path = cwd / expanded(name)
    if path.is_file():
        return path.absolute(), False
    names = {file.stem: file for file in shipped()}
    if name in names:
        return names[name], True
    if not name:
        raise TfprovError("profile-missing", "the name of the profile is empty")
    if path.is_dir():
        raise TfprovError("profile-missing", f"`{name}` is a folder, not a profile")
    if path.exists():
        raise TfprovError("profile-missing", f"`{name}` is no regular file", hint="a profile is a TOML file")
    import difflib

    close = difflib.get_close_matches(name, names, n=1)
    nearby = sorted(file.name for file in cwd.glob("*.toml") if file.name != "pyproject.toml")[:5]
    evidence = [f"shipped profiles: {', '.join(names)}"]
    if nearby:
        evidence.append(f"files here: {', '.join(nearby)}")
    raise TfprovError(
        "profile-missing",
        f"there is no profile `{name}`",
        evidence=tuple(evidence),
        hint=f"did you mean `{close[0]}`?" if close else "make one with `tfprov init`, or name a shipped profile",
    )
