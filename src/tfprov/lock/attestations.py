"""Attestations of publishers (PEP 740): who signed a file, and whether that has changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from tfprov.errors import TfprovError
from tfprov.extras import require
from tfprov.lock.records import LockedFile
from tfprov.structured import json_of

_MODULES = ("pypi_attestations",)
# No signature covers it: the certificate of a publisher does not say which environment of a workflow ran.
_NOT_SIGNED = "environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Who published a file, as the index names trusted publishers.

    Attributes:
        kind: of the service that built it: `GitHub`, `GitLab`, …
        claims: names and values of what else identifies it, sorted: its repository, its workflow.
    """

    kind: str
    claims: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """In words, for messages."""
        return f"{self.kind} {', '.join(value for name, value in self.claims if name != _NOT_SIGNED)}"

    @property
    def document(self) -> dict[str, str]:
        """The table that stands for it in a lock."""
        return {"kind": self.kind, **dict(self.claims)}

    def is_same(self, other: Publisher) -> bool:
        """Whether it is the same in all that is signed."""
        return str(self) == str(other)


def publisher_of(document: Mapping[str, object]) -> Publisher:
    """The publisher that a table of an index or of a lock names."""
    claims = ((name, value) for name, value in document.items() if isinstance(value, str) and name != "kind")
    return Publisher(kind=str(document.get("kind", "")), claims=tuple(sorted(claims)))


def require_library() -> None:
    """Make sure that attestations can be verified.

    Raises:
        TfprovError: `extra-missing`.
    """
    require("attestations", _MODULES, "attestations of publishers")


def verified(file: LockedFile, provenance: bytes) -> tuple[Publisher, ...]:
    """The publishers of a file, each of whom has signed its name and its hash.

    Every attestation must hold: signature, certificate, entry in the transparency log, name and SHA-256 of the file,
    and the publisher that it is said to be of. The roots of trust are those of the installed sigstore; no server is
    asked.

    Args:
        file: it need not be here.
        provenance: the provenance object that the index has of it.

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
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _invalid(file, f"`{where}`: {first['msg']}" if where else first["msg"]) from error
    bundles = json_of(provenance)["attestation_bundles"]
    if not bundles or not all(bundle["attestations"] for bundle in bundles):
        raise _invalid(file, "it holds no attestation")
    return tuple(publisher_of(bundle["publisher"]) for bundle in bundles)


def check_same(name: str, before: Iterable[Publisher], now: Iterable[Publisher]) -> None:
    """Make sure that a project is published by somebody who published it before, if that is known.

    Args:
        name: of the project.
        before: its publishers when it was locked; nobody where that is not known.
        now: those who have signed the file, or whom the index names.

    Raises:
        TfprovError: `publisher-changed`.
    """
    known, found = tuple(before), tuple(now)
    if known and not any(one.is_same(other) for one in found for other in known):
        raise TfprovError(
            "publisher-changed",
            f"`{name}` is not published by whom it was when it was locked",
            evidence=(
                f"in the lock: {'; '.join(map(str, known))}",
                f"on the index: {'; '.join(map(str, found)) or 'nobody says who published it'}",
            ),
            hint=f"ask the project whether it moved; if it did, delete `attestation-identities` of `{name}` in the "
            "lock and run again",
        )


def with_publishers(resolved: str, publishers: Mapping[str, tuple[Publisher, ...]]) -> str:
    """A resolved document in which the publishers of each project stand, as PEP 751 has them.

    Args:
        resolved: a whole PEP 751 document.
        publishers: by normalised name of the project.
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
    """An inline table of TOML, whose basic strings are those of JSON."""
    return f"{{ {', '.join(f'{json.dumps(name)} = {json.dumps(value)}' for name, value in table.items())} }}"


def _invalid(file: LockedFile, why: str) -> TfprovError:
    return TfprovError("attestation-invalid", f"the attestation of `{file.filename}` does not hold", evidence=(why,))
