"""Which rules match in a log, and where: one pass, bounded memory, most lines passed over without a look.

A line goes through three sieves. Lines of a shape that was seen before (the same text but for digits) need no second
look. Of the others, only those are looked at in which a word of a literal of a rule stands; and of the rules, only
those of which a literal stands in the line are tried. What words tell is remembered too: logs have few different ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import BinaryIO

from tfprov.diagnose.lines import LINE_LENGTH, blocks, clean, joined, without_colours
from tfprov.diagnose.literals import Group, Literal, beginnings, groups_of, word_of
from tfprov.diagnose.records import Hit, LogLine, Rule
from tfprov.redact import redact

_WORDS_AND_LINES = bytes(byte if 97 <= byte <= 122 or byte == 10 else 32 for byte in range(256))
"""Translates lines in lower case into their words, with blanks for all else."""

_SHAPE = bytes.maketrans(b"123456789", b"000000000")
_MOST_SHAPES = 20_000
_SHAPE_LENGTH = 300
"""Longer lines are not remembered, so that what is remembered stays small."""
_MOST_LINES = 12
_MOST_CLUES = 50
_MOST_HITS = 500
_MOST_WORDS = 100_000
_TAIL = 8
_EVIDENCE_LENGTH = 400
_NUMERIC = re.compile(r"\\d|(?<![{,\d])[0-9](?![\d,]*\})")
"""Of a pattern: it reads digits. How often something may stand there is no such digit."""
# Of a shape: numbers, addresses and hashes, however long.
_NUMBERS = re.compile(rb"[0-9a-f]*0[0-9a-f.]*")
# Here the digits are what tells: error numbers, statuses, signals.
_TELLING_NUMBER = re.compile(rb"(?:err\w*|code|status|https?|signal|exit\w*|capab\w*)[ :=/#(\[-]{0,3}0")
_VAIN_TRIES = 200
_WIDE_LINE = 1_000
_WIDE_VAIN_TRIES = 500
"""How often a rule is tried in vain in parts of endless lines: they are pages and archives, and each try is dear."""
_SPAN_TRIES = 5_000


@dataclass(frozen=True, slots=True)
class _Compiled:
    rule: Rule
    search: re.Pattern[str]
    numeric: bool


@dataclass(slots=True)
class _Found:
    compiled: _Compiled
    count: int = 0
    first: int = 0
    last: tuple[int, bytes] | None = None
    lines: list[LogLine] = field(default_factory=list)
    captures: dict[str, str] = field(default_factory=dict)

    def add(self, number: int, text: str, captures: dict[str, str | None]) -> None:
        self.count += 1
        self.first = self.first or number
        line = LogLine(number=number, text=text[:_EVIDENCE_LENGTH])
        if len(self.lines) < _MOST_LINES and (not self.lines or self.lines[-1] != line):
            self.lines.append(line)
        elif len(self.lines) >= _MOST_LINES:
            self.last = number, text.encode()
        for name, value in captures.items():
            if value:
                self.captures.setdefault(name.partition("__")[0], value)

    def hit(self) -> Hit:
        lines = list(self.lines)
        if self.last is not None:
            lines.append(LogLine(number=self.last[0], text=clean(self.last[1])[:_EVIDENCE_LENGTH]))
        return Hit(
            rule=self.compiled.rule,
            count=self.count,
            first=self.first,
            last=lines[-1].number,
            lines=tuple(LogLine(number=line.number, text=redact(line.text)) for line in lines),
            captures=MappingProxyType({name: redact(value) for name, value in self.captures.items()}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """What one pass over a log found.

    Attributes:
        hits: rules that matched, in the order of their first line.
        lines: number of lines.
        bytes: number of bytes as UTF-8.
        tail: the last lines that are not blank.
    """

    hits: tuple[Hit, ...]
    lines: int
    bytes: int
    tail: tuple[LogLine, ...]


class Scanner:
    """Rules made ready for many logs. Compiling takes some milliseconds; the scanner itself keeps no state of a log."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._compiled = [
            _Compiled(rule, re.compile(rule.pattern, re.IGNORECASE), bool(_NUMERIC.search(rule.pattern)))
            for rule in rules
        ]
        by_literal: dict[bytes, list[int]] = {}
        for index, rule in enumerate(rules):
            for literal in rule.needs:
                by_literal.setdefault(literal.encode(), []).append(index)
        # A literal is looked for in lines in which a word of it stands, or a longer word that holds that one.
        by_word: dict[bytes, list[Literal]] = {}
        for needle, indexes in by_literal.items():
            by_word.setdefault(word_of(needle), []).append((needle, tuple(indexes)))
        # By its first three letters: a new word of a log is looked up by every three that it has.
        self._by_letters: dict[bytes, list[tuple[bytes, tuple[Group, ...]]]] = {}
        for word, literals in by_word.items():
            self._by_letters.setdefault(word[:3], []).append((word, groups_of(word, literals)))
        self._beginnings = beginnings(by_word)

    def scan(self, stream: BinaryIO) -> Scanned:
        """Read a log to its end."""
        return _Pass(self._compiled, self._by_letters, self._beginnings).run(stream)


class _Pass:
    """The state of one pass."""

    def __init__(
        self,
        compiled: Sequence[_Compiled],
        by_letters: Mapping[bytes, Sequence[tuple[bytes, tuple[Group, ...]]]],
        beginnings: re.Pattern[bytes],
    ) -> None:
        self._compiled = compiled
        self._longest = max((one.rule.span for one in compiled), default=1) - 1
        self._by_letters = by_letters
        self._beginnings = beginnings
        # Rules that have matched so often that another match tells nothing new.
        self._done: set[int] = set()
        self._dull: set[bytes] = set()
        # A word of the log to the literals that are known by it or by a part of it.
        self._telling: dict[bytes, tuple[Group, ...]] = {}
        self._found: dict[int, _Found] = {}
        # Shape to the rules that matched in it; rules that read digits are looked up by the exact text instead.
        self._shapes: dict[bytes, tuple[int, ...]] = {}
        self._exact: dict[str, tuple[int, ...]] = {}
        self._vain: dict[bytes, int] = {}
        self._tedious: set[bytes] = set()
        self._wide_vain: dict[int, int] = {}
        self._span_tries: dict[int, int] = {}
        self._tail: list[tuple[int, bytes]] = []

    def run(self, stream: BinaryIO) -> Scanned:
        number = 1
        total = 0
        before: tuple[int, bytes] | None = None
        for block in blocks(stream):
            total += len(block)
            if before is not None:
                self._block(*before, following=block)
            before = (number, block)
            number += block.count(b"\n")
        if before is not None:
            self._block(*before, following=b"")
            number += not before[1].endswith(b"\n")
        hits = sorted((found.hit() for found in self._found.values()), key=lambda hit: (hit.first, hit.rule.name))
        tail = tuple(LogLine(number=at, text=redact(clean(raw))[:_EVIDENCE_LENGTH]) for at, raw in self._tail[-_TAIL:])
        return Scanned(hits=tuple(hits), lines=number - 1, bytes=total, tail=tuple(one for one in tail if one.text))

    def _block(self, number: int, block: bytes, *, following: bytes) -> None:
        block = without_colours(block)
        lines = block.split(b"\n")
        if lines and not lines[-1]:
            lines.pop()
        self._remember_tail(number, lines)
        lowered = block.lower()
        shapes = lowered.translate(_SHAPE).split(b"\n")
        known = self._shapes
        fresh: list[int] = []
        for index, shape in enumerate(shapes[: len(lines)]):
            rules = known.get(shape)
            if rules is None:
                fresh.append(index)
            elif rules:
                self._again(number + index, lines[index], rules)
        if self._tedious:
            fresh = [index for index in fresh if _kind(shapes[index]) not in self._tedious]
        if not fresh:
            return
        if len(known) > _MOST_SHAPES:
            known.clear()
        lows = lowered.split(b"\n")
        candidates = self._candidates(fresh, lows)
        for index in fresh:
            literals = candidates.get(index)
            if literals is None:
                shape = shapes[index]
                if len(shape) <= _SHAPE_LENGTH:
                    known[shape] = ()
            else:
                self._line(number, index, lines, shape=shapes[index], rules=literals, following=following)

    def _candidates(self, fresh: list[int], lows: list[bytes]) -> dict[int, list[int]]:
        """For the index of each line worth a look the rules worth a try: in order."""
        words = b"\n".join([lows[index] for index in fresh]).translate(_WORDS_AND_LINES).split(b"\n")
        self._learn(set(b" ".join(words).split()))
        telling = self._telling
        is_dull = telling.keys().isdisjoint
        found: dict[int, list[int]] = {}
        for index, line in zip(fresh, words, strict=True):
            parts = line.split()
            if is_dull(parts):
                continue
            low = lows[index]
            if len(low) > LINE_LENGTH:
                # Each part of it is asked by itself.
                found[index] = []
                continue
            rules = self._asked(parts, low) - self._done
            if rules:
                found[index] = sorted(rules)
        return found

    def _asked(self, words: Iterable[bytes], low: bytes) -> set[int]:
        """Rules of which a literal stands in a text with these words."""
        telling = self._telling
        return {
            rule
            for word in telling.keys() & words
            for start, literals in telling[word]
            if start in low
            for literal, indexes in literals
            if literal in low
            for rule in indexes
        }

    def _learn(self, words: set[bytes]) -> None:
        """Find out which words tell something, once for each."""
        if len(self._dull) + len(self._telling) > _MOST_WORDS:
            self._dull.clear()
            self._telling.clear()
        words -= self._dull
        words.difference_update(self._telling)
        by_letters = self._by_letters
        for word in set(self._beginnings.findall(b" ".join(words))):
            groups: list[Group] = []
            for start in range(len(word) - 2):
                for part, ones in by_letters.get(word[start : start + 3], ()):
                    if word.startswith(part, start):
                        groups += ones
            groups = self._of_use(groups) if groups else groups
            if groups:
                self._telling[word] = tuple(groups)
                words.discard(word)
        self._dull |= words

    def _line(
        self, number: int, index: int, lines: list[bytes], *, shape: bytes, rules: list[int], following: bytes
    ) -> None:
        raw = lines[index]
        after: list[str] | None = None
        matched: list[int] = []
        # What a pattern over several lines or one that reads digits says of this line, it need not say of another.
        varies = len(shape) > _SHAPE_LENGTH or any(
            self._compiled[rule].numeric or self._compiled[rule].rule.span > 1 for rule in rules
        )
        for window in _windows(raw):
            text = clean(window)
            known = self._exact.get(text)
            if known is not None:
                self._again(number + index, window, known)
                continue
            outcome = []
            spans = False
            for rule in rules if len(raw) <= LINE_LENGTH else self._worth(window):
                compiled = self._compiled[rule]
                read = text
                if compiled.rule.span > 1:
                    spans = True
                    if self._spent(rule):
                        continue
                    after = _following(lines, index, following, self._longest) if after is None else after
                    read = joined([text, *after[: compiled.rule.span - 1]])
                match = self._search(rule, read)
                if match is not None:
                    outcome.append(rule)
                    self._add(rule, number + index, text, match.groupdict())
            if not spans and len(text) <= _SHAPE_LENGTH:
                if len(self._exact) >= _MOST_SHAPES:
                    self._exact.clear()
                self._exact[text] = tuple(outcome)
            matched += outcome
        if not varies:
            self._shapes[shape] = tuple(matched)
        elif not matched:
            self._grow_tired(shape)

    def _search(self, rule: int, text: str) -> re.Match[str] | None:
        is_wide = len(text) > _WIDE_LINE
        if is_wide and self._wide_vain.get(rule, 0) > _WIDE_VAIN_TRIES:
            return None
        match = self._compiled[rule].search.search(text)
        if match is None and is_wide:
            self._wide_vain[rule] = self._wide_vain.get(rule, 0) + 1
        return match

    def _worth(self, window: bytes) -> list[int]:
        """The rules that a part of a long line is worth; its words were learned with those of the whole line."""
        low = window.lower()
        return sorted(self._asked(low.translate(_WORDS_AND_LINES).split(), low) - self._done)

    def _grow_tired(self, shape: bytes) -> None:
        """Lines of a kind that were read in vain often enough are passed over from now on, whatever their numbers."""
        if len(shape) > _SHAPE_LENGTH:
            return
        if len(self._vain) > _MOST_SHAPES:
            self._vain.clear()
        kind = _kind(shape)
        times = self._vain[kind] = self._vain.get(kind, 0) + 1
        if times > _VAIN_TRIES and len(self._tedious) < _MOST_SHAPES and not _TELLING_NUMBER.search(kind):
            self._tedious.add(kind)

    def _spent(self, rule: int) -> bool:
        """Whether a pattern over several lines has been tried often enough: it costs most and is never remembered."""
        tries = self._span_tries[rule] = self._span_tries.get(rule, 0) + 1
        return tries > _SPAN_TRIES

    def _add(self, rule: int, number: int, text: str, captures: dict[str, str | None]) -> None:
        found = self._found.get(rule)
        if found is None:
            found = self._found[rule] = _Found(self._compiled[rule])
        found.add(number, text, captures)
        if found.count >= (_MOST_CLUES if found.compiled.rule.rank == 0 else _MOST_HITS):
            self._give_up(rule)

    def _give_up(self, rule: int) -> None:
        """Look for a rule no more, nor for the literals that only such rules need."""
        self._done.add(rule)
        left = {word: tuple(self._of_use(groups)) for word, groups in self._telling.items()}
        self._telling = {word: groups for word, groups in left.items() if groups}
        self._dull.update(left.keys() - self._telling.keys())

    def _of_use(self, groups: Iterable[Group]) -> list[Group]:
        left = ((start, tuple(one for one in ones if not self._done.issuperset(one[1]))) for start, ones in groups)
        return [group for group in left if group[1]]

    def _again(self, number: int, raw: bytes, rules: tuple[int, ...]) -> None:
        for rule in rules:
            found = self._found[rule]
            if found.count < _MOST_LINES:
                found.add(number, clean(raw), {})
            else:
                # Millions of repetitions: the words of the last one are made readable at the end.
                found.count += 1
                found.last = number, raw[:LINE_LENGTH]

    def _remember_tail(self, number: int, lines: list[bytes]) -> None:
        start = max(0, len(lines) - 4 * _TAIL)
        kept = [(number + index, raw) for index, raw in enumerate(lines[start:], start)]
        self._tail = [*self._tail, *((at, raw[-LINE_LENGTH:]) for at, raw in kept if raw.strip())][-_TAIL:]


def _kind(shape: bytes) -> bytes:
    """A shape without the length of its numbers; itself when it is too long to be remembered."""
    return _NUMBERS.sub(b"0", shape) if len(shape) <= _SHAPE_LENGTH else shape


def _windows(raw: bytes) -> Iterator[bytes]:
    """The parts of a line that were on the screen one after the other; of long ones windows that overlap."""
    for part in raw.split(b"\r"):
        if len(part) <= LINE_LENGTH:
            yield part
            continue
        for start in range(0, min(len(part), 200 * LINE_LENGTH), LINE_LENGTH - 400):
            yield part[start : start + LINE_LENGTH]


def _following(lines: list[bytes], index: int, following: bytes, count: int) -> list[str]:
    after = lines[index + 1 : index + 1 + count]
    if len(after) < count and following:
        after = [*after, *following[: 4 * LINE_LENGTH].split(b"\n")[: count - len(after)]]
    return [clean(raw) for raw in after]
