"""Finds the rules that match in a log, in one pass with bounded memory, most lines of which are skipped.

A line passes three filters. A line of a known shape (the same text except for digits) is not examined again. Of the
others, only lines with an indexed word of some literal are examined; and only the rules are tried that have a literal
in the line. The result for each word is cached, because logs have few different words.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from tfprov.diagnose.found import EVIDENCE_LENGTH, MOST_LINES, Compiled, Found
from tfprov.diagnose.lines import (
    LINE_LENGTH,
    blocks,
    clean,
    following_lines,
    joined,
    windows,
    without_colours,
)
from tfprov.diagnose.quotes import bare, plain
from tfprov.diagnose.records import Hit, LogLine, Rule
from tfprov.diagnose.vocabulary import Index, Vocabulary
from tfprov.redact import redact

_SHAPE = bytes.maketrans(b"123456789", b"000000000").lower()
"""Translates lines into their shapes: in lower case, with every digit as 0."""
_MOST_SHAPES = 20_000
_SHAPE_LENGTH = 300
"""Longer lines are not cached, to keep the cache small."""
_MOST_CLUES = 50
_MOST_HITS = 500
_TAIL = 8
_NUMERIC = re.compile(r"\\d|(?<![{,\d])[0-9](?![\d,]*\})")
"""Finds digits that a pattern matches, but not those in its quantifiers."""
# Finds numbers, addresses and hashes of any length in a shape.
_NUMBERS = re.compile(rb"[0-9a-f]*0[0-9a-f.]*")
# Finds numbers that carry the meaning of a line: error numbers, statuses, signals.
_TELLING_NUMBER = re.compile(rb"(?:err\w*|code|status|https?|signal|exit\w*|capab\w*)[ :=/#(\[-]{0,3}0")
_VAIN_TRIES = 200
_ALL_VAIN_TRIES = 20_000
_RULE_VAIN_TRIES = 100
"""After `_ALL_VAIN_TRIES` failed matches of all rules, in lines of different shapes, a rule with more than this many is
given up, except at the end of the log."""
_FOLLOWING = 64 * 1024
_END_BLOCKS = 2
"""Number of blocks at the end of a log that are read again with the rules that were given up."""
_WIDE_LINE = 1_000
_ENDLESS = 100_000
_SPAN_TRIES = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """The result of one pass over a log.

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
    """Rules made ready for use on many logs, which takes some milliseconds. Keeps no state of a log."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._compiled = [Compiled(rule, bool(_NUMERIC.search(rule.pattern))) for rule in rules]
        self._index = Index(rules)

    def scan(self, stream: BinaryIO) -> Scanned:
        """Read a log to its end."""
        return _Pass(self._compiled, self._index).run(stream)


class _Pass:
    """The state of one pass."""

    def __init__(self, compiled: Sequence[Compiled], index: Index) -> None:
        self._compiled = compiled
        self._longest = max((one.rule.span for one in compiled), default=1) - 1
        self._index = index
        self._vocabulary = Vocabulary(index)
        self._found: dict[int, Found] = {}
        # Shapes with the rules that matched in them; for rules that match digits, the exact text is the key instead.
        self._shapes: dict[bytes, tuple[int, ...]] = {}
        self._exact: dict[str, tuple[int, ...]] = {}
        self._vain: dict[bytes, int] = {}
        self._tedious: set[bytes] = set()
        self._span_tries: dict[int, int] = {}
        self._rule_vain: dict[int, int] = {}
        self._all_vain = 0
        # Rules that are given up, except at the end of the log.
        self._weary: set[int] = set()
        # Clues that are given up, except at the end of the log, because they were found often enough.
        self._sated: set[int] = set()
        # When the end is read again: the line up to which the matches of each rule have been collected.
        self._read_until: dict[int, int] = {}
        self._is_patient = False
        self._end: deque[tuple[int, bytes, bytes]] = deque(maxlen=_END_BLOCKS)
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
        self._read_end_again()
        hits = sorted((found.hit() for found in self._found.values()), key=lambda hit: (hit.first, hit.rule.name))
        tail = tuple(LogLine(number=at, text=redact(clean(raw))[:EVIDENCE_LENGTH]) for at, raw in self._tail[-_TAIL:])
        return Scanned(hits=tuple(hits), lines=number - 1, bytes=total, tail=tuple(one for one in tail if one.text))

    def _read_end_again(self) -> None:
        """Read the last lines again with everything that was given up.

        The fatal error is usually there, and the last line by which the program can be seen to work.
        """
        given_up = self._weary | self._sated
        if not given_up and not self._vocabulary.has_given_up:
            return
        again = _Pass(self._compiled, self._index)
        again._found = self._found
        again._vocabulary = Vocabulary(self._index, done=self._vocabulary.done - given_up, is_patient=True)
        # The end is short enough to be read with all rules, whatever it costs.
        again._is_patient = True
        again._read_until = {rule: found.last_number for rule, found in self._found.items()}
        for number, block, following in tuple(self._end):
            again._block(number, block, following=following)

    def _block(self, number: int, block: bytes, *, following: bytes) -> None:
        self._end.append((number, block, following[:_FOLLOWING]))
        block = without_colours(block)
        lines = block.split(b"\n")
        if lines and not lines[-1]:
            lines.pop()
        self._remember_tail(number, lines)
        bare_block = bare(block)
        lows = bare_block.split(b"\n")
        if self._vocabulary.is_babel:
            candidates = self._vocabulary.candidates(range(len(lines)), lows, bare_block)
        else:
            candidates = self._unknown(number, lines, lows, shapes=block.translate(_SHAPE).split(b"\n"))
        for index, rules in candidates.items():
            shape = lines[index].translate(_SHAPE)
            self._line(number, index, lines, shape=shape, rules=rules, following=following)

    def _unknown(
        self, number: int, lines: list[bytes], lows: list[bytes], *, shapes: list[bytes]
    ) -> dict[int, list[int]]:
        """The candidates among lines of a new shape; repeated matches in lines of a known shape are counted at once."""
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
            return {}
        candidates = self._vocabulary.candidates(fresh, lows, b"\n".join([lows[index] for index in fresh]))
        if len(known) > _MOST_SHAPES:
            known.clear()
        dull = [shapes[index] for index in fresh if index not in candidates]
        known.update(dict.fromkeys([shape for shape in dull if len(shape) <= _SHAPE_LENGTH], ()))
        return candidates

    def _line(
        self, number: int, index: int, lines: list[bytes], *, shape: bytes, rules: list[int], following: bytes
    ) -> None:
        raw = lines[index]
        after: list[str] | None = None
        matched: list[int] = []
        # The result for this line cannot be reused for others if a pattern matches digits or spans several lines.
        varies = len(shape) > _SHAPE_LENGTH or any(
            self._compiled[rule].numeric or self._compiled[rule].rule.span > 1 for rule in rules
        )
        for window in windows(raw):
            is_wide = len(window) > _WIDE_LINE or len(raw) > _ENDLESS
            worth = rules if len(raw) <= LINE_LENGTH else self._worth(window, is_wide=is_wide)
            if not worth:
                continue
            text = clean(window)
            known = self._exact.get(text)
            if known is not None:
                self._again(number + index, window, known)
                continue
            outcome = []
            spans = False
            plain_text = plain(text)
            for rule in worth:
                if rule in self._vocabulary.done:
                    continue
                compiled = self._compiled[rule]
                read, plain_read = text, plain_text
                if compiled.rule.span > 1:
                    spans = True
                    # Such a pattern is the most expensive, and its result is never cached.
                    tries = self._span_tries[rule] = self._span_tries.get(rule, 0) + 1
                    if tries > _SPAN_TRIES:
                        continue
                    after = following_lines(lines, index, following, self._longest) if after is None else after
                    read = joined([text, *after[: compiled.rule.span - 1]])
                    plain_read = plain(read)
                match = self._search(rule, plain_read, is_wide=is_wide)
                if match is not None:
                    outcome.append(rule)
                    captures = {name: read[slice(*match.span(name))] for name in match.re.groupindex}
                    self._add(rule, number + index, raw, text, captures)
            if not spans and len(text) <= _SHAPE_LENGTH:
                if len(self._exact) >= _MOST_SHAPES:
                    self._exact.clear()
                self._exact[text] = tuple(outcome)
            matched += outcome
        if not varies:
            self._shapes[shape] = tuple(matched)
        elif not matched:
            self._grow_tired(shape)

    def _search(self, rule: int, text: str, *, is_wide: bool) -> re.Match[str] | None:
        if is_wide and rule in self._vocabulary.tired:
            return None
        match = self._compiled[rule].search.search(text)
        if match is None:
            self._grow_weary(rule)
        if match is None and is_wide:
            self._vocabulary.tire_of(rule)
        return match

    def _grow_weary(self, rule: int) -> None:
        self._all_vain += 1
        tries = self._rule_vain[rule] = self._rule_vain.get(rule, 0) + 1
        if (
            not self._is_patient
            and self._all_vain > _ALL_VAIN_TRIES
            and tries > _RULE_VAIN_TRIES
            and rule not in self._weary
        ):
            self._weary.add(rule)
            self._vocabulary.give_up(rule)

    def _worth(self, window: bytes, *, is_wide: bool) -> list[int]:
        """The rules to try in a part of a long line, unless its shape is known to lead to none."""
        shape = window.translate(_SHAPE)
        if self._shapes.get(shape) == ():
            return []
        rules = self._vocabulary.candidates_in_part(bare(window), is_wide=is_wide)
        if not rules and not is_wide and len(shape) <= _SHAPE_LENGTH and len(self._shapes) <= _MOST_SHAPES:
            self._shapes[shape] = ()
        return sorted(rules)

    def _grow_tired(self, shape: bytes) -> None:
        """Skip lines of a kind from now on, whatever their numbers, if they were tried without a match too often."""
        if len(shape) > _SHAPE_LENGTH:
            return
        if len(self._vain) > _MOST_SHAPES:
            self._vain.clear()
        kind = _kind(shape)
        times = self._vain[kind] = self._vain.get(kind, 0) + 1
        if times > _VAIN_TRIES and len(self._tedious) < _MOST_SHAPES and not _TELLING_NUMBER.search(kind):
            self._tedious.add(kind)

    def _add(self, rule: int, number: int, raw: bytes, text: str, captures: dict[str, str]) -> None:
        if number <= self._read_until.get(rule, 0):
            return
        found = self._found.get(rule)
        if found is None:
            found = self._found[rule] = Found(self._compiled[rule])
        found.add(number, raw, text, captures)
        is_clue = found.compiled.rule.rank == 0
        if found.count >= (_MOST_CLUES if is_clue else _MOST_HITS) and not (is_clue and self._is_patient):
            self._vocabulary.give_up(rule)
            if is_clue:
                self._sated.add(rule)

    def _again(self, number: int, raw: bytes, rules: tuple[int, ...]) -> None:
        for rule in rules:
            found = self._found[rule]
            if found.count < MOST_LINES:
                found.add(number, raw, clean(raw), {})
            else:
                # A line may repeat millions of times, so only the last ones are cleaned, at the end.
                found.count += 1
                found.latest.append((number, raw[:LINE_LENGTH]))

    def _remember_tail(self, number: int, lines: list[bytes]) -> None:
        start = max(0, len(lines) - 4 * _TAIL)
        kept = [(number + index, raw) for index, raw in enumerate(lines[start:], start)]
        self._tail = [*self._tail, *((at, raw[-LINE_LENGTH:]) for at, raw in kept if raw.strip())][-_TAIL:]


def _kind(shape: bytes) -> bytes:
    """A shape regardless of the length of its numbers; the shape itself when it is too long to be cached."""
    return _NUMBERS.sub(b"0", shape) if len(shape) <= _SHAPE_LENGTH else shape
