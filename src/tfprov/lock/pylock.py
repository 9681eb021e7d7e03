"""`pylock.NAME.toml` (PEP 751): reading, choosing the files for one interpreter, writing.

The resolver writes the standard part. tfprov adds a `[tool.tfprov]` table, which the standard allows, with the inputs
and the target of the lock, so that a later run can say what no longer fits.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import tomlkit
from packaging.pylock import Package, PackageArchive, PackageWheel, Pylock, PylockSelectError, PylockValidationError
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from pydantic import TypeAdapter, ValidationError

from tfprov.errors import TfprovError
from tfprov.lock.records import Header, Lock, LockedFile
from tfprov.paths import write_atomic
from tfprov.redact import redact, without_userinfo

if TYPE_CHECKING:
    from packaging.markers import Environment
    from packaging.tags import Tag

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def write(path: Path, resolved: str, header: Header) -> None:
    """Write a lock: what the resolver gave, and tfprov's own table. Credentials in addresses are dropped.

    Args:
        path: the lock file; its parent is made.
        resolved: a whole PEP 751 document.
        header: tfprov's own part.
    """
    own = tomlkit.dumps({"tool": {"tfprov": asdict(header)}})
    document = (
        "# Made by tfprov: the exact files of the environment, with their hashes.\n"
        "# Renew it with `tfprov lock --upgrade`; other tools read it as PEP 751.\n"
        f"{resolved.strip()}\n\n{own}"
    )
    write_atomic(path, without_userinfo(document).encode())


def read_header(path: Path) -> Header | None:
    """The own part of tfprov in a lock; None when the file does not exist.

    Raises:
        TfprovError: `lock-invalid` when the file is not a lock made by tfprov.
    """
    return _parse(path)[1] if path.exists() else None


def check_ours(path: Path) -> None:
    """Make sure that a lock file may be replaced.

    Raises:
        TfprovError: `path-not-ours` when it was not made by tfprov.
    """
    if b"[tool.tfprov" not in path.read_bytes():
        raise TfprovError(
            "path-not-ours",
            f"`{path}` was not made by tfprov",
            evidence=("it has no `[tool.tfprov]` table",),
            hint="move it away; tfprov never overwrites what it did not make",
        )


def read(
    path: Path,
    *,
    environment: Environment,
    tags: Sequence[Tag],
    platform: str | None = None,
    changes: tuple[str, ...] = (),
) -> Lock:
    """The lock for one interpreter: of every package the wheel whose tag comes first in `tags`.

    Args:
        path: the lock file.
        environment: marker variables of the interpreter.
        tags: wheel tags that it supports, best first.
        platform: the platform whose target is wanted; None for the one that the lock was made on.
        changes: why the lock was resolved in this run; kept in the record.

    Raises:
        TfprovError: `lock-invalid` when it is not a valid lock, `lock-unfit` when a package has no wheel for the tags.
    """
    raw, header, pylock = _parse(path)
    files = []
    try:
        # The standard resolves markers and tags; see PEP 751, "Installation".
        for package, source in pylock.select(environment=environment, tags=tags):
            # A requirement with an address of its own (`name @ https://…`) is locked as an archive.
            if not isinstance(source, PackageWheel | PackageArchive):
                raise TfprovError(
                    "lock-unfit",
                    f"`{path.name}` has no wheel of `{package.name}` {package.version or ''} for this machine",
                    evidence=(
                        "only a source distribution, a folder or a repository is locked; tfprov installs wheels",
                    ),
                )
            files.append(_locked(path, package, source))
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
        changes=changes,
    )


def sizes(document: str, *, environment: Environment, tags: Sequence[Tag]) -> dict[str, int | None]:
    """Bytes of each file that an interpreter would get from a PEP 751 document, by project.

    Args:
        document: as the resolver made it.
        environment: marker values.
        tags: wheel tags, the best first.

    Returns:
        None for a file of which the index does not say it; nothing at all when the document does not fit.
    """
    try:
        chosen = Pylock.from_dict(tomllib.loads(document)).select(environment=environment, tags=tags)
        return {str(package.name): getattr(source, "size", None) for package, source in chosen}
    except (PylockSelectError, PylockValidationError):
        return {}


def _parse(path: Path) -> tuple[bytes, Header, Pylock]:
    try:
        raw = path.read_bytes()
        document = tomllib.loads(raw.decode())
        pylock = Pylock.from_dict(document)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, PylockValidationError) as error:
        raise TfprovError("lock-invalid", f"`{path}` is not a valid lock", evidence=(str(error),)) from error
    except OSError as error:
        raise TfprovError("lock-invalid", f"`{path}` cannot be read", evidence=(str(error),)) from error
    try:
        own = document["tool"]["tfprov"]
        header = TypeAdapter(Header).validate_python(own)
    except (KeyError, TypeError) as error:
        raise TfprovError(
            "lock-invalid",
            f"`{path}` was not made by tfprov",
            evidence=("it has no `[tool.tfprov]` table",),
            hint="move it away, or renew it with `tfprov lock --upgrade`",
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise TfprovError(
            "lock-invalid", f"`{path}` is damaged", evidence=(f"`tool.tfprov.{where}`: {first['msg']}",)
        ) from error
    return raw, header, pylock


def _check_address(path: Path, name: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        problem = None if parts.scheme == "file" or parts.hostname else "it has no host"
        _ = parts.port  # raises when it is not a number
    except ValueError as error:
        problem = str(error)
    else:
        if parts.scheme not in ("https", "http", "file"):
            problem = f"its scheme `{parts.scheme}` is not https, http or file"
    if problem is not None:
        raise TfprovError(
            "lock-invalid",
            f"`{path}` has an invalid address for `{name}`",
            evidence=(redact(url), problem),
        )


def _locked(path: Path, package: Package, wheel: PackageWheel | PackageArchive) -> LockedFile:
    name = str(package.name)
    sha256 = wheel.hashes.get("sha256")
    if sha256 is None:
        raise TfprovError(
            "lock-invalid",
            f"`{path}` has no SHA-256 for `{name}`",
            evidence=(f"hashes given: {', '.join(wheel.hashes) or 'none'}",),
        )
    if not re.fullmatch(r"(?i)[0-9a-f]{64}", sha256):
        raise TfprovError("lock-invalid", f"`{path}` has an invalid SHA-256 for `{name}`", evidence=(sha256,))
    # `path` is relative to the lock file; PEP 751 prefers it over `url` where both are given.
    url = (path.parent / wheel.path).resolve().as_uri() if wheel.path else wheel.url
    if url is None:
        raise TfprovError("lock-invalid", f"`{path}` has no address for `{name}`")
    _check_address(path, name, url)
    filename = unquote(urlsplit(url).path.rsplit("/", 1)[-1])
    if isinstance(wheel, PackageWheel) and wheel.name:
        filename = wheel.name
    if not filename.endswith(".whl"):
        raise TfprovError(
            "lock-unfit", f"`{path.name}` locks `{filename}`, which is not a wheel; tfprov installs wheels"
        )
    try:
        _, version, _, _ = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise TfprovError(
            "lock-invalid", f"`{path}` has a file for `{name}` with an invalid wheel name", evidence=(str(error),)
        ) from error
    # The standard allows an archive without a version; its file name has one.
    return LockedFile(
        name=name,
        version=str(package.version or version),
        filename=filename,
        url=url,
        sha256=sha256.lower(),
        size=wheel.size,
    )
