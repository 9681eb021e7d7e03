"""Reads the files in which a project names its Python for pyenv, uv, asdf and hosting services."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfprov.wants.basket import Basket

NAMES = (".python-version", ".tool-versions", "runtime.txt")
"""Names of such files, the one that counts first."""

_PYTHON = re.compile(r"(?:c?python[-@]?)?(?P<version>3(?:\.\d+){0,2})(?:-dev|t)?(?:/.*)?")
_RANGE = re.compile(r"[<>=!~].*")


def read(text: str, basket: Basket) -> None:
    """Add the Python that such a file names to the basket; a note where it names none that tfprov can find.

    Args:
        text: content of the file.
        basket: collects it.
    """
    named = tuple(_named(text, of_asdf=basket.name == ".tool-versions"))
    for name in named:
        if _RANGE.fullmatch(name):
            basket.python(name, basket.name)
            return
        if found := _PYTHON.fullmatch(name):
            version = found["version"]
            basket.python(f"=={version}" if version.count(".") > 1 else f"=={version}.*", basket.name)
            return
    if named:
        basket.note(basket.name, f"`{named[0]}` is not a version of Python: left out")


def _named(text: str, *, of_asdf: bool) -> Iterator[str]:
    """What a file names, in order: one on each line, or for asdf on the line of Python."""
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if of_asdf:
            yield from words[1:] if words[:1] == ["python"] else ()
        elif words:
            yield "".join(words)
