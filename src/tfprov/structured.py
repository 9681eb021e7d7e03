"""JSON and TOML of others: whatever is wrong with a text is a `ValueError`, and no text takes memory without end."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MOST_DIGITS = 600
_ENDLESS = re.compile(rf"\d{{{_MOST_DIGITS}}}")
TomlError = tomllib.TOMLDecodeError
"""What `toml_of` raises; a `ValueError`."""
_TOO_DEEP = "it is nested too deeply to be read"
_MOST_PARTS = 100
_LONGEST_INTEGER = 300
_TEXTS = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'")
_BETWEEN = re.compile(r"[,=\[\]{}#]")


def has_endless_number(text: str) -> bool:
    """Whether a number has more digits than Python reads (`sys.set_int_max_str_digits`), and any version has."""
    return len(text) >= _MOST_DIGITS and _ENDLESS.search(text) is not None


def json_text(document: object, *, default: Callable[[object], object] | None = None, indent: int | None = 2) -> str:
    """A document as JSON for a screen or a log: nothing in it moves a cursor, or is a command to a CI system.

    What `harmless` writes in words would not be JSON any more; here the escapes are those of JSON itself.
    """
    return json.dumps(document, indent=indent, default=default).replace("##", "#\\u0023")


def json_of(text: str | bytes) -> Any:
    """What a JSON document holds.

    Raises:
        ValueError: it is not JSON, nested too deeply, or has a number of thousands of digits.
    """
    try:
        return json.loads(text, parse_int=_integer)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def _integer(digits: str) -> int:
    # Beyond, no file has so many bytes, and `float` raises what nobody expects of a number.
    if len(digits) > _LONGEST_INTEGER:
        raise ValueError(f"a number has {len(digits):,} digits")
    return int(digits)


def toml_of(text: str) -> dict[str, Any]:
    """What a TOML document holds.

    Raises:
        ValueError: a `TomlError`: it is not TOML, nested too deeply, or has a number of thousands of digits.
    """
    # Each part makes a table, and the parser keeps the path of each: a key of 40 kB takes 2 GB.
    if any(line.count(".") >= _MOST_PARTS and _has_long_key(line) for line in text.splitlines()):
        raise TomlError(f"a key has more than {_MOST_PARTS} parts")
    try:
        found: dict[str, Any] = tomllib.loads(text)
    except RecursionError:
        raise TomlError(_TOO_DEEP) from None
    except TomlError:
        raise
    except (ValueError, OverflowError) as error:
        raise TomlError(str(error)) from error
    return found


def _has_long_key(line: str) -> bool:
    return any(part.count(".") >= _MOST_PARTS for part in _BETWEEN.split(_TEXTS.sub("", line)))
