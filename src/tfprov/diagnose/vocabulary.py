"""Tells from the words of a log which rules to try in which of its lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import chain

from tfprov.diagnose.lines import LINE_LENGTH
from tfprov.diagnose.literals import Group, Literal, Part, beginnings, groups_of, word_of
from tfprov.diagnose.quotes import bare
from tfprov.diagnose.records import Rule

_WORDS_AND_LINES = bytes(byte if 97 <= byte <= 122 or byte == 10 else 32 for byte in range(256))
"""Translates lines in lower case into their words, with blanks for all other characters but line ends."""
_MOST_WORDS = 100_000
"""A log with more different words is not in a language; then only words from rules and their examples are cached, and
long ones."""
_LONG_WORD = 11
_VAIN_BLOCKS = 20
"""In logs that are not in a language: number of blocks in which a word may occur without leading to a rule."""
_WIDE_VAIN_TRIES = 100
"""How often a rule may fail to match, and a word may lead to no rule, in parts of endless lines: these are pages and
archives, where tries are slow."""


class Index:
    """The literals of rules by their words. Keeps no state of a log."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        by_literal: dict[bytes, list[int]] = {}
        for index, rule in enumerate(rules):
            for literal in rule.needs:
                by_literal.setdefault(bare(literal.encode()), []).append(index)
        # A literal is searched for in lines with its indexed word, or with a longer word that contains this one.
        by_word: dict[bytes, list[Literal]] = {}
        for needle, indexes in by_literal.items():
            by_word.setdefault(word_of(needle), []).append((needle, tuple(indexes)))
        # Indexed words by their first three letters: a new word of a log is looked up by each three letters in it.
        self.by_letters: dict[bytes, list[tuple[bytes, tuple[Group, ...]]]] = {}
        for word, literals in by_word.items():
            self.by_letters.setdefault(word[:3], []).append((word, groups_of(word, literals)))
        self.beginnings = beginnings(by_word)
        examples = "\n".join(example for rule in rules for example in rule.examples).encode()
        self.own_words = frozenset({*by_word, *bare(examples).translate(_WORDS_AND_LINES).split()})


class Vocabulary:
    """The words of one log, each with the literals that it may belong to.

    Attributes:
        done: rules that are not tried any more, because they have matched often enough or were given up.
        tired: rules that are not tried any more in parts of endless lines.
        is_babel: whether the log has too many different words to be in a language.
        has_given_up: whether some words were given up.
    """

    def __init__(self, index: Index, *, done: Set[int] = frozenset(), is_patient: bool = False) -> None:
        """A vocabulary without words.

        Args:
            index: of the rules.
            done: rules that are not to be tried.
            is_patient: never give up a word in a log that is not in a language.
        """
        self._index = index
        self._is_patient = is_patient
        self.done = set(done)
        self.tired: set[int] = set()
        self.is_babel = False
        self.has_given_up = False
        self._dull: set[bytes] = set()  # words that lead to no literal
        # Words of the log, each with the indexed words that it contains.
        self._telling: dict[bytes, tuple[Part, ...]] = {}
        self._parts: dict[bytes, Part] = {}
        self._vain_blocks: dict[bytes, int] = {}
        # For endless lines: how often rules did not match, how often words led to no rule, and the remaining words.
        self._vain_rules: dict[int, int] = {}
        self._vain_words: dict[bytes, int] = {}
        self._wide_telling: dict[bytes, tuple[Part, ...]] = {}
        self._wide_of = (0, 0)

    def candidates(self, indexes: Sequence[int], lows: list[bytes], text: bytes) -> dict[int, list[int]]:
        """The rules to try in each line, by the index of the line; lines without any are left out.

        Args:
            indexes: of the lines to examine.
            lows: all lines of the block in lower case, without quotes.
            text: the lines to examine, joined by line ends.
        """
        lines = [line.split() for line in text.translate(_WORDS_AND_LINES).split(b"\n")]
        vocabulary = self._different(lines)
        self._learn(vocabulary)
        telling = {word: self._telling[word] for word in self._telling.keys() & vocabulary}
        if not telling:
            return {}
        tells_nothing = set(telling).isdisjoint
        found: dict[int, list[int]] = {}
        heeded: set[bytes] = set()
        for index, words in zip(indexes, lines, strict=False):
            if tells_nothing(words):
                continue
            low = lows[index]
            if len(low) > LINE_LENGTH:
                # Each part of a long line is examined by itself.
                found[index] = []
                continue
            rules = self._asked(telling, words, low)
            if rules:
                found[index] = sorted(rules)
                heeded.update(words)
        if self.is_babel and not self._is_patient:
            self._give_up_words(telling.keys() - heeded)
        return found

    def candidates_in_part(self, low: bytes, *, is_wide: bool) -> set[int]:
        """The rules to try in a part of a long line, whose words were cached with those of the whole line.

        Args:
            low: the part in lower case, without quotes.
            is_wide: whether it is part of an endless line, where words that lead to no rule are given up.
        """
        words = low.translate(_WORDS_AND_LINES).split()
        telling = self._telling_in(is_wide)
        rules = self._asked(telling, words, low)
        if is_wide:
            rules -= self.tired
            self._tire(telling.keys() & words if not rules else ())
        return rules

    def give_up(self, rule: int) -> None:
        """Stop trying a rule, and searching for literals that only such rules need."""
        self.done.add(rule)
        emptied = False
        for part in self._parts.values():
            groups = tuple(self._of_use(part.groups))
            if groups != part.groups:
                part.keep(groups)
                emptied = emptied or not groups
        if emptied:
            left = {word: parts for word, parts in self._telling.items() if any(part.groups for part in parts)}
            self._dull.update(self._telling.keys() - left.keys())
            self._telling = left

    def _give_up_words(self, words: Set[bytes]) -> None:
        """Ignore words that occurred in many blocks without leading to a rule, except at the end of the log."""
        for word in words:
            times = self._vain_blocks[word] = self._vain_blocks.get(word, 0) + 1
            if times > _VAIN_BLOCKS:
                del self._telling[word]
                self._dull.add(word)
                self.has_given_up = True

    def _asked(self, telling: Mapping[bytes, tuple[Part, ...]], words: Iterable[bytes], low: bytes) -> set[int]:
        """The rules to try in a text with these words: those that have a literal in it and are not done."""
        rules: set[int] = set()
        # Each word once: a line may repeat one thousands of times.
        for word in telling.keys() & words:
            for part in telling[word]:
                if part.sieve(low):
                    for start, literals in part.groups:
                        if start in low:
                            for literal, indexes in literals:
                                if literal in low:
                                    rules.update(indexes)
        return rules - self.done if rules else rules

    def _different(self, lines: list[list[bytes]]) -> set[bytes]:
        """The different words of lines; in a log with too many, only those that may lead to a rule."""
        if not self.is_babel:
            return set(chain.from_iterable(lines))
        found = (self._telling.keys() | self._index.own_words).intersection(chain.from_iterable(lines))
        if len(self._telling) < _MOST_WORDS:
            found.update([word for words in lines for word in words if len(word) >= _LONG_WORD])
        return found

    def _learn(self, words: set[bytes]) -> None:
        """Find the indexed words in each new word, and cache the result."""
        new = words - self._dull
        new.difference_update(self._telling)
        by_letters = self._index.by_letters
        for word in set(self._index.beginnings.findall(b" ".join(new))) if new else ():
            parts: list[Part] = []
            for start in range(len(word) - 2):
                for known, groups in by_letters.get(word[start : start + 3], ()):
                    if word.startswith(known, start):
                        part = self._parts.get(known)
                        if part is None:
                            part = self._parts[known] = Part(known, tuple(self._of_use(groups)))
                        if part.groups:
                            parts.append(part)
            if parts:
                self._telling[word] = tuple(parts)
                new.discard(word)
        self._dull |= new & self._index.own_words if self.is_babel else new
        self.is_babel = self.is_babel or len(self._dull) > _MOST_WORDS

    def tire_of(self, rule: int) -> None:
        """Stop trying a rule in parts of endless lines if it did not match there, as now again, too often."""
        times = self._vain_rules[rule] = self._vain_rules.get(rule, 0) + 1
        if times > _WIDE_VAIN_TRIES:
            self.tired.add(rule)

    def _tire(self, words: Iterable[bytes]) -> None:
        """Ignore words in parts of endless lines where they have occurred too often without leading to a rule."""
        for word in words:
            times = self._vain_words[word] = self._vain_words.get(word, 0) + 1
            if times > _WIDE_VAIN_TRIES:
                del self._wide_telling[word]

    def _telling_in(self, is_wide: bool) -> Mapping[bytes, tuple[Part, ...]]:
        """The words that lead to literals; in parts of endless lines without the words and rules given up there."""
        if not is_wide:
            return self._telling
        if self._wide_of != (len(self._telling), len(self.tired)):
            self._wide_of = len(self._telling), len(self.tired)
            left = {
                word: Part(word, tuple(self._of_use(part.groups, self.tired))) for word, part in self._parts.items()
            }
            self._wide_telling = {
                word: tuple(left[part.word] for part in parts)
                for word, parts in self._telling.items()
                if any(left[part.word].groups for part in parts) and self._vain_words.get(word, 0) <= _WIDE_VAIN_TRIES
            }
        return self._wide_telling

    def _of_use(self, groups: Iterable[Group], tired: Set[int] = frozenset()) -> list[Group]:
        useless = self.done | tired if tired else self.done
        left = ((start, tuple(one for one in ones if not useless.issuperset(one[1]))) for start, ones in groups)
        return [group for group in left if group[1]]
