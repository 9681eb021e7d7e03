"""Advice for each failure code: what tfprov does about it by itself, and what the user can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TypedDict

from tfprov.diagnose.records import ProfileChange
from tfprov.errors import CODES
from tfprov.structured import toml_of


class _Row(TypedDict, total=False):
    alone: str
    you: str
    commands: list[str]
    changes: list[tuple[str, str | bool | int | list[str]]]
    ask: str


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The row of a failure code in `codes.toml`.

    Attributes:
        alone: what tfprov does about it by itself.
        you: what the user can do.
        commands: to run; `PROFILE` stands for the path of the profile.
        changes: keys of the profile to set.
        ask: what to request from the administrator; None when no administrator is needed.
    """

    alone: str
    you: str
    commands: tuple[str, ...] = ()
    changes: tuple[ProfileChange, ...] = ()
    ask: str | None = None


def about(code: str) -> About:
    """The advice for a failure code; for one that is not in `codes.toml`, the remedy from `errors.CODES`."""
    row = _table().get(code)
    if row is None:
        return About(alone="reports it with its evidence", you=CODES[code].remedy)
    changes = tuple(
        ProfileChange(key=key, value=tuple(value) if isinstance(value, list) else value)
        for key, value in row.get("changes", ())
    )
    return About(
        alone=row["alone"],
        you=row["you"],
        commands=tuple(row.get("commands", ())),
        changes=changes,
        ask=row.get("ask"),
    )


@cache
def _table() -> Mapping[str, _Row]:
    text = files("tfprov.diagnose").joinpath("codes.toml").read_text(encoding="utf-8")
    table: Mapping[str, _Row] = toml_of(text)
    return table
