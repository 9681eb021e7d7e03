"""Checks resolved files against the hashes in requirements files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import tomlkit
from packaging.utils import canonicalize_name

from tfprov.errors import TfprovError


def only_allowed(resolved: str, hashes: Mapping[str, tuple[str, ...]]) -> str:
    """The document, reduced to the files whose hashes are allowed.

    Args:
        resolved: a whole PEP 751 document.
        hashes: allowed SHA-256 hashes by project; projects without an entry may have any file.

    Raises:
        TfprovError: `version-not-available` when no file of a project is allowed.
    """
    # Changed in place: others read the text of a document in the form in which uv writes it.
    document = tomlkit.parse(resolved)
    for package, files, kept in _compared(document, hashes):
        if not kept:
            allowed = hashes[canonicalize_name(package["name"])]
            raise TfprovError(
                "version-not-available",
                f"no file of `{package['name']}` {package.get('version', '')} has a hash that the requirements allow",
                evidence=(
                    *(f"{file['url']}: sha256:{file['hashes'].get('sha256')}" for file in files[:5]),
                    f"{len(allowed)} {'hash is' if len(allowed) == 1 else 'hashes are'} allowed",
                ),
                hint="remove the hashes of this package, or take them from the index in use",
            )
        if "wheels" in package and kept != files:
            package["wheels"] = tomlkit.array()
            package["wheels"].extend(kept)
    return tomlkit.dumps(document)


def refused_in(lock: str, hashes: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Projects in a lock with a file that the hashes do not allow; arguments as for `only_allowed`."""
    document = tomlkit.parse(lock).unwrap()
    return tuple(package["name"] for package, files, kept in _compared(document, hashes) if kept != files)


def _compared(
    document: Mapping[str, Any], hashes: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]]:
    """Each package with an entry in `hashes`, its files, and the allowed ones among them."""
    for package in document.get("packages", ()):
        allowed = hashes.get(canonicalize_name(package["name"]))
        if allowed is not None:
            files = package.get("wheels") or [package[key] for key in ("sdist", "archive") if key in package]
            yield package, files, [file for file in files if file["hashes"].get("sha256") in allowed]
