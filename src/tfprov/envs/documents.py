"""Owners and seals of environments as JSON files.

Parsed by hand: importing pydantic takes longer than the whole rest of a command that has nothing to do.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from tfprov.contents import content_of
from tfprov.envs.manifest import SEAL
from tfprov.envs.records import Cure, Owner, Seal
from tfprov.host.records import Card, Fingerprint
from tfprov.lock.target_records import Target
from tfprov.paths import is_possible
from tfprov.structured import json_of

OWNER = "owner.json"

_Kind = type[Owner | Seal | Target | Cure | Fingerprint | Card]
_PLAIN: dict[str, type] = {"str": str, "bool": bool, "int": int, "dict[str, object]": dict}
# Record types that occur in tuples, by the annotation of the field.
_RECORDS: dict[str, type[Cure | Fingerprint | Card]] = {
    f"tuple[{kind.__name__}, ...]": kind for kind in (Cure, Fingerprint, Card)
}


def dump(record: Owner | Seal) -> bytes:
    """The JSON document of a record, as it is written to disk."""
    # In ASCII: names on disk, and what programs say, need not be Unicode.
    return json.dumps(asdict(record), indent=2).encode("ascii")


def owner(content: bytes) -> Owner:
    """The owner of an environment, from the content of its file.

    Raises:
        ValueError: the file was not written by tfprov, or is damaged.
    """
    return Owner(**_keys(Owner, _table(content)))


def read_owner(root: Path) -> Owner | None:
    """The owner of an environment's folder; None where none can be read, or what it names cannot exist."""
    with contextlib.suppress(OSError, ValueError):
        found = owner(content_of(root / OWNER))
        if all(map(is_possible, (f"{found.name}.toml", found.profile, found.link, *found.former))):
            return found
    return None


def found_owner(root: Path) -> Owner | None:
    """The owner of a folder, which is unknown where tfprov made an environment in it; None for any other folder."""
    is_ours = os.path.lexists(root / OWNER) or os.path.isdir(root / "generations")  # noqa: PTH112 - False when refused
    return read_owner(root) or (Owner(name=root.name, profile="") if is_ours else None)


def seal(content: bytes, *, root: Path) -> Seal:
    """The seal of a generation, from the content of its file.

    Args:
        content: content of the file.
        root: folder of the generation. Releases before 0.2 did not record its kind; a conda environment is recognised
            by its `conda-meta` folder.

    Raises:
        ValueError: the file was not written by tfprov, or is damaged.
    """
    table = _table(content)
    table.setdefault("kind", "conda" if (root / "conda-meta").is_dir() else "venv")
    inner = table.pop("target", None)
    if not isinstance(inner, dict):
        raise ValueError("`target` is not a table")  # noqa: TRY004 - what the file holds is wrong, not who calls
    target = Target(**_keys(Target, inner))
    return Seal(target=target, **_keys(Seal, table, but="target"))


def read_seal(generation: Path) -> Seal | None:
    """The seal of a generation, from inside it or, if it was adopted, beside it; None where none can be read."""
    for place in _places(generation):
        with contextlib.suppress(OSError, ValueError):
            return seal(content_of(place), root=generation)
    return None


def is_unsealed(generation: Path) -> bool:
    """Whether a generation has no valid seal. False where one exists that cannot be read now: a disk may fail once."""

    def is_without(place: Path) -> bool:
        try:
            seal(content_of(place), root=generation)
        except OSError as error:
            return isinstance(error, FileNotFoundError)
        except ValueError:
            return True
        return False

    return all(map(is_without, _places(generation)))


def _places(generation: Path) -> tuple[Path, Path]:
    return generation / SEAL, generation.with_suffix(".json")


def _table(content: bytes) -> dict[str, object]:
    found = json_of(content.decode("utf-8", "surrogateescape"))
    if not isinstance(found, dict):
        raise ValueError("not a table")  # noqa: TRY004 - what the file holds is wrong, not who calls
    return found


def _keys(kind: _Kind, table: dict[str, object], *, but: str = "") -> dict[str, Any]:
    """Values for the fields of a record. Keys that only another release of tfprov knows are ignored."""
    found: dict[str, Any] = {}
    for field in fields(kind):
        if field.name == but:
            continue
        if field.name not in table:
            if field.default is MISSING and field.default_factory is MISSING:
                problem = f"`{field.name}` is missing"
                raise ValueError(problem)
            continue
        found[field.name] = _value(str(field.type), table[field.name])
    return found


def _value(kind: str, value: object) -> object:
    if kind == "tuple[str, ...]" and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    plain = _PLAIN.get(kind)
    if plain is not None and isinstance(value, plain) and (kind == "bool" or not isinstance(value, bool)):
        return value
    if kind == "dict[str, str]" and isinstance(value, dict) and all(isinstance(one, str) for one in value.values()):
        return value
    inner = _RECORDS.get(kind)
    if inner is not None and isinstance(value, list) and all(isinstance(one, dict) for one in value):
        return tuple(inner(**_keys(inner, one)) for one in value)
    problem = f"{value!r} is not of type {kind}"
    raise ValueError(problem)
