"""Collects the matches of a rule while a log is being read."""

from __future__ import annotations

import functools
import re
from collections import deque
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from tfprov.diagnose.lines import clean, is_quoted
from tfprov.diagnose.quotes import any_quotes
from tfprov.diagnose.records import Hit, LogLine, Rule
from tfprov.redact import redact

MOST_LINES = 12
EVIDENCE_LENGTH = 400
"""Maximum number of characters kept of a line."""


@dataclass(frozen=True)
class Compiled:
    """A rule whose pattern is compiled when it is first asked: most logs ask few of the hundreds of rules.

    Attributes:
        rule: the rule.
        numeric: whether the pattern matches particular digits.
    """

    rule: Rule
    numeric: bool

    @functools.cached_property
    def search(self) -> re.Pattern[str]:
        """Its pattern, with quotes made optional."""
        return re.compile(any_quotes(self.rule.pattern), re.IGNORECASE)


@dataclass(slots=True)
class Found:
    """The matches of a rule so far.

    Attributes:
        compiled: the rule.
        count: number of matching lines.
        first: number of the first one, counted from 1; 0 before it.
        latest: numbers and contents of the last ones, when more match than are kept in `lines`.
        lines: the first `MOST_LINES` of them.
        captures: named groups by name; the first value of each is kept.
    """

    compiled: Compiled
    count: int = 0
    first: int = 0
    latest: deque[tuple[int, bytes]] = field(init=False)
    lines: list[LogLine] = field(default_factory=list)
    captures: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.latest = deque(maxlen=self.compiled.rule.latest)

    def add(self, number: int, raw: bytes, text: str, captures: dict[str, str]) -> None:
        """Add a matching line.

        Args:
            number: of the line, counted from 1.
            raw: the line as it is in the log.
            text: of the line, or of the part that matches.
            captures: named groups of the match; empty text for a group that did not participate.
        """
        self.count += 1
        self.first = self.first or number
        line = LogLine(number=number, text=text[:EVIDENCE_LENGTH], is_quoted=is_quoted(raw))
        if len(self.lines) < MOST_LINES and (not self.lines or self.lines[-1] != line):
            self.lines.append(line)
        elif len(self.lines) >= MOST_LINES:
            self.latest.append((number, text.encode()))
        for name, value in captures.items():
            if value:
                self.captures.setdefault(name.partition("__")[0], value)

    @property
    def last_number(self) -> int:
        """Number of the last matching line, counted from 1."""
        return self.latest[-1][0] if self.latest else self.lines[-1].number

    def hit(self) -> Hit:
        """The matches as an immutable record, with secrets redacted."""
        latest = (
            LogLine(number=number, text=clean(raw)[:EVIDENCE_LENGTH], is_quoted=is_quoted(raw))
            for number, raw in self.latest
        )
        lines = [*self.lines, *latest]
        return Hit(
            rule=self.compiled.rule,
            count=self.count,
            first=self.first,
            last=lines[-1].number,
            lines=tuple(replace(line, text=redact(line.text)) for line in lines),
            captures=MappingProxyType({name: redact(value) for name, value in self.captures.items()}),
        )
