"""Requirements files: the lines that ask for something, with the place of each mistake."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

_COMMENT = re.compile(r"(^|\s)#.*$")
_INCLUDE = re.compile(r"^(?:-r|--requirement|-c|--constraint)(?:\s+|=)(?P<name>\S.*)$")
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


def _read(path: Path, wanted: list[str], bounds: list[str], problems: list[str], seen: set[Path]) -> None:
    if path.resolve() in seen:
        return
    seen.add(path.resolve())
    text = path.read_bytes().decode("utf-8-sig", "replace")
    for number, raw in enumerate(re.sub(r"\\\r?\n", " ", text).splitlines(), start=1):
        line = _COMMENT.sub("", raw).strip()
        if not line:
            continue
        include = _INCLUDE.match(line)
        if include:
            inner = path.parent / include["name"].strip()
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
            try:
                Requirement(asked)
            except InvalidRequirement as error:
                problems.append(f"{path.name}:{number}: `{asked}` is not a requirement: {str(error).splitlines()[0]}")
            else:
                wanted.append(asked)
