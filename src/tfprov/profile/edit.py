"""Changes keys of a profile file, with comments and order preserved."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, MutableMapping, Sequence
from typing import cast

import tomlkit

from tfprov.errors import TfprovError
from tfprov.profile.load import override_value

_MARK = "\ufeff"
"""The byte order mark, with which some editors on Windows begin a file."""
Value = str | bool | int | float | tuple[str, ...] | Mapping[str, object]


def edited(text: str, changes: Mapping[str, Value]) -> str:
    """The text of a profile with keys set, and with the line ends and the byte order mark that it had.

    Args:
        text: the TOML document.
        changes: values by dotted key (`tensorflow.accelerator`); a tuple is appended to an existing list, without
            elements that the list already has.

    Raises:
        TfprovError: `profile-invalid`, when the text is not TOML, or part of a key is not a table.
    """
    try:
        document = tomlkit.parse(text.removeprefix(_MARK))
    except tomlkit.exceptions.ParseError as error:
        raise TfprovError("profile-invalid", "the profile is not valid TOML", evidence=(str(error),)) from error
    for dotted, value in changes.items():
        *tables, key = dotted.split(".")
        table: MutableMapping[str, object] = document
        for name in tables:
            inner = table.get(name)
            if inner is None:
                inner = table[name] = tomlkit.table()
                inner = table[name]
            if not isinstance(inner, MutableMapping):
                raise TfprovError("profile-invalid", f"`{name}` is not a table")
            table = inner
        if isinstance(value, tuple):
            had = table.get(key)
            kept = list(had) if isinstance(had, list) else []
            table[key] = [*kept, *(one for one in value if one not in kept)]
        else:
            table[key] = value
    written = tomlkit.dumps(document)
    if 0 < text.count("\n") == text.count("\r\n"):
        written = re.sub(r"(?<!\r)\n", "\r\n", written)
    return f"{_MARK}{written}" if text.startswith(_MARK) else written


def with_overrides(text: str, overrides: Sequence[str]) -> str:
    """The text of a profile with the values of `--set` written into it.

    Args:
        text: the TOML document.
        overrides: `dotted.key=value`.

    Raises:
        TfprovError: `usage` for an override without a key or an equals sign; `profile-invalid` as in `edited`.
    """
    for override in overrides:
        dotted, equals, raw = override.partition("=")
        key = tuple(part.strip() for part in dotted.split("."))
        if not equals or not all(key):
            raise TfprovError("usage", f"--set '{override}': write `key=value`, with a dotted key")
        value = override_value(key, raw)
        kept = tuple(map(str, value)) if isinstance(value, list) else value
        plain = isinstance(kept, (bool, int, float, tuple, dict))
        text = edited(text, {".".join(key): cast("Value", kept) if plain else str(kept)})
    return text


def difference(before: str, after: str, *, name: str) -> str:
    """A unified diff of two texts of a profile; empty when they are equal."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), fromfile=name, tofile=name, n=1
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
