"""Requirements files: the lines that ask for something, with the place of each mistake."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from tfprov.paths import expanded
from tfprov.redact import holds_password

_COMMENT = re.compile(r"(^|\s)#.*$")
_INCLUDE = re.compile(r"^(?:-[rc]\s*|--(?:requirement|constraint)(?:\s+|\s*=\s*))(?P<name>\S.*)$")
_OPTIONS_BEHIND = re.compile(r"\s+--[a-z].*$")  # per-requirement options such as --hash


def read_requirements(path: Path) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Requirements, constraints and problems of a file and of the files that it includes.

    The format is pip's. What cannot be honoured (an editable install, an index chosen inside the file) is a problem and
    not ignored: an environment without it would not be what the file asks for.

    Raises:
        OSError: the file itself cannot be read.
    """
    requirements: list[str] = []
    constraints: list[str] = []
    problems: list[str] = []
    _read(path, requirements, constraints, problems, seen=set())
    return tuple(requirements), tuple(constraints), tuple(problems)


def _read(path: Path, wanted: list[str], bounds: list[str], problems: list[str], seen: set[tuple[Path, bool]]) -> None:
    # A file may be included once as requirements and once as constraints.
    once = (path.resolve(), wanted is bounds)
    if once in seen:
        return
    seen.add(once)
    text = path.read_bytes().decode("utf-8-sig", "replace")
    for number, raw in _lines(text):
        line = _COMMENT.sub("", raw).strip()
        if not line:
            continue
        include = _INCLUDE.match(line)
        if include:
            inner = path.parent / expanded(include["name"].strip())
            into = bounds if line.startswith(("-c", "--constraint")) else wanted
            try:
                _read(inner, into, bounds, problems, seen)
            except OSError as error:
                problems.append(f"{path.name}:{number}: `{line}`: {error.strerror}")
        elif line.startswith("-"):
            problems.append(
                f"{path.name}:{number}: `{line.split()[0]}` cannot be honoured here: indexes belong into `[index]`, "
                "and only wheels are installed"
            )
        else:
            asked = _OPTIONS_BEHIND.sub("", line)
            problem = _problem(asked)
            if problem:
                problems.append(f"{path.name}:{number}: {problem}")
            else:
                wanted.append(asked)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with the number of their first part: one that ends with a backslash goes on in the next."""
    begun: tuple[int, str] | None = None
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        first, before = begun or (number, "")
        if line.endswith("\\"):
            begun = (first, f"{before}{line[:-1]} ")
        else:
            begun = None
            yield first, before + line
    if begun:
        yield begun


def _problem(asked: str) -> str | None:
    try:
        Requirement(asked)
    except InvalidRequirement as error:
        return f"`{asked}` is not a requirement: {str(error).splitlines()[0]}"
    if holds_password(asked):
        return "a password stands in the URL: put it in a variable and write `${NAME}`, or use netrc"
    return None
