"""Tells which failures the run went on after."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from tfprov.diagnose.course import ended_well
from tfprov.diagnose.follows import Rows, explains, first_of, last_of
from tfprov.diagnose.raising import is_exception
from tfprov.diagnose.records import NOISE
from tfprov.diagnose.rules.course import WITHOUT
from tfprov.diagnose.view import ACHIEVED, SUCCESS, View, asker
from tfprov.errors import CODES, Group

TRIED_AGAIN = frozenset({Group.NETWORK, Group.ARTIFACT})
"""Groups of failures that another try, or another server, may get over, whatever the program says then."""


def survived(by_code: Mapping[str, Rows], view: View) -> list[str]:
    """Codes of failures that the run went on after, and that nothing which failed later follows from.

    Where the run does not say that it ignores a failure, or what it achieved after it, another one has to have ended
    it: after a failure that did, scripts run commands that clean up.
    """
    faults = {code: rows for code, rows in by_code.items() if code != NOISE}
    over = {code for code in faults if _has_survived(code, faults, view)}
    # What something else that ended the run follows from has not been survived either.
    ended = {code for code in over if any(explains(code, other, faults[other]) for other in faults.keys() - over)}
    return [code for code in faults if code in over - ended]


def _has_survived(code: str, faults: Mapping[str, Rows], view: View) -> bool:
    last = last_of(faults[code])
    if CODES[code].group in _OF_RUN and code not in _LASTING and ended_well(view, last):
        return True
    traced = view.after(last, "ignored", "traced")
    achieved = None if _lasts(code) else _achieved(code, faults[code], view)
    at = min((number for number in (traced, achieved) if number is not None), default=None)
    if at is None:
        return False
    if _raised_after(at, view):
        return True
    later = [other for other, rows in faults.items() if last_of(rows) > at]
    if later:
        return not any(explains(code, other, faults[other]) for other in later)
    if achieved is not None and not any(line.number > achieved for line in view.unaccounted):
        return True
    # What a later command has installed is more than cleaning up.
    return view.last.get("is_ignored", 0) > last or (traced is not None and view.last.get("is_success", 0) > traced)


def _achieved(code: str, rows: Rows, view: View) -> int | None:
    """Number of the first line after a failure which says that the run achieved something; None without one.

    After the end of what failed, others speak: those that clean up, keep its logs or go on with the next step.
    """
    is_final = _is_final(code, rows, view)
    done = view.after(last_of(rows), ACHIEVED)
    if done is not None and not _is_shown(rows, done, view):
        another_ended_it = _raised_after(done, view)
        if is_final or (any(line.number >= first_of(rows) for line in view.ends) and not another_ended_it):
            done = None
        elif not another_ended_it and (CODES[code].group not in TRIED_AGAIN or _is_at_prompt(rows, done, view)):
            done = _gone_on(rows, view)
    # What an installer has installed need not be what it did not find.
    installed = None if is_final else view.after(last_of(rows), SUCCESS)
    return min((number for number in (done, installed) if number is not None), default=None)


def _is_at_prompt(rows: Rows, achieved: int, view: View) -> bool:
    """Whether a shell asked for the next command, so that what was achieved then is of another program."""
    return any(last_of(rows) < line.number < achieved and _PROMPT.match(line.text) for line in view.tail)


def _gone_on(rows: Rows, view: View) -> int | None:
    """Number of the first line after a failure that a program said the like of before, or does without it in."""
    lines = view.clues[ACHIEVED]
    before = {_DIGITS.sub("#", line.text) for line in lines if line.number < first_of(rows)}
    later = (line for line in lines if line.number > last_of(rows))
    said = (line.number for line in later if _DIGITS.sub("#", line.text) in before or _WITHOUT.search(line.text))
    return next(said, None)


def _raised_after(number: int, view: View) -> bool:
    """Whether something that no rule explains is raised after a line."""
    raised = (line for line in view.unaccounted if is_exception(line) or line.text.startswith("panic: "))
    return any(line.number > number for line in raised)


def _is_shown(rows: Rows, achieved: int, view: View) -> bool:
    """Whether a text shows a failure that is not of the run: quoted, as what was achieved is not, or fenced."""
    if any(last_of(rows) < line.number < achieved and set(line.text) == {"`"} for line in view.tail):
        return True
    is_plain = any(line.number == achieved and not line.is_quoted for line in view.clues[ACHIEVED])
    return is_plain and all(line.is_quoted for _, hit in rows for line in hit.lines)


def _lasts(code: str) -> bool:
    """Whether programs may go on as if nothing had failed, but without what is missing."""
    return code in _LASTING or (CODES[code].group in {Group.GPU, Group.PLATFORM} and code not in _RAISED_BY_GPUS)


def _is_final(code: str, rows: Rows, view: View) -> bool:
    """Whether it is the last that an installer or a process says."""
    if code in _FINAL or CODES[code].group in {Group.RESOLVE, Group.INTERPRETER}:
        return True
    return any(asker(view, replace(hit, first=hit.last)) in _INSTALLERS for _, hit in rows)


_OF_RUN = TRIED_AGAIN | {Group.MACHINE, Group.RESOLVE, Group.INTERPRETER, Group.USAGE}
"""Groups of failures that a run which went on without would be said to have failed for."""
_DIGITS = re.compile(r"\d+")
_WITHOUT = re.compile(WITHOUT, re.IGNORECASE)
_PROMPT = re.compile(
    r"(?:\([\w./-]+\) ?)?(?:[$%] (?!Total)[a-z./~]|\[?[\w.-]+@[\w.-]+(?:[: ][\w./~-]+)?\]? ?[$%](?: |$)"
    r"|(?:PS )?[A-Z]:\\[^<>|:*?]*>)"
)
"""With which a shell asks for a command: `$ ls`, `(tf) me@host:~/lab$`, `me@mac ml %`, `PS C:\\ml> ls`."""
_INSTALLERS = frozenset({"pip", "conda", "poetry", "pdm", "pipenv"})
_FINAL = frozenset({"oom-killed", "interrupted", "conda-http", "conda-cache-corrupt"})
_LASTING = frozenset({"resolver-conflict", "conda-clobber", "conda-pip-mix", "known-bad-release"})
_RAISED_BY_GPUS = frozenset({"gpu-memory-in-use", "cudnn-init-failed", "nccl-failed"})
