"""A static package index of the wheels in a bundle, for any file server (PEP 503, 658, 691)."""

from __future__ import annotations

import hashlib
import html
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from urllib.parse import quote

from packaging.utils import canonicalize_name, parse_wheel_filename

from tfprov.archives import damage_as
from tfprov.bundle.records import INDEX, WHEELS
from tfprov.errors import TfprovError


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedWheel:
    """A wheel in the index.

    Attributes:
        name: normalised project name.
        metadata: its METADATA file.
    """

    name: str
    filename: str
    sha256: str
    size: int
    metadata: bytes

    @property
    def requires_python(self) -> str | None:
        """The range of Python versions that it requires; None for any."""
        value = message_from_bytes(self.metadata).get("Requires-Python")
        return None if value is None else str(value)


def describe(path: Path, filename: str, sha256: str) -> IndexedWheel:
    """Read a wheel for the index.

    Raises:
        TfprovError: `cache-corrupt` when the file is not a wheel.
    """

    def refused(why: str) -> TfprovError:
        return TfprovError("cache-corrupt", f"`{filename}` is not a wheel", evidence=(f"{path}: {why}",))

    with damage_as(refused), zipfile.ZipFile(path) as archive:
        (inside,) = [
            name for name in archive.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1
        ]
        metadata = archive.read(inside)
    name = canonicalize_name(parse_wheel_filename(filename)[0])
    return IndexedWheel(name=name, filename=filename, sha256=sha256, size=path.stat().st_size, metadata=metadata)


def pages(wheels: Sequence[IndexedWheel]) -> Mapping[str, bytes]:
    """The files of the index, by path below the bundle.

    `index.html` is PEP 503 with hashes, for every installer and every server. `index.json` is PEP 691, for servers that
    choose by the Accept header. The metadata of each wheel is beside it (PEP 658), so that resolvers need not fetch
    hundreds of megabytes.
    """
    projects: dict[str, list[IndexedWheel]] = {}
    for wheel in sorted(wheels, key=lambda one: one.filename):
        projects.setdefault(wheel.name, []).append(wheel)
    found: dict[str, bytes] = {f"{WHEELS}/{wheel.filename}.metadata": wheel.metadata for wheel in wheels}
    names = sorted(projects)
    found[f"{INDEX}/index.html"] = _html("Simple index", [f'<a href="{name}/">{name}</a>' for name in names])
    found[f"{INDEX}/index.json"] = _json(
        {"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in names]}
    )
    for name in names:
        files = projects[name]
        found[f"{INDEX}/{name}/index.html"] = _html(f"Links for {name}", [_anchor(wheel) for wheel in files])
        found[f"{INDEX}/{name}/index.json"] = _json(
            {
                "meta": {"api-version": "1.1"},
                "name": name,
                "versions": sorted({str(parse_wheel_filename(wheel.filename)[1]) for wheel in files}),
                "files": [_member(wheel) for wheel in files],
            }
        )
    return found


def _anchor(wheel: IndexedWheel) -> str:
    wanted = wheel.requires_python
    python = f' data-requires-python="{html.escape(wanted)}"' if wanted else ""
    sha256 = hashlib.sha256(wheel.metadata).hexdigest()
    return (
        f'<a href="{_url(wheel)}#sha256={wheel.sha256}"{python}'
        f' data-core-metadata="sha256={sha256}" data-dist-info-metadata="sha256={sha256}">'
        f"{html.escape(wheel.filename)}</a>"
    )


def _member(wheel: IndexedWheel) -> dict[str, object]:
    wanted = wheel.requires_python
    return {
        "filename": wheel.filename,
        "url": _url(wheel),
        "size": wheel.size,
        "hashes": {"sha256": wheel.sha256},
        "core-metadata": {"sha256": hashlib.sha256(wheel.metadata).hexdigest()},
        **({"requires-python": wanted} if wanted else {}),
    }


def _url(wheel: IndexedWheel) -> str:
    return f"../../{WHEELS}/{quote(wheel.filename)}"


def _html(title: str, lines: Sequence[str]) -> bytes:
    head = (
        '<!DOCTYPE html>\n<html>\n<head><meta charset="utf-8"><meta name="pypi:repository-version" content="1.0">'
        f"<title>{title}</title></head>\n<body>\n"
    )
    return (head + "".join(f"{line}<br>\n" for line in lines) + "</body>\n</html>\n").encode()


def _json(document: Mapping[str, object]) -> bytes:
    return (json.dumps(document, indent=1) + "\n").encode()
