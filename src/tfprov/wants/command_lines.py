"""Divides shell scripts and Dockerfiles into command lines, each with its here-documents."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

_DOCUMENT = re.compile(r"(?<!<)<<(?P<tabs>-?)\s*(?P<quote>['\"]?)(?P<mark>[A-Za-z_][\w.-]*)(?P=quote)")
_MARK = re.compile(r"[A-Za-z_][\w.-]*")
_ESCAPE = re.compile(r"(?im)\A(?:#\s*\w+\s*=.*\n)*#\s*escape\s*=\s*`\s*$")
_SHELL = re.compile(r"^(?:.*/)?(?:ba|da|z|k)?sh$")
_TO_FILE = re.compile(r"\bcat\b.*>\s*(?P<to>[^\s>&|;]+)|\btee\s+(?:-a\s+)?(?P<tee>[^\s>&|;]+)")
_TAKES_A_FILE = re.compile(r"^\s*(?:COPY|ADD)\s.*\s(?P<to>\S+)\s*$", re.IGNORECASE)
_DEEPEST = 8  # here-documents within each other; no script that people write has more than two
_BEFORE = re.compile(r"^(?:RUN|--\S+|sudo)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """One command line, or a file that one writes.

    Attributes:
        text: the command, joined where it continues on further lines; or the content of the file.
        number: of its first line, counted from 1.
        file: the path that the content is written to; empty for a command.
    """

    text: str
    number: int
    file: str = ""


def command_lines(text: str, *, is_dockerfile: bool = False, depth: int = 0) -> Iterator[CommandLine]:
    """The command lines of a text in order; comments are skipped.

    A here-document for a shell is divided into its own lines, each as a `RUN` in a Dockerfile. One that is written to a
    file is given with its path; those for other programs are skipped.

    Args:
        text: of the file.
        is_dockerfile: whether blank lines and comments may stand between the parts of a line, as in Docker.
        depth: number of here-documents that the text lies in; those that lie deeper than in any script are skipped.
    """
    escape = "`" if is_dockerfile and _ESCAPE.match(text) else "\\"
    lines = text.splitlines()
    ends = _places(lines), _places([line.lstrip("\t") for line in lines])
    at = 0
    while at < len(lines):
        begun, first = "", at
        while at < len(lines):
            line = lines[at]
            at += 1
            is_between = line.lstrip().startswith("#") or (is_dockerfile and begun and not line.strip())
            if is_between:
                first = first if begun else at
                continue
            if not line.rstrip().endswith(escape):
                begun += line
                break
            begun += line.rstrip().removesuffix(escape) + " "
        if not begun:
            continue
        documents = []
        for found in _DOCUMENT.finditer(begun):
            places = ends[bool(found["tabs"])].get(found["mark"], [])
            # Without its end it is something else, such as a shift in arithmetic.
            if (place := bisect_left(places, at)) < len(places):
                content = lines[at : places[place]]
                inner = "\n".join(line.lstrip("\t") if found["tabs"] else line for line in content)
                documents.append(CommandLine(text=inner, number=at))
                at = places[place] + 1
        command = _DOCUMENT.sub("", begun) if documents else begun
        yield CommandLine(text=command, number=first + 1)
        for document in documents:
            yield from _of_document(command, document, depth + 1)


def _places(lines: list[str]) -> dict[str, list[int]]:
    """The positions of each line that may end a here-document, ascending."""
    found = defaultdict(list)
    for position, line in enumerate(lines):
        if _MARK.fullmatch(line):
            found[line].append(position)
    return found


def _of_document(command: str, document: CommandLine, depth: int) -> Iterator[CommandLine]:
    """What a here-document holds for a command: lines of a shell, or a file."""
    words = [word for word in command.split() if not _BEFORE.match(word)]
    written = _TO_FILE.search(command) or _TAKES_A_FILE.match(command)
    if written is not None:
        name = next(filter(None, written.groups()))
        yield CommandLine(text=document.text, number=document.number, file=name)
    elif depth < _DEEPEST and (not words or _SHELL.match(words[0])) and not re.match(r"#!(?!.*sh\b)", document.text):
        run = "RUN " if command.lstrip()[:4].upper() == "RUN " else ""
        for inner in command_lines(document.text, depth=depth):
            text = inner.text if inner.file else run + inner.text
            yield CommandLine(text=text, number=document.number + inner.number, file=inner.file)
