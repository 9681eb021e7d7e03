"""Extracts inline script metadata (PEP 723)."""

from __future__ import annotations

import re

# The regular expression in the standard.
_BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")

NO_BLOCK = (
    "it is a program without a block `# /// script` that lists what it needs; "
    "`tfprov init --from FILE` writes a profile with what it imports"
)


def block(text: str) -> str:
    """The TOML document in the metadata block of a script.

    Raises:
        ValueError: there is none, or more than one.
    """
    found = [match for match in _BLOCK.finditer(f"{text}\n") if match["type"] == "script"]
    if len(found) > 1:
        raise ValueError("it has more than one block `# /// script`")
    if not found:
        raise ValueError(NO_BLOCK)
    lines = found[0]["content"].splitlines()
    return "".join(f"{line[2:] if line.startswith('# ') else line[1:]}\n" for line in lines)


def has_block(text: str) -> bool:
    """Whether a script has a metadata block, of whatever type."""
    return _BLOCK.search(f"{text}\n") is not None


def first_line(text: str) -> int:
    """Line number of the first line of TOML in the block, counted from 1.

    Raises:
        StopIteration: the script has no such block.
    """
    found = next(match for match in _BLOCK.finditer(f"{text}\n") if match["type"] == "script")
    return text.count("\n", 0, found.start("content")) + 1
