"""Literals of rules, ordered by the words that they are known by: how most words of a log are passed over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

# Words that every log is full of: a literal is known by another of its words, if it has one.
_COMMON = frozenset(
    {
        *("and", "are", "at", "be", "been", "but", "by", "can", "could", "for", "from", "has", "have", "in"),
        *(
            *("you", "your"),
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
"""A literal with the numbers of the rules that need it."""
Group = tuple[bytes, tuple[Literal, ...]]
"""What literals of one word begin with, and those: none like `os error 28` needs a look where `os error` is not."""


def word_of(literal: bytes) -> bytes:
    """The word that a literal is known by: the longest that is not common.

    Raises:
        ValueError: it has no word of three letters.
    """
    words: list[bytes] = _WORD.findall(literal)
    if not words:
        raise ValueError(f"a literal needs a word of three letters: {literal!r}")
    return max(words, key=lambda word: (word.decode() not in _COMMON, len(word)))


_SIEVE_FROM = 50


class Part:
    """A word that literals are known by, while a log is read.

    Attributes:
        word: the word.
        groups: the literals of it that are still looked for.
        sieve: tells whether one of them may stand in a text; from some lines on it is one call in C.
    """

    __slots__ = ("_asked", "groups", "sieve", "word")

    def __init__(self, word: bytes, groups: tuple[Group, ...]) -> None:
        self.word = word
        self._asked = 0
        self.keep(groups)

    def keep(self, groups: tuple[Group, ...]) -> None:
        """Look for these literals alone from now on."""
        self.groups = groups
        self.sieve: Callable[[bytes], object] = self._ask

    def _ask(self, low: bytes) -> object:
        self._asked += 1
        if self._asked < _SIEVE_FROM:
            return True
        self.sieve = _sieve(self.word, self.groups)
        return self.sieve(low)


def _sieve(word: bytes, groups: Iterable[Group]) -> Callable[[bytes], object]:
    """Finds the word where one of its literals stands around it: one call in C in place of a look for each literal."""
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
    """Literals of a word by what they begin with, up to the end of the word."""
    found: dict[bytes, list[Literal]] = {}
    for literal, rules in literals:
        found.setdefault(literal[: literal.index(word) + len(word)], []).append((literal, rules))
    return tuple((start, tuple(ones)) for start, ones in found.items())


def beginnings(words: Iterable[bytes]) -> re.Pattern[bytes]:
    """Finds the words of a text, whole, in which the first three letters of one of these stand.

    One pass in C over words that a log has for the first time: where no two lines are alike, that is all of them.
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
