"""A profile before it is understood: which file it is, what it names, what digest all of it has.

A digest that was seen before belongs to a profile that was checked before. So `up` on a verified environment, and the
commands that only need to know whose environment is meant, get by with this and without the models in `records`.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from tfprov.contents import content_of, is_there
from tfprov.errors import TfprovError
from tfprov.paths import expanded
from tfprov.structured import toml_of
from tfprov.wants.records import ProjectParts, Wants, together

if TYPE_CHECKING:
    from typing import Any


Document: TypeAlias = "dict[str, Any]"
"""A TOML document as the parser gives it."""

PROFILE = "tfprov.toml"
_LISTS = (
    *("pyproject.toml", "requirements.txt", "environment.yml", "environment.yaml"),
    *("Pipfile", "setup.cfg", "setup.py"),
)
Content: TypeAlias = Literal["whole", "understood", "none"]
"""What of a file that a profile names is a part of the profile's meaning: its bytes, what they say, or neither."""

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
        key: table and key.
        name: as it is written.
        path: where that is, absolute.
        content: what of it is a part of what the profile means.
    """

    key: tuple[str, str]
    name: str
    path: Path
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileSource:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a file says as a profile.

    Attributes:
        document: the profile.
        text: the TOML document that it stands in, for the lines of mistakes.
        prefix: the table of that document which is the profile.
        first_line: line of the file in which the document begins.
        raw: what a digest of the profile is made of.
        is_implied: whether nobody wrote a profile, and the file only says what is needed.
    """

    document: Document
    text: str
    prefix: tuple[str, ...] = ()
    first_line: int = 1
    raw: bytes
    is_implied: bool = False


def given(path: Path, raw: bytes) -> Given:
    """What a file says as a profile.

    A profile is a TOML file, or `[tool.tfprov]` in a `pyproject.toml` or in the metadata of a script (PEP 723).
    Of any other file that says what is needed, the profile is that file and nothing else.

    Args:
        path: the file, absolute.
        raw: its content.

    Raises:
        ValueError: it cannot be decoded, or is not TOML where it should be.
    """
    name = path.name.lower()
    if name == "pyproject.toml":
        return _inside(raw.decode("utf-8-sig"), path, "")
    if name.endswith(".py") and name != "setup.py":
        from tfprov.wants.script import block, first_line
        from tfprov.wants.text import decoded

        text = decoded(raw)
        return _inside(block(text), path, path.stem, first_line=first_line(text))
    if is_list(path):
        # Two lists of one folder are two environments, with a lock each.
        own = "" if nearest(path.parent) == path else f"-{path.stem}"
        document = {"name": plain_name(f"{path.parent.name}{own}"), "packages": {"files": [path.name]}}
        return Given(document=document, text="", raw=b"", is_implied=True)
    text = raw.decode("utf-8-sig")
    return Given(document=_parsed(text), text=text, raw=raw)


def _inside(text: str, path: Path, name: str, *, first_line: int = 1) -> Given:
    """The profile inside a document about something else; that document says what it needs unless told otherwise."""
    from tfprov.wants.pyproject import has_dependencies
    from tfprov.wants.tables import table

    outer = _parsed(text)
    own = table(outer, "tool").get("tfprov", {})
    if not isinstance(own, dict):
        raise ValueError("`tool.tfprov` must be a table")  # noqa: TRY004 - a mistake of the user's
    document: Document = copy.deepcopy(own)
    project = table(outer, "project").get("name") or table(outer, "tool", "poetry").get("name")
    document.setdefault("name", plain_name(name or str(project or path.parent.name)))
    packages = document.setdefault("packages", {})
    if isinstance(packages, dict) and "files" not in packages:
        packages["files"] = [path.name] if name or has_dependencies(outer) else []
    return Given(
        document=document,
        text=text,
        prefix=("tool", "tfprov"),
        first_line=first_line,
        raw=json.dumps(document, default=str, sort_keys=True).encode(),
        is_implied="tfprov" not in table(outer, "tool"),
    )


def _parsed(text: str) -> Document:
    try:
        document: Document = toml_of(text)
    except RecursionError:
        raise ValueError("it is nested too deeply to be read") from None
    return document


def is_list(path: Path) -> bool:
    """Whether a file is by its name one that says what is needed, rather than a profile."""
    name = path.name.lower()
    suffixes = (".txt", ".in", ".cfg", ".yml", ".yaml", ".lock", ".ipynb", ".sh")
    return name in ("pipfile", "setup.py", "dockerfile", "containerfile") or path.suffix.lower() in suffixes


def plain_name(text: str) -> str:
    """A name for an environment that is as close to a text as may be: letters without their marks."""
    plain = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._")[:64] or "train"


def glance(path: Path, *, shipped: bool) -> ProfileSource | None:
    """What a profile's file says by itself about whose it is; None when it has to be read with care.

    Checks nothing that `load` checks: the digest tells whether this very text was.
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
    """Whether a requirement of the profile itself has an address, which may be a folder that changes."""
    packages = document.get("packages")
    return isinstance(packages, dict) and any("@" in text for text in _texts(packages.get("requirements")))


def digest(raw: bytes, *, overrides: Sequence[str] = (), wants: Wants, contents: Sequence[bytes] = ()) -> str:
    """SHA-256 of everything that a profile's meaning depends on.

    Args:
        raw: the file.
        overrides: from the command line.
        wants: of the files that it names; they stand for the files that those include in their turn.
        contents: of the files whose every byte counts.
    """
    words = "\0".join((*overrides, "", repr(wants)))
    parts = (raw, words.encode("utf-8", "surrogateescape"), b"\0".join(contents))
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def named_files(document: Document, folder: Path) -> Iterator[NamedFile]:
    """The files and folders that a document names; addresses are left out, and so are values that name nothing."""
    for key, content in NAMES_OF_FILES:
        table = document.get(key[0])
        value = table.get(key[1]) if isinstance(table, dict) else None
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str) and "://" not in name:
                yield NamedFile(key=key, name=name, path=folder / expanded(name), content=content)


def wants_in(document: Document, folder: Path) -> Wants:
    """What the files under `packages.files` ask for. Of files that are not there nothing is said.

    Raises:
        OSError: a file cannot be read.
    """
    packages = document.get("packages")
    if not isinstance(packages, dict) or not (_texts(packages.get("files")) or packages.get("project", "no") != "no"):
        return Wants()
    # Most profiles name no file, and then none of this is imported.
    from tfprov.wants.recognise import read, read_project

    paths = [folder / expanded(name) for name in _texts(packages.get("files"))]
    parts = ProjectParts(extras=_texts(packages.get("extras")), groups=_texts(packages.get("groups")))
    found = read([path for path in paths if path.is_file()], folder, parts)
    if (kind := packages.get("project")) in ("wheel", "editable"):
        found = together((found, read_project(folder, kind, parts)))
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


def place_of(source: ProfileSource) -> Path:
    """The file that tells the environment of a profile from those of others.

    For the list that stands in for the profile of its folder, that is the profile which `tfprov init` would write:
    whoever does so later goes on with the same environment.
    """
    return source.path.parent / PROFILE if is_stand_in(source.path) else source.path


def is_stand_in(path: Path) -> bool:
    """Whether a file stands in for the profile of its folder: it says what a project needs, and there is none."""
    return path.name in _LISTS and nearest(path.parent) == path and not _has_own_table(path)


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


def nearest(cwd: Path) -> Path | None:
    """The profile of a folder: `tfprov.toml` or `[tool.tfprov]` in `pyproject.toml`, there or in a folder above.

    Where there is neither, a file in the folder itself that says what is needed; None when there is none.
    """
    for folder in (cwd, *cwd.parents):
        if (folder / PROFILE).is_file():
            return folder / PROFILE
        if _has_own_table(folder / "pyproject.toml"):
            return folder / "pyproject.toml"
    return next(iter(lists(cwd)), None)


def _has_own_table(path: Path) -> bool:
    """Whether a file is a `pyproject.toml` with a profile in it."""
    is_project = path.name == "pyproject.toml" and path.is_file()
    return is_project and re.search(rb"(?m)^\[tool\.tfprov[\].]", content_of(path)) is not None


def lists(folder: Path) -> tuple[Path, ...]:
    """The files of a folder that say what a project needs, the one to be taken first."""
    return tuple(path for name in _LISTS if (path := folder / name).is_file() and _says_needs(path))


def _says_needs(path: Path) -> bool:
    """Whether a file is about more than the set-up of tools, and about another project than tfprov's own checkout."""
    if path.name == "pyproject.toml":
        from tfprov.wants.pyproject import has_dependencies
        from tfprov.wants.tables import table

        try:
            document = _parsed(content_of(path).decode("utf-8-sig"))
        except ValueError:
            return True  # whoever reads it says what is wrong
        return has_dependencies(document) and table(document, "project").get("name") != "tfprov"
    return path.name != "setup.cfg" or b"install_requires" in content_of(path)


def find(name: str, *, cwd: Path) -> tuple[Path, bool]:
    """The file that a PROFILE argument means, and whether it is a shipped one.

    A path wins over the name of a shipped profile, so that a file can never be hidden by one. Without a name, the
    profile of the folder is meant.

    Raises:
        TfprovError: `profile-missing`.
    """
    if not name:
        here = nearest(cwd)
        if here is not None:
            return here, False
        raise TfprovError(
            "profile-missing",
            f"`{cwd}` has no profile",
            evidence=(
                "neither `tfprov.toml` nor `[tool.tfprov]` in `pyproject.toml`, here or in a folder above",
                "no file here that says what a project needs, such as `requirements.txt`",
            ),
            hint="make one with `tfprov init`, or name a profile",
        )
    path = cwd / expanded(name)
    if path.is_file():
        return path.absolute(), False
    if path.is_symlink() and not path.exists():
        raise TfprovError(
            "profile-missing",
            f"`{name}` is a link to `{path.readlink()}`, and there is nothing",
            hint="correct the link, or name the file itself",
        )
    names = {file.stem: file for file in shipped()}
    if name in names:
        return names[name], True
    if path.is_dir():
        raise TfprovError("profile-missing", f"`{name}` is a folder, not a profile")
    if path.exists():
        raise TfprovError("profile-missing", f"`{name}` is not a regular file", hint="a profile is a TOML file")
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
