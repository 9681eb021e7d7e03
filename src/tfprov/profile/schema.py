"""The JSON Schema of profiles, for completion and validation in editors."""

from __future__ import annotations

from tfprov.profile.records import Profile

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, object]:
    """JSON Schema (draft 2020-12) of a profile, generated from the records that also validate it."""
    schema = Profile.model_json_schema(by_alias=True)
    schema["$schema"] = DIALECT
    schema["title"] = "tfprov profile"
    return schema
