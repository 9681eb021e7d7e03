"""Parsers for foreign JSON, TOML and numbers: a defect gives a `ValueError` or None, never endless use of memory."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packaging.version import Version
    from pydantic import ValidationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MOST_DIGITS = 600
_ENDLESS = re.compile(rf"\d{{{_MOST_DIGITS}}}")
TomlError = tomllib.TOMLDecodeError
"""The exception of `toml_of`; a `ValueError`."""
_TOO_DEEP = "it is nested too deeply to be read"
_MOST_PARTS = 100
_LONGEST_INTEGER = 300
_TEXTS = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'")
_BETWEEN = re.compile(r"[,=\[\]{}#]")


def has_endless_number(text: str) -> bool:
    """Whether a number in the text has more digits than Python parses (`sys.set_int_max_str_digits`)."""
    return len(text) >= _MOST_DIGITS and _ENDLESS.search(text) is not None


def whole_number(text: str) -> int | None:
    """The number that a text consists of, in digits of ASCII; None for any other text, and for thousands of digits.

    `int` after `str.isdigit` raises for `²`, and for more digits than Python parses.
    """
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_INTEGER else None


def numbers_in(version: str) -> tuple[int, ...]:
    """The numbers between the dots of a version, `(3, 12, 1)` for `3.12.1`, without parts that are not numbers."""
    return tuple(number for part in version.split(".") if (number := whole_number(part)) is not None)


def minor_of(version: str) -> str:
    """The minor version, `3.12` for `3.12.1`."""
    return ".".join(version.split(".")[:2])


def version_in(text: str) -> Version | None:
    """The version that a text is; None if it is none, or has a number that is too long to be compared."""
    from packaging.version import Version

    try:
        return Version(text)
    except ValueError:
        return None


def json_text(document: object, *, default: Callable[[object], object] | None = None, indent: int | None = 2) -> str:
    """A document as JSON that is safe to print: it cannot move the cursor, nor be a command to a CI system.

    The escapes are those of JSON itself, because the output of `harmless` would not be valid JSON.
    """
    return json.dumps(document, indent=indent, default=default).replace("##", "#\\u0023")


def json_of(text: str | bytes) -> Any:
    """The parsed JSON document.

    Raises:
        ValueError: it is not JSON, is nested too deeply, or has a number of thousands of digits.
    """
    try:
        return json.loads(text, parse_int=_integer)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def _integer(digits: str) -> int:
    # No real size or count is longer, and `float` raises an OverflowError for one that is.
    if len(digits) > _LONGEST_INTEGER:
        raise ValueError(f"a number has {len(digits):,} digits")
    return int(digits)


def toml_of(text: str) -> dict[str, Any]:
    """The parsed TOML document.

    Raises:
        ValueError: a `TomlError`: it is not TOML, is nested too deeply, or has a number of thousands of digits.
    """
    # The parser makes a table for each part of a dotted key and keeps the path of each: a key of 40 kB takes 2 GB.
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


def first_mistake(error: ValidationError) -> tuple[str, str]:
    """The first mistake that a validation found: the dotted place, empty for the whole document, and what is wrong."""
    first = error.errors(include_url=False)[0]
    return ".".join(str(part) for part in first["loc"]), first["msg"]


def mapping_of(value: object) -> Mapping[str, object]:
    """The value if it is a table or object; otherwise an empty one."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[object]:
    """The value if it is a list; otherwise an empty one."""
    return value if isinstance(value, list) else []


def mappings_of(value: object) -> list[dict[str, Any]]:
    """Those items of a list that are tables or objects; none if the value is not a list."""
    return [each for each in list_of(value) if isinstance(each, dict)]


def string_of(value: object) -> str:
    """The value if it is a text; otherwise an empty one."""
    return value if isinstance(value, str) else ""


def texts_of(value: object) -> tuple[str, ...]:
    """Those items of a list that are texts; none if the value is not a list."""
    return tuple(each for each in list_of(value) if isinstance(each, str))


def _has_long_key(line: str) -> bool:
    return any(part.count(".") >= _MOST_PARTS for part in _BETWEEN.split(_TEXTS.sub("", line)))
