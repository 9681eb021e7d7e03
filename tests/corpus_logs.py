"""The corpus of logs under tests/corpus: what each log is, and whether a diagnosis of it is right.

A log is two files: `NAME.log`, bytes as a tool wrote them, and `NAME.json` beside it:

    code         failure code of the root; "noise" when the log only looks like a fault; null when nothing is wrong
    group        group of the code; null without a fault
    accept       further roots that an honest expert could name from this text; null for "not known"
    consequences codes that only follow from the root and may not stand as causes of their own
    context      what is known around the log: fields of `Context`
    made         "provoked": a real tool said it on a real machine; "by message format": written after the tool's source
    tool         which tool, which version
    command      what was run

Logs that people showed in public are in tests/public, several in a file. Each begins with a line
`### NAME | CODES | OWNER/REPOSITORY#NUMBER`: the code that the thread came to, or that the message tells, and others
that are right, then the thread. They are shortened, and names of people, folders and hosts are replaced. The cause was
written down before tfprov read the log; docs/diagnose.md says how many of each set were right then.
tests/messages holds what the tools can say, taken from their sources and binaries, in the same shape: a file for each
kind of tool, with the tool in place of the thread. The answer was written down before tfprov read the message.
installers.txt there holds parts of logs that installers wrote on a real machine, provoked as in tests/corpus.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tfprov.diagnose.records import NOISE, UNKNOWN, Diagnosis, LogContext
from tfprov.errors import CODES

FOLDER = Path(__file__).parent / "corpus"
PUBLIC = Path(__file__).parent / "public"
MESSAGES = Path(__file__).parent / "messages"
NONE = "-"
"""Stands for no fault in tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A log of the corpus.

    Attributes:
        name: of its files, unique.
        folder: group of the code, or `noise`, `clean`.
        code: of the root cause; None when there is no fault.
        accept: further roots that are right; None in it for "nothing known".
        consequences: codes that may not be causes.
        context: what is known around it.
        made: how it came to be; of a public log: the thread.
        content: the log.
    """

    name: str
    folder: str
    code: str | None
    accept: tuple[str | None, ...]
    consequences: tuple[str, ...]
    context: LogContext
    made: str
    content: bytes

    @property
    def roots(self) -> tuple[str | None, ...]:
        """Every root that is right, the best first."""
        return (self.code, *self.accept)

    @property
    def groups(self) -> tuple[str, ...]:
        """Every group that is right, the best first; `-` for no fault."""
        return tuple(dict.fromkeys(group_of(code) for code in self.roots))


def read(folder: Path = FOLDER) -> tuple[Log, ...]:
    """All logs, in order of their names."""
    return tuple(sorted(_read(folder), key=lambda log: log.name))


def _read(folder: Path) -> Iterator[Log]:
    for path in folder.rglob("*.json"):
        told = json.loads(path.read_text(encoding="utf-8"))
        context: Mapping[str, str | int | bool | None] = told.get("context", {})
        yield Log(
            name=path.stem,
            folder=path.parent.name,
            code=None if told["code"] == NOISE else told["code"],
            accept=tuple(told.get("accept", ())),
            consequences=tuple(told.get("consequences", ())),
            context=LogContext(**context),  # type: ignore[arg-type]  # a wrong field is a mistake of the corpus and raises
            made=told["made"],
            content=path.with_suffix(".log").read_bytes(),
        )


def read_public(folder: Path = PUBLIC) -> tuple[Log, ...]:
    """The logs that people showed in public, in order of their names. What has no code is taken for no fault."""
    return tuple(sorted(_read_public(folder), key=lambda log: log.name))


def _read_public(folder: Path) -> Iterator[Log]:
    for path in folder.glob("*.txt"):
        for part in path.read_text(encoding="utf-8").split("\n### "):
            head, _, text = part.removeprefix("### ").partition("\n")
            name, told, source = (word.strip() for word in head.split(" | "))
            code, *accept = (None if word in {NOISE, UNKNOWN} else word for word in told.split(","))
            yield Log(
                name=f"{path.stem}-{name}",
                folder=path.stem,
                code=code,
                accept=tuple(accept),
                consequences=(),
                context=LogContext(),
                made=source,
                content=text.encode(),
            )


def group_of(code: str | None) -> str:
    """The label of a code's group; `-` for no fault."""
    return NONE if code is None else CODES[code].group.label


def root_of(found: Diagnosis) -> str | None:
    """The code of the root cause; None when there is none."""
    return None if found.root is None else found.root.code


def faults(log: Log, found: Diagnosis) -> list[str]:
    """What is wrong with a diagnosis, in words; empty when it is right."""
    root = root_of(found)
    wrong: list[str] = []
    if root not in log.roots:
        wrong.append(
            f"the root is {root or 'nothing'}, not {' or '.join(str(code or 'nothing') for code in log.roots)}"
        )
    causes = [one.code for one in found.findings if one.role == "cause"]
    wrong += [f"{code} stands as a cause" for code in log.consequences if code in causes and code != root]
    return wrong
