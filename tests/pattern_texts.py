"""Texts that a regular expression matches: the shortest ones, one at least for every alternative in it."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any

_parser: Any = import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")

_MOST = 400
"""Of the texts of one part of a pattern: more are thinned out evenly."""
_CATEGORIES = {"CATEGORY_DIGIT": "7", "CATEGORY_WORD": "w", "CATEGORY_SPACE": " ", "CATEGORY_NOT_SPACE": "w"}


def texts_of(pattern: str) -> Iterator[str]:
    """Texts that the pattern matches; every alternative and every optional part is taken and left out once at least."""
    compiled = re.compile(pattern, re.IGNORECASE)
    for text in dict.fromkeys(_of(_parser.parse(pattern), {})):
        # What is forbidden or demanded around a place is not built, but tried: where words run together, a blank helps.
        tried = (text, f" {text} ", f"{text}.", f"x {text} x")
        found = next((one for one in tried if compiled.search(one)), None)
        if found is not None:
            yield found


def _of(parts: Iterable[tuple[Any, Any]], groups: dict[int, str]) -> list[str]:
    found = [""]
    for operation, argument in parts:
        found = _thinned(
            [before + after for before, after in itertools.product(found, _one(operation, argument, groups))]
        )
    return found


def _one(operation: Any, argument: Any, groups: dict[int, str]) -> Sequence[str]:
    name = str(operation)
    if name == "LITERAL":
        return [chr(argument)]
    if name in {"NOT_LITERAL", "ANY"}:
        # A blank, since a word may have to begin after it.
        return [" "]
    if name == "IN":
        return [_of_set(argument)]
    if name == "BRANCH":
        return _thinned([text for branch in argument[1] for text in _of(branch, groups)])
    if name == "SUBPATTERN":
        return _of(argument[3], groups)
    if name in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
        least, most, part = argument
        inner = _of(part, groups)
        # An optional part is left out; one that holds words of its own is there as well.
        if least:
            return [text * least for text in inner]
        return ["", *inner] if most == 1 else ["", " "] if str(part[0][0]) in {"ANY", "IN"} else [""]
    if name == "GROUPREF":
        return ["w"]
    return [""]


def _of_set(items: Sequence[tuple[Any, Any]]) -> str:
    """A character of a set."""
    negated = bool(items) and str(items[0][0]) == "NEGATE"
    allowed: list[str] = []
    for operation, argument in items:
        name = str(operation)
        if name == "LITERAL":
            allowed.append(chr(argument))
        elif name == "RANGE":
            allowed.append(chr(argument[0]))
        elif name == "CATEGORY":
            allowed.append(_CATEGORIES.get(str(argument), "w"))
    if not negated:
        return allowed[0]
    return next(one for one in "w7-_ " if one not in allowed)


def _thinned(texts: Sequence[str]) -> list[str]:
    unique = list(dict.fromkeys(texts))
    return unique if len(unique) <= _MOST else unique[:: len(unique) // _MOST + 1]
