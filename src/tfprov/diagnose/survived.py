"""Tells failures that did not end the run: its tests expect them, it counts on after them, or says that it goes on."""

from __future__ import annotations

import re
from dataclasses import replace

from tfprov.diagnose.raising import is_exception
from tfprov.diagnose.records import Hit, LogLine
from tfprov.diagnose.rules.course import UNDONE
from tfprov.diagnose.rules.keras_arguments import DISTINCT, PLAIN
from tfprov.diagnose.view import (
    ACHIEVED,
    ASSERTED,
    CHAINED,
    COUNTED,
    RAISED_IN_TEST,
    REPORTED,
    SEARCHED,
    TESTS_BEGIN,
    TESTS_END,
    View,
    asker,
)
from tfprov.errors import CODES, Group


def expected_by_tests(view: View, _hit: Hit, line: LogLine) -> bool:
    """It is the output of tests none of which failed but by what it asserts, or the verdict on such a test."""
    if _VERDICT.search(line.text):
        return True
    return any(begin < line.number < end and _none_raised(view, begin, end, said) for begin, end, said in _runs(view))


def asserted(view: View, hit: Hit, line: LogLine) -> bool:
    """The program says itself, in its own words, that something is not as it expects."""
    if line.text.startswith("assert "):
        below = (other for other in hit.lines if 0 < other.number - line.number <= _BELOW)
        return any(asserted(view, hit, other) for other in below if other.text.startswith(_OWN))
    return line.text.startswith(_OWN) and asker(view, replace(hit, first=line.number)) == ""


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


def reported(view: View, _hit: Hit, line: LogLine) -> bool:
    """It belongs to an exception that the program itself reports, and it says more after it."""
    heads = {
        head.number
        for head in view.clues.get(REPORTED, ())
        if head.number + 1 in view.tracebacks and not (_OF_ALL.search(head.text) and view.ends)
    }
    if line.number in heads:
        return says_more(view, line) and not _ends_at_once(view, line)
    frame = max((one.number for one in view.frames if one.number < line.number), default=0)
    # The code of the frame, or the exception itself.
    if line.number != frame + 1 and not (line.number - frame <= _BELOW and is_exception(line)):
        return False
    begin = max((number for number in view.tracebacks if number < line.number), default=0)
    chained = {one.number for one in view.clues.get(CHAINED, ())}
    while begin - 1 not in heads and chained & {begin - 1, begin - 2}:
        begin = max((number for number in view.tracebacks if number < begin), default=0)
    return begin - 1 in heads and says_more(view, line) and not _ends_at_once(view, line)


def _ends_at_once(view: View, line: LogLine) -> bool:
    """Something ends as a failure right after the line, before anything is achieved."""
    achieved = view.after(line.number, ACHIEVED) or view.end
    return any(0 < end.number - line.number <= _BELOW and end.number <= achieved for end in view.ends)


def warned(view: View, _hit: Hit, line: LogLine) -> bool:
    """It is a warning of Python's, which ends no program, and more is said after it."""
    return bool(_WARNED.match(line.text)) and says_more(view, line)


def recorded(view: View, hit: Hit, line: LogLine) -> bool:
    """It is a record of a program's log that warns or informs of what a system said, and it is not the last line."""
    is_of_system = hit.rule.code in CODES and CODES[hit.rule.code].group in _OF_SYSTEMS
    return is_of_system and line.number < view.end and bool(_RECORD.match(line.text))


def says_more(view: View, line: LogLine) -> bool:
    """After the line, the program says something that is not about its end."""
    if view.after(line.number, ACHIEVED) is not None:
        return True
    spoken = max(line.number, max((frame.number + 1 for frame in view.frames), default=0))
    later = [one.text for one in view.tail if one.number > spoken]
    return any((_SAYS_MORE.search(text) or text.startswith(_VALUE)) and not _ENDS.search(text) for text in later)


def searched(view: View, _hit: Hit, line: LogLine) -> bool:
    """It belongs to what uv says of interpreters that do not answer, and that it passes over."""
    said = (one.number for one in view.clues.get(SEARCHED, ()))
    return any(0 <= line.number - number <= _BELOW for number in said)


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
"""How many lines uv's words about an interpreter have at most, and how far below its last frame an exception is, or
below it the end."""
_GOES_ON = re.compile(
    r"\b(?:re-?trying(?! \(Retry|\.$)|will (?:re)?try(?: again)?|trying again|restarting|skipp(?:ed|ing)"
    r"|ignor(?:ed|ing)|continu(?:es|ing)|(?:attempt|retry|try) (?P<number>\d{1,3})(?:/| of )(?!(?P=number)\b)\d{1,3}"
    r"|us(?:es|ing) (?:the |a |an )?(?:cached?|local|last|previous|default|backup))\b",
    re.IGNORECASE,
)
"""How programs say so. pip and wget, whose words for another try are left out, say at the end whether they failed."""
_SAYS_MORE = re.compile(r"^(?![\w.@~:/() -]*[$#%>](?: |$))(?=.*[A-Za-z]{3})")
"""A line of words that is not the prompt of a shell."""
_ENDS = re.compile(UNDONE, re.IGNORECASE)
_NEVER = 10**9
"""More than any program counts."""
_DIGITS = re.compile(r"\d+")
_COUNT = re.compile(r"\b[a-z]+[ #:=_-]{1,2}(?P<number>\d{1,9})\b(?![-.:]\d)", re.IGNORECASE)
_OF_ALL = re.compile(r"\b(?:task|job|step|stage|build|run) failed\b", re.IGNORECASE)
"""What a scheduler reports of all that it ran, and not a program of a part of its own."""
_VERDICT = re.compile(
    r"::.* (?:PASSED|SKIPPED|XFAIL|XPASS)\b|^(?:PASSED|SKIPPED|XFAIL|XPASS) |\.\.\. (?:ok|skipped|expected failure)\b"
    r"|^ok \d+ "
)
_QUIET = 40
"""How many lines tests that do not say where they begin are taken to have printed at most."""
_VALUE = tuple("[({0123456789")
_OF_SYSTEMS = frozenset({Group.NETWORK, Group.ARTIFACT, Group.MACHINE})
_RECORD = re.compile(
    r"(?:WARNING|INFO|DEBUG):(?!tensorflow)[\w.]+:|dpkg: warning: |(?:[\w.]+ )?\[?(?:WARNING|INFO|DEBUG)\]?(?: |\|)"
    r"|[IW]\d{4} [\d:.]+ +\d+ (?!gpu|cuda)\w+\.cc:\d+\] "
)
"""Records of Python's logging, of glog and of the like; pip and bazel write `WARNING: `."""
_WARNED = re.compile(r"\S+:\d+: \w*Warning: ")
_OWN = "AssertionError: "
_ERRORS = re.compile(r"\d errors?\b|\berrors=", re.IGNORECASE)
_FAILED = re.compile(r"\d (?:failed|errors?)\b|\bFAILED\b")


def _runs(view: View) -> list[tuple[int, int, str]]:
    """The first and last lines of runs of tests, and what each last line says."""
    begins = view.clues.get(TESTS_BEGIN, ())
    runs = []
    last = 0
    for end in view.clues.get(TESTS_END, ()):
        # With `-q`, pytest does not say where it begins.
        begin = next((one.number for one in begins if last < one.number < end.number), end.number - _QUIET)
        runs.append((max(begin, last), end.number, end.text))
        last = end.number
    return runs


def _none_raised(view: View, begin: int, end: int, said: str) -> bool:
    """Whether no test of a run failed, or each that did shows that what it asserts is not so."""
    if not _FAILED.search(said):
        return True
    if _ERRORS.search(said) or any(begin < line.number < end for line in view.clues.get(RAISED_IN_TEST, ())):
        return False
    return any(begin < line.number < end for line in view.clues.get(ASSERTED, ()))
