"""Addresses and paths in place of a name, as pip reads them in a requirement."""

from __future__ import annotations

import os
import re
from pathlib import Path

from packaging.utils import parse_sdist_filename, parse_wheel_filename

from tfprov.contents import is_there
from tfprov.index_address import path_in
from tfprov.paths import expanded
from tfprov.wants.unfit import SourceFile

_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_LINK = re.compile(r"^(?:(?:git|hg|svn|bzr)\+)?[a-z]+://|^(?:git\+)?git@|^file:", re.IGNORECASE)
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar")


def with_variables(text: str) -> str:
    """Replace variables that are set, as pip does; those in addresses stay, to keep secrets out of locks."""
    if "://" in text:
        return text
    return _VARIABLE.sub(lambda found: os.environ.get(found[1]) or found[0], text)


def project_of(filename: str) -> str | None:
    """The project in the file name of a wheel or a source distribution; None for any other file name."""
    try:
        return (parse_wheel_filename if filename.endswith(".whl") else parse_sdist_filename)(filename)[0]
    except ValueError:
        return None


def without_marker(link: str) -> tuple[str, str]:
    """Split an address from its marker, at ` ; ` with spaces, because an address may contain a semicolon.

    Returns:
        The address, and the marker with its separator; that is empty without a marker.
    """
    address, divider, marker = re.sub(r"\s+;\s*", " ; ", link).partition(" ; ")
    return address.strip(), f" ; {marker.strip()}" if divider else ""


def is_link(text: str, origin: SourceFile) -> bool:
    """Whether pip reads a line as an address or a path: it begins like one, names an archive, or exists as a path."""
    if _LINK.match(text):
        return True
    head = re.split(r";|\[[^\[\]]*\]$", text, maxsplit=1)[0].strip()
    if head.startswith((".", "/", "~")) or re.match(r"^[A-Za-z]:[\\/]", head) or "\\" in head:
        return True
    return head.endswith(_ARCHIVES) or ("/" in head and is_there(origin.path.parent / head))


def file_of(address: str, origin: SourceFile) -> Path | None:
    """The local path of an address or path, relative to the file; None for a remote address."""
    if (path := path_in(address)) is not None:
        return Path(path) if Path(path).is_absolute() else origin.path.parent / path
    if "://" in address:
        return None
    return (origin.path.parent / expanded(address)).absolute()
