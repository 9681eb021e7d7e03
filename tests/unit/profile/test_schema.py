from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tfprov.errors import TfprovError
from tfprov.profile.finding import shipped
from tfprov.profile.load import load
from tfprov.profile.schema import DIALECT, json_schema

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@functools.cache
def validator() -> Any:
    # It compiles grammars as it is imported, which took each process that collects the tests two seconds.
    import jsonschema

    return jsonschema.Draft202012Validator(json_schema())


def test_it_is_a_valid_schema_of_the_dialect_that_it_names() -> None:
    found = json_schema()
    assert found["$schema"] == DIALECT
    validator().check_schema(found)


def fields(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, table in {"Profile": schema, **schema["$defs"]}.items():
        for key, field in table["properties"].items():
            yield f"{name}.{key}", field


@pytest.mark.parametrize("name", [name for name, _ in fields(json_schema())])
def test_every_field_is_described_and_spelled_as_in_toml(name: str) -> None:
    field = dict(fields(json_schema()))[name]
    if "$ref" in field:
        field = json_schema()["$defs"][field["$ref"].rpartition("/")[2]]  # type: ignore[index]  # a schema is a tree
    assert field["description"].strip()
    assert "_" not in name.partition(".")[2]


ACCEPTED = [
    'name = "x"',
    'name = "x"\n[network]\ndeadline = "2h"\nidle-timeout = 30\nconnect-timeout = 1.5',
    'name = "x"\n[index]\nexclude-newer = "2026-01-01"\nmirrors = ["https://m"]',
    'name = "x"\n[packages]\nrequirements = ["a>=1"]\n[smoke]\nlevel = "deep"\nrequire-gpus = 1\ntimeout = "5m"',
    'name = "x"\n[tensorflow]\nversion = ">=2.16"\nallow-fallback = true\n[strategies]\nskip = ["fresh"]',
]
REFUSED = [
    'nam = "x"',
    'name = "x"\ncolour = 1',
    'name = "x"\n[smoke]\nlevel = "slow"',
    'name = "x"\n[smoke]\ntimeout = "soon"',
    'name = "x"\n[smoke]\ntimeout = 0',
    'name = "x"\n[smoke]\ntimeout = 1e300',
    'name = "x"\n[environment]\nkeep = 0',
    'name = "x"\n[tensorflow]\nallow_fallback = true',
    'name = "x"\n[packages]\nrequirements = "a"',
    'name = "x"\n[index]\nexclude-newer = "yesterday"',
]


@pytest.mark.parametrize("text", [*ACCEPTED, *(path.read_text() for path in shipped())])
def test_it_accepts_what_load_accepts(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    load(path)
    assert [error.message for error in validator().iter_errors(tomllib.loads(text))] == []


@pytest.mark.parametrize("text", REFUSED)
def test_it_refuses_what_load_refuses_where_a_schema_can_say_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(TfprovError):
        load(path)
    assert not validator().is_valid(tomllib.loads(text))
