"""Which rules match in a log, and where: one pass, bounded memory, most lines passed over without a look.

A line goes through three sieves. Lines of a shape that was seen before (the same text but for digits) need no second
look. Of the others, only those are looked at in which a word of a literal of a rule stands; and of the rules, only
those of which a literal stands in the line are tried. What words tell is remembered too: logs have few different ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import BinaryIO

from tfprov.diagnose.found import EVIDENCE_LENGTH, MOST_LINES, Compiled, Found
from tfprov.diagnose.lines import (
    LINE_LENGTH,
    blocks,
    clean,
    following_lines,
    joined,
    lines_with,
    windows,
    without_colours,
)
from tfprov.diagnose.literals import Group, Literal, beginnings, groups_of, word_of
from tfprov.diagnose.records import Hit, LogLine, Rule
from tfprov.redact import redact

_WORDS_AND_LINES = bytes(byte if 97 <= byte <= 122 or byte == 10 else 32 for byte in range(256))
"""Translates lines in lower case into their words, with blanks for all else."""

_SHAPE = bytes.maketrans(b"123456789", b"000000000")
_MOST_SHAPES = 20_000
_SHAPE_LENGTH = 300
"""Longer lines are not remembered, so that what is remembered stays small."""
_MOST_CLUES = 50
_MOST_HITS = 500
_MOST_WORDS = 100_000
"""Beyond that a log is not of words: then those alone tell that rules or their examples have, and very long ones."""
_LONG_WORD = 11
_FEW_WORDS = 24
"""Up to so many telling words are looked for in a block; with more of them, each line is asked for its words."""
_TAIL = 8
_NUMERIC = re.compile(r"\\d|(?<![{,\d])[0-9](?![\d,]*\})")
"""Of a pattern: it reads digits. How often something may stand there is no such digit."""
# Of a shape: numbers, addresses and hashes, however long.
_NUMBERS = re.compile(rb"[0-9a-f]*0[0-9a-f.]*")
# Here the digits are what tells: error numbers, statuses, signals.
_TELLING_NUMBER = re.compile(rb"(?:err\w*|code|status|https?|signal|exit\w*|capab\w*)[ :=/#(\[-]{0,3}0")
_VAIN_TRIES = 200
_WIDE_LINE = 1_000
_ENDLESS = 100_000
_WIDE_VAIN_TRIES = 100
"""How often a rule is tried in vain in parts of endless lines: they are pages and archives, and each try is dear."""
_SPAN_TRIES = 5_000


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
            Compiled(rule, re.compile(rule.pattern, re.IGNORECASE), bool(_NUMERIC.search(rule.pattern)))
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
        examples = "\n".join(example for rule in rules for example in rule.examples).lower().encode()
        self._own_words = frozenset({*by_word, *examples.translate(_WORDS_AND_LINES).split()})

    def scan(self, stream: BinaryIO) -> Scanned:
        """Read a log to its end."""
        return _Pass(self._compiled, self._by_letters, self._beginnings, self._own_words).run(stream)


class _Pass:
    """The state of one pass."""

    def __init__(
        self,
        compiled: Sequence[Compiled],
        by_letters: Mapping[bytes, Sequence[tuple[bytes, tuple[Group, ...]]]],
        beginnings: re.Pattern[bytes],
        own_words: frozenset[bytes],
    ) -> None:
        self._compiled = compiled
        self._longest = max((one.rule.span for one in compiled), default=1) - 1
        self._by_letters = by_letters
        self._beginnings = beginnings
        self._own_words = own_words
        # Whether the log has so many words that it is not of a language.
        self._is_babel = False
        # Rules that have matched so often that another match tells nothing new.
        self._done: set[int] = set()
        self._dull: set[bytes] = set()
        # A word of the log to the literals that are known by it or by a part of it.
        self._telling: dict[bytes, tuple[Group, ...]] = {}
        self._found: dict[int, Found] = {}
        # Shape to the rules that matched in it; rules that read digits are looked up by the exact text instead.
        self._shapes: dict[bytes, tuple[int, ...]] = {}
        self._exact: dict[str, tuple[int, ...]] = {}
        self._vain: dict[bytes, int] = {}
        self._tedious: set[bytes] = set()
        self._wide_vain: dict[int, int] = {}
        # Of endless lines: rules that are not tried any more, how often words stood there in vain, and the words left.
        self._tired: set[int] = set()
        self._vain_words: dict[bytes, int] = {}
        self._wide_telling: dict[bytes, tuple[Group, ...]] = {}
        self._wide_of = (0, 0)
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
        tail = tuple(LogLine(number=at, text=redact(clean(raw))[:EVIDENCE_LENGTH]) for at, raw in self._tail[-_TAIL:])
        return Scanned(hits=tuple(hits), lines=number - 1, bytes=total, tail=tuple(one for one in tail if one.text))

    def _block(self, number: int, block: bytes, *, following: bytes) -> None:
        block = without_colours(block)
        lines = block.split(b"\n")
        if lines and not lines[-1]:
            lines.pop()
        self._remember_tail(number, lines)
        lowered = block.lower()
        lows = lowered.split(b"\n")
        if self._is_babel:
            candidates = self._candidates(range(len(lines)), lows, lowered)
        else:
            candidates = self._unknown(number, lines, lows, shapes=lowered.translate(_SHAPE).split(b"\n"))
        for index, rules in candidates.items():
            shape = lows[index].translate(_SHAPE)
            self._line(number, index, lines, shape=shape, rules=rules, following=following)

    def _unknown(
        self, number: int, lines: list[bytes], lows: list[bytes], *, shapes: list[bytes]
    ) -> dict[int, list[int]]:
        """The same of the lines alone of which the shape was not seen before; the others are counted."""
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
        candidates = self._candidates(fresh, lows, b"\n".join([lows[index] for index in fresh]))
        if len(known) > _MOST_SHAPES:
            known.clear()
        dull = (shapes[index] for index in fresh if index not in candidates)
        known.update((shape, ()) for shape in dull if len(shape) <= _SHAPE_LENGTH)
        return candidates

    def _candidates(self, indexes: Sequence[int], lows: list[bytes], text: bytes) -> dict[int, list[int]]:
        """For the index of each line worth a look the rules worth a try, in order.

        Args:
            indexes: of the lines to look at.
            lows: all lines of the block in lower case.
            text: the lines to look at, one after the other.
        """
        text = text.translate(_WORDS_AND_LINES)
        vocabulary = self._vocabulary(text.split())
        self._learn(vocabulary)
        present = self._telling.keys() & vocabulary
        if not present:
            return {}
        words = text.split(b"\n")
        found: dict[int, list[int]] = {}
        for place in lines_with(text, present) if len(present) <= _FEW_WORDS else range(len(indexes)):
            parts = words[place].split()
            if present.isdisjoint(parts):
                continue
            index = indexes[place]
            low = lows[index]
            if len(low) > LINE_LENGTH:
                # Each part of it is asked by itself.
                found[index] = []
                continue
            rules = self._asked(self._telling, parts, low) - self._done
            if rules:
                found[index] = sorted(rules)
        return found

    @staticmethod
    def _asked(telling: Mapping[bytes, tuple[Group, ...]], words: Iterable[bytes], low: bytes) -> set[int]:
        """Rules of which a literal stands in a text with these words."""
        return {
            rule
            for word in telling.keys() & words
            for start, literals in telling[word]
            if start in low
            for literal, indexes in literals
            if literal in low
            for rule in indexes
        }

    def _vocabulary(self, words: list[bytes]) -> set[bytes]:
        """The different words of a text; where a log has too many, those alone that may tell something."""
        if not self._is_babel:
            return set(words)
        found = (self._telling.keys() | self._own_words).intersection(words)
        return found.union(
            [word for word in words if len(word) >= _LONG_WORD] if len(self._telling) < _MOST_WORDS else ()
        )

    def _learn(self, words: set[bytes]) -> None:
        """Find out which words tell something, once for each."""
        new = words - self._dull
        new.difference_update(self._telling)
        by_letters = self._by_letters
        for word in set(self._beginnings.findall(b" ".join(new))) if new else ():
            groups: list[Group] = []
            for start in range(len(word) - 2):
                for part, ones in by_letters.get(word[start : start + 3], ()):
                    if word.startswith(part, start):
                        groups += ones
            groups = self._of_use(groups) if groups else groups
            if groups:
                self._telling[word] = tuple(groups)
                new.discard(word)
        self._dull |= new & self._own_words if self._is_babel else new
        self._is_babel = self._is_babel or len(self._dull) > _MOST_WORDS

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
            for rule in worth:
                compiled = self._compiled[rule]
                read = text
                if compiled.rule.span > 1:
                    spans = True
                    # Such a pattern costs most, and what it says is never remembered.
                    tries = self._span_tries[rule] = self._span_tries.get(rule, 0) + 1
                    if tries > _SPAN_TRIES:
                        continue
                    after = following_lines(lines, index, following, self._longest) if after is None else after
                    read = joined([text, *after[: compiled.rule.span - 1]])
                match = self._search(rule, read, is_wide=is_wide)
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

    def _search(self, rule: int, text: str, *, is_wide: bool) -> re.Match[str] | None:
        if is_wide and rule in self._tired:
            return None
        match = self._compiled[rule].search.search(text)
        if match is None and is_wide:
            tries = self._wide_vain[rule] = self._wide_vain.get(rule, 0) + 1
            if tries > _WIDE_VAIN_TRIES:
                self._tired.add(rule)
        return match

    def _worth(self, window: bytes, *, is_wide: bool) -> list[int]:
        """The rules that a part of a long line is worth; its words were learned with those of the whole line."""
        low = window.lower()
        shape = low.translate(_SHAPE)
        if self._shapes.get(shape) == ():
            return []
        words = low.translate(_WORDS_AND_LINES).split()
        telling = self._telling_in(is_wide)
        rules = self._asked(telling, words, low) - self._done
        if is_wide:
            rules -= self._tired
            self._tire(telling.keys() & words if not rules else ())
        if not rules and not is_wide and len(shape) <= _SHAPE_LENGTH and len(self._shapes) <= _MOST_SHAPES:
            self._shapes[shape] = ()
        return sorted(rules)

    def _tire(self, words: Iterable[bytes]) -> None:
        """Words that stood in parts of endless lines in vain often enough are no reason to look there any more."""
        for word in words:
            times = self._vain_words[word] = self._vain_words.get(word, 0) + 1
            if times > _WIDE_VAIN_TRIES:
                del self._wide_telling[word]

    def _telling_in(self, is_wide: bool) -> Mapping[bytes, tuple[Group, ...]]:
        """The words that tell something; in parts of endless lines without those that were looked at there in vain."""
        if not is_wide:
            return self._telling
        if self._wide_of != (len(self._telling), len(self._tired)):
            self._wide_of = len(self._telling), len(self._tired)
            left = {word: tuple(self._of_use(groups, self._tired)) for word, groups in self._telling.items()}
            self._wide_telling = {
                word: groups
                for word, groups in left.items()
                if groups and self._vain_words.get(word, 0) <= _WIDE_VAIN_TRIES
            }
        return self._wide_telling

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

    def _add(self, rule: int, number: int, text: str, captures: dict[str, str | None]) -> None:
        found = self._found.get(rule)
        if found is None:
            found = self._found[rule] = Found(self._compiled[rule])
        found.add(number, text, captures)
        if found.count >= (_MOST_CLUES if found.compiled.rule.rank == 0 else _MOST_HITS):
            self._give_up(rule)

    def _give_up(self, rule: int) -> None:
        """Look for a rule no more, nor for the literals that only such rules need."""
        self._done.add(rule)
        left = {word: tuple(self._of_use(groups)) for word, groups in self._telling.items()}
        self._telling = {word: groups for word, groups in left.items() if groups}
        self._dull.update(left.keys() - self._telling.keys())

    def _of_use(self, groups: Iterable[Group], tired: Set[int] = frozenset()) -> list[Group]:
        useless = self._done | tired if tired else self._done
        left = ((start, tuple(one for one in ones if not useless.issuperset(one[1]))) for start, ones in groups)
        return [group for group in left if group[1]]

    def _again(self, number: int, raw: bytes, rules: tuple[int, ...]) -> None:
        for rule in rules:
            found = self._found[rule]
            if found.count < MOST_LINES:
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
