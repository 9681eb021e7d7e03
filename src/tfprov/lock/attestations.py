"""Attestations of publishers (PEP 740): who signed a file, and whether its publisher has changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from packaging.utils import canonicalize_name

from tfprov.errors import TfprovError
from tfprov.extras import require
from tfprov.lock.records import LockedFile
from tfprov.structured import first_mistake, json_of

_MODULES = ("pypi_attestations",)
# Not signed: the certificate of a publisher does not say which environment a workflow ran in.
_NOT_SIGNED = "environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """The publisher of a file, in the form that the index uses for trusted publishers.

    Attributes:
        kind: of the service that built the file: `GitHub`, `GitLab`, …
        claims: sorted names and values of its other properties: repository, workflow.
    """

    kind: str
    claims: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """The publisher, for messages."""
        return f"{self.kind} {', '.join(value for name, value in self.claims if name != _NOT_SIGNED)}"

    @property
    def document(self) -> dict[str, str]:
        """The publisher as a table in a lock."""
        return {"kind": self.kind, **dict(self.claims)}

    def is_same(self, other: Publisher) -> bool:
        """Whether two publishers are equal in all signed properties."""
        return str(self) == str(other)


def publisher_of(document: Mapping[str, object]) -> Publisher:
    """The publisher in a table of an index or a lock."""
    claims = ((name, value) for name, value in document.items() if isinstance(value, str) and name != "kind")
    return Publisher(kind=str(document.get("kind", "")), claims=tuple(sorted(claims)))


def require_library() -> None:
    """Check that the library for verifying attestations is installed.

    Raises:
        TfprovError: `extra-missing`.
    """
    require("attestations", _MODULES, "attestations of publishers")


def verified(file: LockedFile, provenance: bytes) -> tuple[Publisher, ...]:
    """Verify the attestations of a file, and return its publishers.

    Every attestation must be valid: its signature, certificate and entry in the transparency log, the name and SHA-256
    of the file, and the publisher that it names. The roots of trust are those in the installed sigstore; no server is
    contacted.

    Args:
        file: need not be on this machine.
        provenance: the index's provenance object for it.

    Raises:
        TfprovError: `attestation-invalid`; `extra-missing`.
    """
    require_library()
    from pydantic import ValidationError
    from pypi_attestations import AttestationError, Distribution, Provenance

    try:
        found = Provenance.model_validate_json(provenance)
        for bundle in found.attestation_bundles:
            for attestation in bundle.attestations:
                attestation.verify(bundle.publisher, Distribution(name=file.filename, digest=file.sha256), offline=True)
    except AttestationError as error:
        raise _invalid(file, str(error)) from error
    except ValidationError as error:
        where, what = first_mistake(error)
        raise _invalid(file, f"`{where}`: {what}" if where else what) from error
    bundles = json_of(provenance)["attestation_bundles"]
    if not bundles or not all(bundle["attestations"] for bundle in bundles):
        raise _invalid(file, "it contains no attestation")
    return tuple(publisher_of(bundle["publisher"]) for bundle in bundles)


def check_same(name: str, before: Iterable[Publisher], now: Iterable[Publisher]) -> None:
    """Check that a project has at least one of its earlier publishers, if those are known.

    Args:
        name: of the project.
        before: its publishers when it was locked; empty where they are unknown.
        now: those who signed the file, or those that the index names.

    Raises:
        TfprovError: `publisher-changed`.
    """
    known, found = tuple(before), tuple(now)
    if known and not any(one.is_same(other) for one in found for other in known):
        raise TfprovError(
            "publisher-changed",
            f"`{name}` has another publisher than when it was locked",
            evidence=(
                f"in the lock: {'; '.join(map(str, known))}",
                f"on the index: {'; '.join(map(str, found)) or 'no publisher is named'}",
            ),
            hint=f"ask the project whether it moved; if it did, delete `attestation-identities` of `{name}` in the "
            "lock and run again",
        )


def with_publishers(resolved: str, publishers: Mapping[str, tuple[Publisher, ...]]) -> str:
    """The resolved document, with the publishers of each project in the form of PEP 751.

    Args:
        resolved: a whole PEP 751 document.
        publishers: by normalised project name.
    """
    lines = []
    for line in resolved.splitlines():
        lines.append(line)
        key, _, name = line.partition(" = ")
        found = publishers.get(canonicalize_name(name.strip('"'))) if key == "name" else None
        if found:
            lines.append(f"attestation-identities = [{', '.join(_inline(one.document) for one in found)}]")
    return "\n".join(lines) + "\n"


def _inline(table: Mapping[str, str]) -> str:
    """An inline table in TOML, whose basic strings have the same syntax as in JSON."""
    written = partial(json.dumps, ensure_ascii=False)  # TOML has no escapes for halves of surrogate pairs
    return f"{{ {', '.join(f'{written(name)} = {written(value)}' for name, value in table.items())} }}"


def _invalid(file: LockedFile, why: str) -> TfprovError:
    return TfprovError("attestation-invalid", f"the attestation of `{file.filename}` is invalid", evidence=(why,))
