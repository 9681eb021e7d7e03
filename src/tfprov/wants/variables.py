"""Variables in files of commands, whose values are written out in the same file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

_NAME = r"[A-Za-z_]\w*"
_SHELL = re.compile(rf"^\s*(?:(?:export|readonly|local|declare)\s+(?:-\w+\s+)*)?(?P<rest>{_NAME}=.*)$")
_DOCKERFILE = re.compile(r"^\s*(?:ARG|ENV)\s+(?P<rest>.*)$", re.IGNORECASE)
_PYTHON = re.compile(rf"^\s*(?P<name>{_NAME})\s*=\s*(?P<quote>['\"])(?P<value>[^'\"]*)(?P=quote)\s*(?:#.*)?$")
_GIVEN = re.compile(rf"^(?P<name>{_NAME})=(?P<value>.*)$", re.DOTALL)
_USED = re.compile(
    rf"\$(?P<plain>{_NAME})|\$\{{(?P<name>{_NAME})(?::?-(?P<default>[^{{}}]*))?\}}|(?<!\$)\{{(?P<python>{_NAME})\}}"
)
# `${VERSION:+==$VERSION}`: the second part only where there is a value.
_IF_SET = re.compile(rf"\$\{{(?P<name>{_NAME}):?\+(?P<then>(?:[^{{}}]|\{{[^{{}}]*\}})*)\}}")

Kind = Literal["notebook", "program", "dockerfile", "shell", "workflow"]


def values_in(kind: Kind, lines: Iterable[str]) -> dict[str, str]:
    """The variables of a file that have a single value in it, whatever path a run would take.

    Args:
        kind: of the file.
        lines: of the file; those of all cells for a notebook, and of the commands in a file of a CI service.
    """
    given: dict[str, set[str]] = {}
    for line in lines:
        for name, value in _assigned(kind, line):
            given.setdefault(name, set()).add(value)
    known = {name: next(iter(values)) for name, values in given.items() if len(values) == 1}
    # A value may name other variables. One that needs a command, or itself, has no value that is written out.
    for _ in range(len(known)):
        known = {
            name: filled(value, {other: text for other, text in known.items() if other != name})
            for name, value in known.items()
        }
    return {name: value for name, value in known.items() if not re.search(r"[$`]", value)}


def _assigned(kind: Kind, line: str) -> Iterator[tuple[str, str]]:
    if kind in ("notebook", "program"):
        if found := _PYTHON.match(line):
            yield found["name"], found["value"]
        return
    found = (_DOCKERFILE if kind == "dockerfile" else _SHELL).match(line)
    if found is None:
        return
    try:
        words = shlex.split(found["rest"], comments=True)
    except ValueError:
        return
    if kind == "dockerfile" and len(words) > 1 and "=" not in words[0]:
        # The older form, `ENV NAME value`.
        words = [f"{words[0]}={' '.join(words[1:])}"]
    given = [_GIVEN.match(word) for word in words]
    if kind != "dockerfile" and not all(given):
        return  # the variables are those of one command
    yield from ((each["name"], each["value"]) for each in given if each is not None)


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with the values of its variables; those without a value stay as they are."""

    def value(found: re.Match[str]) -> str:
        name = found["plain"] or found["name"] or found["python"]
        return values.get(name, found[0] if found["default"] is None else found["default"])

    return _USED.sub(value, _IF_SET.sub(lambda found: found["then"] if values.get(found["name"]) else "", text))


def unknown_in(text: str) -> str | None:
    """The first variable of a shell that is left in a text, as it is written there; None when there is none."""
    found = _USED.search(text)
    return found[0] if found is not None and not found["python"] else None
