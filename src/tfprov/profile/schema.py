"""The JSON Schema of profiles, for completion and validation in editors."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping

from pydantic import BaseModel

from tfprov.profile import records
from tfprov.profile.records import Profile

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, object]:
    """JSON Schema (draft 2020-12) of a profile, generated from the records that also validate it."""
    _describe_fields()
    schema = Profile.model_json_schema(by_alias=True)
    schema["$schema"] = DIALECT
    schema["title"] = "tfprov profile"
    return schema


def _describe_fields() -> None:
    """Give the fields of the tables the texts below them as descriptions.

    pydantic can do so when it makes the records (`use_attribute_docstrings`). That is a third of the time that they
    take (0.05 s of 0.15 s), in every run that reads a profile, and nothing but the schema has a use for it.
    """
    for name, texts in _texts(inspect.getsource(records)).items():
        model = getattr(records, name)
        if isinstance(model, type) and issubclass(model, BaseModel):
            for field, text in texts.items():
                model.model_fields[field].description = text
            model.model_rebuild(force=True)


def _texts(source: str) -> Mapping[str, Mapping[str, str]]:
    """By class and attribute of a module's source, the text that stands below the attribute."""
    return {
        found.name: {
            field.target.id: inspect.cleandoc(text.value.value)
            for field, text in zip(found.body, found.body[1:], strict=False)
            if isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        }
        for found in ast.parse(source).body
        if isinstance(found, ast.ClassDef)
    }
