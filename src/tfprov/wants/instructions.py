"""Reads instructions in Markdown and reStructuredText: the commands in their code, else the packages that they list."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.requirements import Requirement

from tfprov.wants import commands
from tfprov.wants.basket import Basket
from tfprov.wants.names import MODULES, WRONG, wheel_of

# Also in a list or a quotation.
_FENCE = re.compile(r"^[\s>*+-]*(?:```|~~~)")
_INLINE = re.compile(r"(?<!`)(`{1,2})(?P<code>[^`]+)\1(?!`)")
_BULLET = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+`?(?P<asked>[A-Za-z0-9][\w.-]*(?:\[[\w,\s]+\])?\s*[=<>~!]=?[^`#(]*)")
_NAMES = re.compile(
    r"^(?:packages?|librar(?:y|ies)|modules?|dependenc(?:y|ies)|requirements?|names?|frameworks?|softwares?|tools?)\b",
    re.I,
)
_VERSIONS = re.compile(r"\bversions?\b", re.IGNORECASE)
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_NAME = re.compile(r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"v?(?P<version>\d+(?:\.\d+)*(?:(?:\.post|rc|a|b)\d+)?)(?P<any>\.[*x])?")
_BOUND = re.compile(r"[=<>~!]=?\s*\d")


def read(text: str, basket: Basket) -> None:
    """Add what instructions say is needed to the basket.

    Packages that they only list, in a table or under bullets, are read where no command installs anything.
    """
    listed = list(_listed(text))
    if commands.read("shell", _code_in(text), basket, is_all=not listed) or not listed:
        return
    words = "no command in it installs anything: the packages that it lists are read"
    basket.note(f"{basket.name}:{listed[0][0]}", words)
    for number, asked in listed:
        basket.want(asked, f"{basket.name}:{number}")


def _code_in(text: str) -> str:
    """The code in a text: fenced, indented, or within a line. All other lines are blank."""
    found: list[str] = []
    is_fenced = False
    for line in text.splitlines():
        is_fence = _FENCE.match(line) is not None
        is_fenced = is_fenced != is_fence
        is_code = is_fenced or line.startswith(("    ", "\t"))
        within = "; ".join(each["code"] for each in _INLINE.finditer(line))
        found.append("" if is_fence else line if is_code else within)
    return "\n".join(found)


def _listed(text: str) -> Iterator[tuple[int, str]]:
    """The requirements in tables, in fenced lists and under bullets, each with the number of its line."""
    columns: tuple[tuple[int, int], ...] = ()
    fenced: list[tuple[int, str]] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        cells = _cells(line)
        if _FENCE.match(line):
            yield from _of_block(fenced or [])
            fenced = [] if fenced is None else None
        elif fenced is not None:
            fenced.append((number, line.partition("#")[0].strip()))
        elif len(cells) < 2:
            columns = ()
            bullet = _BULLET.match(line)
            if bullet and _is_requirement(bullet["asked"]):
                yield number, bullet["asked"].strip()
        elif not columns:
            columns = tuple(_columns(cells))
        else:
            for name, version in columns:
                if version < len(cells) and (asked := _pin(cells[name], cells[version])):
                    yield number, asked


def _of_block(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """The lines of a block of code, where it shows a requirements file; else none."""
    found = [(number, line) for number, line in lines if line]
    is_list = any(_BOUND.search(line) for _, line in found) and all(_is_requirement(line) for _, line in found)
    return found if is_list else []


def _is_requirement(text: str) -> bool:
    try:
        Requirement(text.strip())
    except ValueError:
        return False
    return True


def _cells(line: str) -> list[str]:
    """The cells of a row of a table, without marks of emphasis and links; none for any other line."""
    row = line.strip()
    if not row.startswith("|"):
        return []
    return [_LINK.sub(r"\1", cell).strip(" `*_") for cell in row.strip("|").split("|")]


def _columns(header: list[str]) -> Iterator[tuple[int, int]]:
    """The columns of names, each with the column of versions that belongs to it; a wide table may have several."""
    name = None
    for index, title in enumerate(header):
        if _NAMES.match(title):
            name = index
        elif name is not None and _VERSIONS.search(title):
            yield name, index
            name = None


def _pin(name: str, version: str) -> str | None:
    """A row of a table as a requirement; None where it names no package, such as CUDA or a system, or no version."""
    # A module tells less of its version than its package has: `cv2` 4.4.0 is `opencv-python` 4.4.0.46.
    module, name = name, MODULES.get(name.lower()) or WRONG.get(name.lower()) or name
    if not _NAME.fullmatch(name) or (name.lower() != "python" and wheel_of(name) is None):
        return None
    if exact := _VERSION.fullmatch(version):
        return f"{name}=={exact['version']}{'.*' if exact['any'] or name != module else ''}"
    asked = f"{name}{version}"
    return asked if _BOUND.match(version) and _is_requirement(asked) else None
