"""Hashes that a requirements file demands, against the files that were resolved."""

from __future__ import annotations

from collections.abc import Mapping

import tomlkit
from packaging.utils import canonicalize_name

from tfprov.errors import TfprovError


def only_allowed(resolved: str, hashes: Mapping[str, tuple[str, ...]]) -> str:
    """The document with those files alone that the hashes allow.

    Args:
        resolved: a whole PEP 751 document.
        hashes: SHA-256 of the files that may be locked, by project; any file of a project that is not there.

    Raises:
        TfprovError: `version-not-available` when none of the files of a project is allowed.
    """
    document = tomlkit.parse(resolved).unwrap()
    for package in document.get("packages", ()):
        allowed = hashes.get(canonicalize_name(package["name"]))
        if allowed is None:
            continue
        found = [*package.get("wheels", ()), *filter(None, (package.get("archive"),))]
        kept = [file for file in found if file["hashes"].get("sha256") in allowed]
        if not kept:
            raise TfprovError(
                "version-not-available",
                f"no file of `{package['name']}` {package.get('version', '')} has a hash that the requirements allow",
                evidence=(
                    *(f"{file['url']}: sha256:{file['hashes'].get('sha256')}" for file in found[:5]),
                    f"{len(allowed)} {'hash is' if len(allowed) == 1 else 'hashes are'} allowed",
                ),
                hint="remove the hashes of this package, or take them from the index that is used here",
            )
        if "wheels" in package:
            package["wheels"] = kept
    return tomlkit.dumps(document)
