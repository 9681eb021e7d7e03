"""A rule that matches in a log, while that is read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType

from tfprov.diagnose.lines import clean
from tfprov.diagnose.records import Hit, LogLine, Rule
from tfprov.redact import redact

MOST_LINES = 12
EVIDENCE_LENGTH = 400
"""Of a line: longer ones are cut."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A rule with its pattern, and whether that reads digits."""

    rule: Rule
    search: re.Pattern[str]
    numeric: bool


@dataclass(slots=True)
class Found:
    """How often a rule matched, and the lines that are kept of it: the first few and the last one."""

    compiled: Compiled
    count: int = 0
    first: int = 0
    last: tuple[int, bytes] | None = None
    lines: list[LogLine] = field(default_factory=list)
    captures: dict[str, str] = field(default_factory=dict)

    def add(self, number: int, text: str, captures: dict[str, str]) -> None:
        """Another line that matched, with the groups of the match; empty where one did not take part."""
        self.count += 1
        self.first = self.first or number
        line = LogLine(number=number, text=text[:EVIDENCE_LENGTH])
        if len(self.lines) < MOST_LINES and (not self.lines or self.lines[-1] != line):
            self.lines.append(line)
        elif len(self.lines) >= MOST_LINES:
            self.last = number, text.encode()
        for name, value in captures.items():
            if value:
                self.captures.setdefault(name.partition("__")[0], value)

    @property
    def last_number(self) -> int:
        """Number of the last line that matched."""
        return self.last[0] if self.last is not None else self.lines[-1].number

    def hit(self) -> Hit:
        """What is told of it, without secrets."""
        lines = list(self.lines)
        if self.last is not None:
            lines.append(LogLine(number=self.last[0], text=clean(self.last[1])[:EVIDENCE_LENGTH]))
        return Hit(
            rule=self.compiled.rule,
            count=self.count,
            first=self.first,
            last=lines[-1].number,
            lines=tuple(LogLine(number=line.number, text=redact(line.text)) for line in lines),
            captures=MappingProxyType({name: redact(value) for name, value in self.captures.items()}),
        )
