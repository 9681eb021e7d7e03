"""Indexes the literals of rules by a characteristic word, so that most words of a log can be skipped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

# Words that are frequent in any log: a literal is indexed by another of its words, if it has one.
_COMMON = frozenset(
    {
        *("and", "are", "at", "be", "been", "but", "by", "can", "could", "for", "from", "has", "have", "in"),
        *(
            "is",
            "it",
            "not",
            "of",
            "on",
            "or",
            "set",
            "that",
            "the",
            "this",
            "to",
            "was",
            "were",
            "with",
            "you",
            "your",
        ),
        *("device", "driver", "error", "errors", "fail", "failed", "failure", "file", "found", "gpu", "http", "https"),
        *("import", "install", "installed", "library", "line", "module", "name", "package", "packages", "python"),
        *("requirement", "requires", "tensorflow", "tried", "unable", "url", "version"),
    }
)
_WORD = re.compile(rb"[a-z]{3,}")
Literal = tuple[bytes, tuple[int, ...]]
"""A literal, with the indexes of the rules that need it."""
Group = tuple[bytes, tuple[Literal, ...]]
"""A common start of literals, and the literals: where `os error` does not occur, `os error 28` need not be searched."""


def word_of(literal: bytes) -> bytes:
    """The word that a literal is indexed by: the longest that is not common, else the longest.

    Raises:
        ValueError: it has no word of three letters or more.
    """
    words: list[bytes] = _WORD.findall(literal)
    if not words:
        raise ValueError(f"a literal needs a word of three letters: {literal!r}")
    return max(words, key=lambda word: (word.decode() not in _COMMON, len(word)))


_SIEVE_FROM = 50


class Part:
    """A word that literals are indexed by, with its state during the scan of a log.

    Attributes:
        word: the word.
        groups: its literals that are still searched for.
        sieve: its result is true if a text may contain one of them; a compiled pattern from the call `_SIEVE_FROM` on.
    """

    __slots__ = ("_asked", "groups", "sieve", "word")

    def __init__(self, word: bytes, groups: tuple[Group, ...]) -> None:
        self.word = word
        self._asked = 0
        self.keep(groups)

    def keep(self, groups: tuple[Group, ...]) -> None:
        """Search only for these literals from now on."""
        self.groups = groups
        self.sieve: Callable[[bytes], object] = self._ask

    def _ask(self, low: bytes) -> object:
        self._asked += 1
        if self._asked < _SIEVE_FROM:
            return True
        self.sieve = _sieve(self.word, self.groups)
        return self.sieve(low)


def _sieve(word: bytes, groups: Iterable[Group]) -> Callable[[bytes], object]:
    """A search for the word as part of any of its literals: one regular expression instead of a search for each."""
    around = set()
    for start, literals in groups:
        before = start[: len(start) - len(word)]
        for literal, _ in literals:
            around.add((before, literal[len(start) :]))
    if (b"", b"") in around:
        return re.compile(re.escape(word)).search
    ways = (
        (b"(?<=%s)" % re.escape(before + word) if before else b"") + (b"(?=%s)" % re.escape(after) if after else b"")
        for before, after in sorted(around)
    )
    return re.compile(b"%s(?:%s)" % (re.escape(word), b"|".join(ways))).search


def groups_of(word: bytes, literals: Sequence[Literal]) -> tuple[Group, ...]:
    """Group the literals of a word by their start, up to the end of the word."""
    found: dict[bytes, list[Literal]] = {}
    for literal, rules in literals:
        found.setdefault(literal[: literal.index(word) + len(word)], []).append((literal, rules))
    return tuple((start, tuple(ones)) for start, ones in found.items())


def beginnings(words: Iterable[bytes]) -> re.Pattern[bytes]:
    """A pattern that finds the words of a text that contain the first three letters of any of these words.

    It is applied to all new words of a log at once; in a log without repetition, these are all of its words.
    """
    tree: dict[str, dict[str, set[str]]] = {}
    for word in words:
        letters = word.decode()
        tree.setdefault(letters[0], {}).setdefault(letters[1], set()).add(letters[2])
    branches = []
    for first, seconds in sorted(tree.items()):
        rest = "|".join(f"{second}[{''.join(sorted(thirds))}]" for second, thirds in sorted(seconds.items()))
        branches.append(f"{first}(?:{rest})")
    return re.compile(f"(?<![a-z])[a-z]*?(?:{'|'.join(branches) or '(?!)'})[a-z]*".encode())
