"""The components of an environment and the advisories about them, as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from tfprov.errors import TfprovError
from tfprov.harmless import lined
from tfprov.inventory.advisories import AdvisoryMatch, Audit
from tfprov.products import Product
from tfprov.structured import json_of, json_text
from tfprov.words import count, first_of

_LARGEST = 64 << 20
_MOST_EVIDENCE = 5


def _is_sbom(stream: BinaryIO) -> bool:
    try:
        found = json_of(stream.read(_LARGEST))
        return bool(found["metadata"]["tools"]["components"][0]["name"] == "tfprov")
    except (ValueError, LookupError, TypeError):
        return False


SBOM = Product(what="a bill of materials", is_ours=_is_sbom)


def rendered(document_: Mapping[str, object]) -> str:
    """The document as the content of a file."""
    return json_text(document_) + "\n"


def written(document_: Mapping[str, object], path: Path) -> str:
    """One line that says which file was written."""
    found = document_["components"]
    return f"{path}  CycloneDX 1.6, {count(len(found) if isinstance(found, list) else 0, 'component')}"


def audited(name: str, found: Audit) -> str:
    """The result of an audit, as text."""
    newest = f", the newest of {found.newest[:10]}" if found.newest else ""
    what = f"{count(found.packages, 'package')} compared with {found.advisories} advisories{newest}"
    said = f"{count(len(found.found), 'advisory').replace('advisorys', 'advisories')} of {name}" if found.found else ""
    lines = [said or f"no advisory affects {name}", f"  read      {what}"]
    for one in found.found:
        lines += _lines(one)
    for one in found.accepted:
        lines.append(f"  accepted  {one.package} {one.version}: {_names(one)}")
    lines += [f"  unused    `--accept {each}`: no advisory of that name affects it" for each in found.unused]
    return lined(lines)


def _lines(one: AdvisoryMatch) -> list[str]:
    severity = f"  ({one.severity})" if one.severity else ""
    lines = [f"  {one.package} {one.version}: {_names(one)}{severity}"]
    if one.summary:
        lines.append(f"    {one.summary}")
    lines.append(f"    fixed in {', '.join(one.fixed)}" if one.fixed else "    no fixed version is named")
    return lines


def _names(one: AdvisoryMatch) -> str:
    return f"{one.id} ({', '.join(one.aliases)})" if one.aliases else one.id


def failure(name: str, found: Audit) -> TfprovError | None:
    """The error for the advisories that an audit found; None when there are none."""
    if not found.found:
        return None
    packages = sorted({one.package for one in found.found})
    each = [f"{one.package} {one.version}: {_names(one)}" for one in found.found]
    return TfprovError(
        "advisory-found",
        f"advisories affect {', '.join(f'`{package}`' for package in packages)} in the environment of `{name}`",
        evidence=first_of(each, _MOST_EVIDENCE),
    )


def document(found: Audit) -> dict[str, object]:
    """The result of an audit as a JSON document."""
    return {"audit": asdict(found)}
