"""Tells failures that did not end the run: its tests expect them, it counts on after them, or says that it goes on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tfprov.diagnose.records import Hit, LogLine
from tfprov.diagnose.rules.keras_arguments import DISTINCT, PLAIN
from tfprov.diagnose.view import COUNTED, SEARCHED, TESTS_BEGIN, TESTS_END, View
from tfprov.errors import CODES


def expected_by_tests(view: View, hit: Hit) -> bool:
    """All lines are the output of tests all of which passed, or the verdict on one that did not fail."""
    passed = _passed(view.clues.get(TESTS_BEGIN, ()), view.clues.get(TESTS_END, ()))
    return all(
        any(begin < line.number < end for begin, end in passed) or _VERDICT.search(line.text) for line in hit.lines
    )


def passed_over(view: View, hit: Hit) -> bool:
    """All lines say that the program tries again or does without; it does, and nothing fails after the last one."""
    if not all(_GOES_ON.search(line.text) for line in hit.lines):
        return False
    if any(line.number > hit.last for line in view.unaccounted):
        return False
    later = (other for other in view.hits if other.rule.code in CODES and other.last > hit.last)
    if not all(_GOES_ON.search(line.text) for other in later for line in other.lines):
        return False
    return any(line.number > hit.last and _SAYS_MORE.search(line.text) for line in view.tail)


def searched(view: View, hit: Hit) -> bool:
    """All lines belong to what uv says of interpreters that do not answer, and that it passes over."""
    said = [line.number for line in view.clues.get(SEARCHED, ())]
    return all(any(0 <= line.number - number <= _BELOW for number in said) for line in hit.lines)


def argument_unknown(_view: View, hit: Hit) -> bool:
    """Keras refuses arguments that no Keras takes: a mistake in the program, as a misspelt one is."""
    refused = [_REFUSED.search(line.text) for line in hit.lines]
    return all(one and not _OF_SOME_KERAS.intersection(_ARGUMENT.findall(one["refused"])) for one in refused)


def counted_on(view: View, hit: Hit) -> bool:
    """After the last line, the program counts on where it was before, and nothing fails after that."""
    lines = view.clues.get(COUNTED, ())
    reached: dict[str, int] = {}
    for counted, number in ((line, found) for line in lines if (found := _COUNT.search(line.text))):
        thing = _DIGITS.sub("#", counted.text[: number.start("number")])
        if counted.number < hit.last:
            reached[thing] = int(number["number"])
        elif counted.number > hit.last and int(number["number"]) > reached.get(thing, _NEVER):
            return not any(line.number > counted.number for line in view.unaccounted)
    return False


_REFUSED = re.compile(
    r"(?:[Kk]eyword argument not understood:|Unrecognized keyword arguments(?: passed to \w+)?:)(?P<refused>.*)"
)
_ARGUMENT = re.compile(r"'(\w+)'(?=[:,)\]]|$)")
_OF_SOME_KERAS = frozenset({*DISTINCT, *PLAIN})
_BELOW = 5
"""How many lines uv's words about an interpreter have at most, up to the first of its own."""
_GOES_ON = re.compile(
    r"\b(?:re-?trying(?! \(Retry|\.$)|will (?:re)?try(?: again)?|trying again|restarting|skipp(?:ed|ing)"
    r"|ignor(?:ed|ing)|continu(?:es|ing)|(?:attempt|retry|try) (?P<number>\d{1,3})(?:/| of )(?!(?P=number)\b)\d{1,3}"
    r"|us(?:es|ing) (?:the |a |an )?(?:cached?|local|last|previous|default|backup))\b",
    re.IGNORECASE,
)
"""How programs say so. pip and wget, whose words for another try are left out, say at the end whether they failed."""
_SAYS_MORE = re.compile(r"^(?![\w.@~:/() -]*[$#%>](?: |$))(?=.*[A-Za-z]{3})")
"""A line of words that is not the prompt of a shell."""
_NEVER = 10**9
"""More than any program counts."""
_DIGITS = re.compile(r"\d+")
_COUNT = re.compile(r"\b[a-z]+[ #:=_-]{1,2}(?P<number>\d{1,9})\b(?![-.:]\d)", re.IGNORECASE)
_VERDICT = re.compile(
    r"::.* (?:PASSED|SKIPPED|XFAIL|XPASS)\b|^(?:PASSED|SKIPPED|XFAIL|XPASS) |\.\.\. (?:ok|skipped|expected failure)\b"
)
_QUIET = 40
"""How many lines tests that do not say where they begin are taken to have printed at most."""
_FAILED = re.compile(r"\d (?:failed|errors?)\b|\bFAILED\b")


def _passed(begins: Sequence[LogLine], ends: Sequence[LogLine]) -> list[tuple[int, int]]:
    """The first and last lines of runs of tests none of which failed."""
    runs = []
    last = 0
    for end in ends:
        # With `-q`, pytest does not say where it begins.
        begin = next((one.number for one in begins if last < one.number < end.number), end.number - _QUIET)
        if not _FAILED.search(end.text):
            runs.append((max(begin, last), end.number))
        last = end.number
    return runs
