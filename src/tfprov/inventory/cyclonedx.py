"""Writes components as a CycloneDX document (1.6, JSON). The same environment gives the same bytes."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from tfprov import __version__
from tfprov.inventory.components import Component, Library


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSubject:
    """The environment that the document describes.

    Attributes:
        name: name of the environment.
        version: its TensorFlow version.
        python: full version of its interpreter.
        lock: SHA-256 of its lock.
        made: time of its proof, ISO 8601.
    """

    name: str
    version: str
    python: str
    lock: str
    made: str


def document(subject: DocumentSubject, components: Sequence[Component]) -> dict[str, object]:
    """The document as JSON data."""
    root = f"environment:{subject.name}"
    interpreter = f"pkg:generic/cpython@{subject.python}"
    # A name can be there twice, from conda and from an index, and the same version twice after a broken update.
    parts = {_purl(one): one for one in components}
    named: dict[str, set[str]] = {}
    for purl, one in parts.items():
        named.setdefault(one.name, set()).add(purl)
    seed = "\n".join((subject.lock, subject.made, *sorted(parts)))
    platform = {
        "type": "platform",
        "bom-ref": interpreter,
        "name": "cpython",
        "version": subject.python,
        "purl": interpreter,
        "licenses": [{"license": {"id": "Python-2.0"}}],
    }
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, seed).urn,
        "version": 1,
        "metadata": {
            **({"timestamp": subject.made} if subject.made else {}),
            "tools": {"components": [{"type": "application", "name": "tfprov", "version": __version__}]},
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": subject.name,
                "description": f"TensorFlow {subject.version} on Python {subject.python}",
                "properties": [{"name": "tfprov:lock:sha256", "value": subject.lock}],
            },
        },
        "components": [platform, *(_component(one) for one in parts.values())],
        "dependencies": [
            {"ref": root, "dependsOn": sorted({interpreter, *parts})},
            *(
                {"ref": purl, "dependsOn": sorted({each for name in one.requires for each in named[name]})}
                for purl, one in parts.items()
            ),
        ],
    }


def _purl(one: Component) -> str:
    return f"pkg:{one.kind}/{quote(one.name)}@{quote(one.version, safe='.!-_~')}"


def _component(one: Component) -> dict[str, object]:
    purl = _purl(one)
    found: dict[str, object] = {
        "type": "framework" if one.name.startswith("tensorflow") else "library",
        "bom-ref": purl,
        "name": one.name,
        "version": one.version,
        "purl": purl,
    }
    if one.summary:
        found["description"] = one.summary
    if one.expression:
        found["licenses"] = [{"expression": one.expression, "acknowledgement": "declared"}]
    elif one.licences:
        found["licenses"] = [{"license": {"name": name, "acknowledgement": "declared"}} for name in one.licences]
    if one.sha256:
        found["hashes"] = [{"alg": "SHA-256", "content": one.sha256}]
    if one.libraries:
        found["components"] = [_library(each, one, purl) for each in one.libraries]
    return found


def _library(library: Library, of: Component, purl: str) -> dict[str, object]:
    found: dict[str, object] = {"type": "library", "bom-ref": f"{purl}#{quote(library.path)}", "name": library.name}
    if library.path.startswith("nvidia/"):
        # CUDA wheels have the version of their libraries; the version of other bundled libraries is not known.
        found["version"] = of.version
    if library.sha256:
        found["hashes"] = [{"alg": "SHA-256", "content": library.sha256}]
    found["properties"] = [{"name": "tfprov:path", "value": library.path}]
    return found
