"""`pylock.NAME.toml` (PEP 751): reading, selecting the files for one interpreter, writing.

The resolver writes the standard part. tfprov adds a `[tool.tfprov]` table, which the standard allows, with the inputs
and the target of the lock, so that a later run can say what no longer fits.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import tomlkit
from packaging.pylock import (
    Package,
    PackageArchive,
    PackageDirectory,
    PackageSdist,
    PackageVcs,
    PackageWheel,
    Pylock,
    PylockSelectError,
    PylockValidationError,
)
from packaging.utils import parse_wheel_filename
from pydantic import TypeAdapter, ValidationError

from tfprov import project_folder
from tfprov.contents import content_of
from tfprov.errors import TfprovError
from tfprov.index_address import NO_HOST_NAME, is_host_name, local_path
from tfprov.lock.attestations import Publisher, publisher_of
from tfprov.lock.merging import check_merged
from tfprov.lock.records import Header, Lock, LockedFile, LockedSource
from tfprov.lock.resolve import FOLDER, is_wheel_at
from tfprov.paths import plain, relative
from tfprov.products import MOVE_AWAY, foreign
from tfprov.redact import redact, without_userinfo
from tfprov.structured import TomlError, first_mistake, toml_of
from tfprov.writing import write_atomic

if TYPE_CHECKING:
    from packaging.markers import Environment
    from packaging.tags import Tag


_OURS = b"[tool.tfprov"
_FILE = re.compile(r'(?<=[{ ])url = "(?P<url>file://[^"\\#?]+\.(?:whl|zip|tar|tgz|tar\.\w+))"')


def write(path: Path, resolved: str, header: Header, *, folder: Path | None = None) -> None:
    """Write a lock: the resolver's document and tfprov's own table. Credentials in URLs are dropped.

    Args:
        path: the lock file; its parent folder is created.
        resolved: a whole PEP 751 document.
        header: tfprov's own table.
        folder: the folder where the lock will be used; None for that of `path`.
    """
    own = tomlkit.dumps({"tool": {"tfprov": asdict(header)}})
    # What lies beside the lock becomes relative, because it is committed with the lock and checked out anywhere.
    start = folder or path.parent
    named = (header.inputs.index, *header.inputs.extra, *header.inputs.find_links)
    urls = [place for each in named if each.startswith("file:") and (place := local_path(each)) is not None]
    # What the profile names by an absolute path does not move with it.
    absolute = tuple(map(_real, (*urls, *(Path(each) for each in named if Path(each).is_absolute()))))
    resolved = _FILE.sub(partial(_beside, _real(start), absolute), resolved)
    resolved = FOLDER.sub(
        lambda found: found[1] + json.dumps(relative(found["path"], start), ensure_ascii=False), resolved
    )
    document = (
        "# Made by tfprov: the exact files of the environment, with their hashes.\n"
        "# Renew it with `tfprov lock --upgrade`; other tools read it as PEP 751.\n"
        f"{resolved.strip()}\n\n{own}"
    )
    write_atomic(path, without_userinfo(document).encode())


def _real(place: str | Path) -> Path:
    return Path(os.path.realpath(place))


def _beside(start: Path, others: tuple[Path, ...], found: re.Match[str]) -> str:
    """The place of a local file as a path, if it lies below `start` and not below one of the others; else unchanged."""
    file = local_path(found["url"])
    if file is None or not file.is_relative_to(start) or any(map(file.is_relative_to, others)):
        return found[0]
    return f"path = {json.dumps(file.relative_to(start).as_posix(), ensure_ascii=False)}"


def read_header(path: Path) -> Header | None:
    """The table that tfprov adds to a lock; None when the file does not exist.

    Raises:
        TfprovError: `lock-invalid` when the file is not a lock made by tfprov.
    """
    return _parse(path)[1] if path.exists() else None


def check_ours(path: Path) -> None:
    """Check that a lock file may be replaced.

    Raises:
        TfprovError: `path-not-ours` when it was not made by tfprov.
    """
    try:
        found = None if _OURS in content_of(path) else "it has no `[tool.tfprov]` table"
    except OSError as error:
        found = str(error)
    if found is not None:
        raise foreign(path, found)


def read(
    path: Path,
    *,
    environment: Environment,
    tags: Sequence[Tag],
    platform: str | None = None,
    changes: tuple[str, ...] = (),
    folder: Path | None = None,
) -> Lock:
    """The lock for one interpreter: for each package the wheel whose tag comes first in `tags`, or its source.

    Args:
        path: the lock file.
        environment: marker values of the interpreter.
        tags: wheel tags that it supports, best first.
        platform: the platform whose target to return; None for the one where the lock was made.
        changes: why the lock was resolved in this run; kept in the record.
        folder: the folder that paths in the lock are relative to; None for that of `path`.

    Raises:
        TfprovError: `lock-invalid` when it is not a valid lock; `lock-unfit` when a package has no wheel for the tags
            and is not listed as built from source.
    """
    raw, header, pylock = _parse(path)
    files, sources = [], []
    place = (folder or path.parent) / path.name
    try:
        # packaging evaluates markers and tags as in PEP 751, "Installation".
        for package, source in pylock.select(environment=environment, tags=tags):
            # A direct reference (`name @ https://…`) is locked as an archive.
            if isinstance(source, PackageWheel) or (isinstance(source, PackageArchive) and _is_wheel(source)):
                files.append(locked_wheel(place, package, source))
            elif package.name in header.built:
                sources.append(_source(place, package, source))
            else:
                raise TfprovError(
                    "lock-unfit",
                    f"`{path.name}` has no wheel of `{package.name}` {package.version or ''} for this machine",
                    evidence=("it has a source that is not marked to be built",),
                )
    except PylockSelectError as error:
        raise TfprovError(
            "lock-unfit",
            f"`{path.name}` does not fit this machine or interpreter",
            evidence=(str(error), f"it was made for Python {header.target.python} on {header.platforms}"),
        ) from error
    return Lock(
        path=path,
        digest=hashlib.sha256(raw).hexdigest(),
        target=(header.target_on(platform) if platform else None) or header.target,
        files=tuple(sorted(files, key=lambda file: file.name)),
        sources=tuple(sorted(sources, key=lambda source: source.name)),
        changes=changes,
    )


def wheels_in(document: str, *, environment: Environment, tags: Sequence[Tag]) -> tuple[LockedFile, ...] | None:
    """The wheels that an interpreter would get from a PEP 751 document, sorted by name.

    Args:
        document: from the resolver.
        environment: marker values.
        tags: wheel tags, best first.

    Returns:
        None when the document does not fit the interpreter, or a package in it is to be built.
    """
    try:
        chosen = list(Pylock.from_dict(toml_of(document)).select(environment=environment, tags=tags))
    except (PylockSelectError, PylockValidationError):
        return None
    if not all(isinstance(source, PackageWheel) for _, source in chosen):
        return None
    nowhere = Path("pylock.toml")
    found = (locked_wheel(nowhere, package, source) for package, source in chosen if isinstance(source, PackageWheel))
    return tuple(sorted(found, key=lambda file: file.name))


def sizes(document: str, *, environment: Environment, tags: Sequence[Tag]) -> dict[str, int | None]:
    """Sizes of the files that an interpreter would get from a PEP 751 document, by project.

    Args:
        document: from the resolver.
        environment: marker values.
        tags: wheel tags, best first.

    Returns:
        Bytes; None for a file whose size the index does not give. Empty when the document does not fit the interpreter.
    """
    try:
        chosen = Pylock.from_dict(toml_of(document)).select(environment=environment, tags=tags)
        return {str(package.name): getattr(source, "size", None) for package, source in chosen}
    except (PylockSelectError, PylockValidationError):
        return {}


def wheels_of(path: Path) -> dict[str, tuple[tuple[str, str], ...]]:
    """File name and SHA-256 of each wheel in a lock, for all platforms, by project.

    Raises:
        TfprovError: `lock-invalid`.
    """
    _, _, pylock = _parse(path)
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for package in pylock.packages:
        files = [_file(path, str(package.name), "", wheel) for wheel in package.wheels or ()]
        found[str(package.name)] = tuple((file.filename, file.sha256) for file in files)
    return found


def publishers_in(path: Path) -> dict[str, tuple[Publisher, ...]]:
    """The publishers by project that a lock names; none where the file does not exist.

    Raises:
        TfprovError: `lock-invalid`.
    """
    packages = _parse(path)[2].packages if path.exists() else ()
    named = ((str(package.name), package.attestation_identities) for package in packages)
    return {name: tuple(map(publisher_of, identities)) for name, identities in named if identities}


def _parse(path: Path) -> tuple[bytes, Header, Pylock]:
    try:
        raw = content_of(path)
    except OSError as error:
        raise TfprovError("lock-invalid", f"`{path}` cannot be read", evidence=(str(error),), hint=MOVE_AWAY) from error
    check_merged(path, raw)
    try:
        document = toml_of(raw.decode("utf-8-sig"))
        pylock = Pylock.from_dict(document)
    except (UnicodeDecodeError, TomlError, PylockValidationError, RecursionError) as error:
        hint = None if _OURS in raw else MOVE_AWAY  # only a lock of tfprov's can be renewed
        raise TfprovError("lock-invalid", f"`{path}` is not a valid lock", evidence=(str(error),), hint=hint) from error
    try:
        own = document["tool"]["tfprov"]
        header = TypeAdapter(Header).validate_python(own)
    except (KeyError, TypeError) as error:
        raise foreign(path, "it has no `[tool.tfprov]` table", code="lock-invalid") from error
    except ValidationError as error:
        where, what = first_mistake(error)
        evidence = (f"`tool.tfprov.{where}`: {what}",)
        raise TfprovError("lock-invalid", f"`{path}` is damaged", evidence=evidence) from error
    return raw, header, pylock


def _check_address(path: Path, name: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        host, problem = parts.hostname or "", None
        if parts.scheme != "file" and ":" not in host and not is_host_name(host):
            problem = NO_HOST_NAME if host else "it has no host"
        _ = parts.port  # raises ValueError when it is not a number
    except ValueError as error:
        problem = str(error)
    else:
        if parts.scheme not in ("https", "http", "file"):
            problem = f"its scheme `{parts.scheme}` is not https, http or file"
    if problem is not None:
        raise TfprovError("lock-invalid", f"`{path}` has an invalid URL for `{name}`", evidence=(redact(url), problem))


def _is_wheel(archive: PackageArchive) -> bool:
    return is_wheel_at(archive.path or archive.url or "")


def _source(
    path: Path, package: Package, source: PackageArchive | PackageSdist | PackageVcs | PackageDirectory
) -> LockedSource:
    name, version = str(package.name), str(package.version or "")
    if isinstance(source, PackageDirectory):
        folder = (path.parent / source.path / (source.subdirectory or "")).resolve()
        if not project_folder.is_project(folder):
            raise TfprovError(
                "lock-unfit",
                f"`{path.name}` locks the folder `{source.path}` for `{name}`, which is not a Python project",
                evidence=(f"`{folder}` has neither `pyproject.toml` nor `setup.py`",),
            )
        return LockedSource(name=name, version=version, folder=str(folder), editable=bool(source.editable))
    if isinstance(source, PackageVcs):
        if source.type != "git" or source.url is None:
            raise TfprovError(
                "lock-unfit",
                f"`{path.name}` locks a repository for `{name}` that is not a git repository",
                evidence=(f"its type is `{source.type}`",),
            )
        if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", source.commit_id):
            raise TfprovError("lock-invalid", f"`{path}` has an incomplete commit hash for `{name}`")
        return LockedSource(
            name=name,
            version=version,
            repository=source.url,
            commit=source.commit_id,
            subdirectory=source.subdirectory or "",
        )
    subdirectory = source.subdirectory or "" if isinstance(source, PackageArchive) else ""
    archive = _file(path, name, version, source)
    return LockedSource(name=name, version=version, archive=archive, subdirectory=subdirectory)


def locked_wheel(path: Path, package: Package, wheel: PackageWheel | PackageArchive) -> LockedFile:
    """A wheel of a PEP 751 document.

    Args:
        path: of the document, to which local paths in it are relative.
        package: the entry of the project.
        wheel: one of its wheels, or an archive that is one.

    Raises:
        TfprovError: `lock-invalid` when its address, name or hash is not one.
    """
    name = str(package.name)
    found = _file(path, name, "", wheel)
    try:
        _, version, _, _ = parse_wheel_filename(found.filename)
    except ValueError as error:
        raise TfprovError(
            "lock-invalid", f"`{path}` has a file for `{name}` with an invalid wheel name", evidence=(str(error),)
        ) from error
    # The standard allows an archive without a version; its file name has one.
    return replace(found, version=str(package.version or version))


def _file(path: Path, name: str, version: str, file: PackageWheel | PackageArchive | PackageSdist) -> LockedFile:
    sha256 = file.hashes.get("sha256")
    if sha256 is None:
        raise TfprovError(
            "lock-invalid",
            f"`{path}` has no SHA-256 for `{name}`",
            evidence=(f"hashes given: {', '.join(file.hashes) or 'none'}",),
        )
    if not re.fullmatch(r"(?i)[0-9a-f]{64}", sha256):
        raise TfprovError("lock-invalid", f"`{path}` has an invalid SHA-256 for `{name}`", evidence=(sha256,))
    # `path` is relative to the lock file; PEP 751 prefers it over `url` where both are given.
    url = (path.parent / file.path).resolve().as_uri() if file.path else file.url or ""
    _check_address(path, name, url)
    filename = unquote(urlsplit(url).path.rsplit("/", 1)[-1])
    if not isinstance(file, PackageArchive) and file.name:
        filename = file.name
    try:
        plain(filename)
    except ValueError as error:
        raise TfprovError("lock-invalid", f"`{path}` has an invalid file name for `{name}`") from error
    return LockedFile(name=name, version=version, filename=filename, url=url, sha256=sha256.lower(), size=file.size)


def with_wheels(text: str, wheels: Mapping[str, LockedFile], folder: str) -> str:
    """A lock in which the sources of some packages are replaced by the wheels built from them.

    Args:
        text: the lock.
        wheels: by project name.
        folder: folder of the wheels, relative to the lock.
    """
    document = tomlkit.parse(text)
    for package in document.get("packages", ()):
        wheel = wheels.get(str(package["name"]))
        if wheel is None:
            continue
        for key in ("sdist", "vcs", "archive", "directory"):
            package.pop(key, None)
        hashes = tomlkit.inline_table()
        hashes["sha256"] = wheel.sha256
        entry = tomlkit.inline_table()
        entry.update({"name": wheel.filename, "path": f"{folder}/{wheel.filename}", "hashes": hashes})
        package["version"] = wheel.version
        # Wheels that are already listed are for another platform.
        package["wheels"] = [entry, *package.get("wheels", ())]
    return tomlkit.dumps(document)
