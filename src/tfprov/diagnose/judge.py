"""Turns matching rules into a diagnosis: which finding is the cause, which are its consequences, which are noise."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType

from tfprov.diagnose.certainty import KERNEL_TELLS, sureness
from tfprov.diagnose.conditions import holds
from tfprov.diagnose.course import done_without, ended_alone, installed_later, overcome, worked_after, worked_on
from tfprov.diagnose.follows import Rows, explains, first_of, last_of, says_so
from tfprov.diagnose.mentions import is_mentioned
from tfprov.diagnose.outlived import TRIED_AGAIN, survived
from tfprov.diagnose.raising import Raised, raised
from tfprov.diagnose.records import NOISE, NOTHING, UNKNOWN, Diagnosis, Finding, Hit, LogContext, LogLine, Role
from tfprov.diagnose.remedies import remedy, what_happened
from tfprov.diagnose.rules.own import is_own
from tfprov.diagnose.scan import Scanned
from tfprov.diagnose.survived import (
    asserted,
    counted_on,
    expected_by_tests,
    passed_over,
    recorded,
    reported,
    searched,
    warned,
)
from tfprov.diagnose.view import View, look
from tfprov.errors import CODES, Group

_LINES = 20
_KILLED = frozenset({-9, 137})
_ILLEGAL = frozenset({-4, 132, 0xC000001D, 0xC000001D - (1 << 32)})


def judge(scanned: Scanned, context: LogContext) -> Diagnosis:
    """Rank the findings of a scan. Pure.

    Args:
        scanned: the rules that matched.
        context: facts from outside the log.
    """
    view = look(scanned.hits, context, scanned.tail)
    # A rule that means nothing under the given facts does not account for its lines.
    silent = [hit for hit in view.hits if not _meaning(hit, view)[0]]
    if silent:
        telling = look([hit for hit in scanned.hits if hit not in silent], context)
        view = replace(view, unaccounted=telling.unaccounted)
    by_code: dict[str, list[tuple[int, Hit]]] = {}
    for said in view.hits:
        hit = _heard(view, said) if _said(said, view)[0] in CODES else said
        code, rank = (NOISE, said.rule.rank) if hit is None else _meaning(hit, view)
        hit = hit or said
        if code:
            by_code.setdefault(code, []).append((rank, hit))
    for code in survived(by_code, view):
        by_code.setdefault(NOISE, []).extend(by_code.pop(code))
    for code in dict.fromkeys((*_listed(by_code), *_cleaning(by_code))):
        by_code.setdefault(NOISE, []).extend(by_code.pop(code))
    noise = [_noise(hit) for _, hit in by_code.pop(NOISE, ())]
    ended = _of_status(view)
    if ended is not None and ended.code not in by_code and not (ended.code == "oom-killed" and by_code.keys() & _FULL):
        others = {code: rows for code, rows in by_code.items() if code != ended.code}
        causes, consequences = _sorted(others, view, ended)
        causes = [ended, *causes]
    else:
        causes, consequences = _sorted(by_code, view, None)
    unknown: list[Finding] = []
    if not causes and context.returncode != 0:
        unaccounted = view.unaccounted or _raisedlast_of(scanned.tail, view)
        told = raised(view, unaccounted)
        if told is not None and told.code:
            causes = [_of_frames(told, view)]
        else:
            unknown = _unknown(unaccounted, told)
    return Diagnosis(
        findings=(*causes, *consequences, *unknown, *noise),
        context=view.context,
        lines=scanned.lines,
        bytes=scanned.bytes,
        tail=scanned.tail,
    )


def _listed(by_code: Mapping[str, Rows]) -> list[str]:
    """Codes that a text lists: nothing fails in three ways at once that have nothing to do with each other.

    What tfprov printed may quote such lines as its evidence.
    """
    faults = {code: rows for code, rows in by_code.items() if code != NOISE}
    if any(is_own(hit.rule) for rows in faults.values() for _, hit in rows):
        return []
    lines = {code: {line.number for _, hit in rows for line in hit.lines} for code, rows in faults.items()}
    apart = [
        code
        for code, rows in faults.items()
        if not any(other != code and (explains(other, code, rows) or lines[code] & lines[other]) for other in faults)
    ]
    near = sorted(number for numbers in lines.values() for number in numbers)
    is_close = all(second - first <= _LISTED_WITHIN for first, second in pairwise(near))
    return list(faults) if len(apart) >= _LISTED and is_close else []


def _cleaning(by_code: Mapping[str, Rows]) -> list[str]:
    """Codes of what commands that clean up say after something else had failed."""
    faults = {code: rows for code, rows in by_code.items() if code != NOISE}
    first = min(map(last_of, faults.values()), default=0)
    later = {code: rows for code, rows in faults.items() if first_of(rows) > first}
    return [code for code, rows in later.items() if all(_REMOVES(line.text) for _, hit in rows for line in hit.lines)]


_REMOVES = re.compile(r"(?:rm|rmdir|unlink): ").match
_LISTED = 3
_LISTED_WITHIN = 12
"""Most lines between two lines of a list."""


_FULL = frozenset({"disk-full", "disk-quota"})


_DONE_WITHOUT = frozenset({Group.PYTHON_DEPS, Group.INTERPRETER})
"""Groups of failures that a program which computes after them has done without, or that another run has overcome."""


_GONE_ON_AFTER = TRIED_AGAIN | {Group.MACHINE}
"""Groups of failures that a program may say it goes on after."""


_NO_FAILURES = (expected_by_tests, asserted, is_mentioned, recorded, reported, searched, warned)
"""Who says a line, and of what, that reports no failure of the run: each is asked of every line by itself."""


def _heard(view: View, hit: Hit) -> Hit | None:
    """What a rule matched without the lines that report no failure of the run; None where none is left."""
    left = tuple(line for line in hit.lines if not any(is_none(view, hit, line) for is_none in _NO_FAILURES))
    if not left or len(left) == len(hit.lines):
        return hit if left else None
    return replace(hit, lines=left, first=left[0].number, last=left[-1].number)


def _meaning(hit: Hit, view: View) -> tuple[str, int]:
    if installed_later(view, hit):
        return NOISE, hit.rule.rank
    code, rank = _said(hit, view)
    if code not in CODES:
        return code, rank
    group = CODES[code].group
    if counted_on(view, hit) or _got_over(hit, view, group):
        return NOISE, rank
    if (group in _DONE_WITHOUT and worked_after(view, hit)) or (group is Group.USAGE and worked_on(view, hit)):
        return NOTHING, rank
    return code, rank


def _got_over(hit: Hit, view: View, group: Group) -> bool:
    if group in TRIED_AGAIN and overcome(view, hit):
        return True
    if group in _GONE_ON_AFTER and (passed_over(view, hit) or ended_alone(view, hit)):
        return True
    return group is not Group.GPU and done_without(hit, group)


def _said(hit: Hit, view: View) -> tuple[str, int]:
    for case in hit.rule.cases:
        if holds(case.when, view, hit):
            return case.code, hit.rule.rank if case.rank is None else case.rank
    return hit.rule.code, hit.rule.rank


def _sorted(
    by_code: dict[str, list[tuple[int, Hit]]], view: View, ended: Finding | None
) -> tuple[list[Finding], list[Finding]]:
    order = sorted(by_code, key=lambda code: (-max(rank for rank, _ in by_code[code]), first_of(by_code[code])))
    ranks = {code: max(rank for rank, _ in rows) for code, rows in by_code.items()}
    causes: list[Finding] = []
    consequences: list[Finding] = []
    for code in order:
        rows = by_code[code]
        root = ended.code if ended is not None and explains(ended.code, code, rows) else None
        root = root or next((other for other in order if other != code and _is_root(other, code, by_code, ranks)), None)
        finding = _finding(code, rows, view, "consequence" if root else "cause", root)
        (consequences if root else causes).append(finding)
    by_name = {one.code: one for one in (*causes, *consequences, *((ended,) if ended else ()))}
    return causes, [one for one in consequences if not _is_same(one, by_name[str(one.follows)])]


def _is_same(consequence: Finding, cause: Finding) -> bool:
    """Whether a consequence is only a vaguer interpretation of the lines of its cause."""
    return set(consequence.lines) <= set(cause.lines)


def _is_root(other: str, code: str, by_code: Mapping[str, Rows], ranks: Mapping[str, int]) -> bool:
    """Whether `code` is a consequence of `other`. What a rule itself `follows` applies regardless of ranks."""
    if says_so(other, by_code[code]) and not says_so(code, by_code[other]):
        return True
    return ranks[other] >= ranks[code] and explains(other, code, by_code[code])


def _finding(code: str, rows: Rows, view: View, role: Role, follows: str | None) -> Finding:
    ranked = [hit for _, hit in sorted(rows, key=lambda row: (-row[0], row[1].first))]
    evidence: dict[str, LogLine] = {}
    for hit in ranked:
        for line in hit.lines:
            evidence.setdefault(line.text, line)
    captures: dict[str, str] = {}
    for hit in ranked:
        for name, value in hit.captures.items():
            captures.setdefault(name, value)
    lines = sorted({line.number for hit in ranked for line in hit.lines})[:_LINES]
    shown = MappingProxyType(captures)
    sure = sureness(code, max(rank for rank, _ in rows), ranked[0], view) if role == "cause" else None
    return Finding(
        code=code,
        role=role,
        what=what_happened(code, ranked[0], shown, view),
        lines=tuple(lines),
        evidence=tuple(evidence.values())[:_LINES],
        count=sum(hit.count for hit in ranked),
        rules=tuple(hit.rule.name for hit in ranked),
        captures=shown,
        follows=follows,
        remedy=remedy(code, shown, view, ranked[0]) if role == "cause" else None,
        certainty=sure.level if sure else None,
        to_be_sure=sure.by if sure else "",
    )


_FRAME = re.compile(r'File "[^"]+", line \d+')
_RAISED = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?::(?: .*)?)?")
_BELOW_FRAME = 3
"""Most lines from a frame of a traceback to what was raised: the line of code, carets below it, the exception."""


def _raisedlast_of(tail: Sequence[LogLine], view: View) -> tuple[LogLine, ...]:
    """The exception that ends a log with a traceback, whatever it is called; empty where a rule accounts for it.

    Most exceptions have a name such as `KeyError`, which a rule recognises anywhere. Others, such as `NoSuchFile` and
    `StopIteration`, can be told only by the frames above them.
    """
    for before in range(2, min(_BELOW_FRAME + 1, len(tail)) + 1):
        frame, last = tail[-before], tail[-1]
        if _FRAME.match(frame.text) and _RAISED.fullmatch(last.text):
            known = {line.number for hit in view.hits for line in hit.lines} | view.passed_over
            return () if last.number in known else (last,)
    return ()


_FRAMES = "frames"
"""In place of a rule's name: the frames of a traceback tell whose code failed, and no rule knows the exception."""


def _of_frames(told: Raised, view: View) -> Finding:
    """The finding for an exception that no rule knows, raised where an installed package meets another release."""
    captures = MappingProxyType({"package": told.asker})
    return Finding(
        code=told.code,
        role="cause",
        what=told.what,
        lines=(told.line.number,),
        evidence=(told.line, *told.frames),
        count=1,
        rules=(_FRAMES,),
        captures=captures,
        remedy=remedy(told.code, captures, view),
        certainty="likely",
        to_be_sure="compare the versions, and what each package says that it needs: `pip list`, `pip check`",
    )


def _unknown(unaccounted: Sequence[LogLine], told: Raised | None) -> list[Finding]:
    """The finding for a failure that no rule explains, with the lines that report it; empty without such lines.

    Args:
        unaccounted: the lines, most relevant first.
        told: what the frames of its traceback tell, if there is one.
    """
    if not unaccounted:
        return []
    shown = tuple(unaccounted[:_LINES])
    return [
        Finding(
            code=UNKNOWN,
            role="unknown",
            what=told.what if told is not None else "something failed, and these lines are not known",
            lines=tuple(line.number for line in shown),
            evidence=shown,
            count=len(unaccounted),
            rules=(_FRAMES,) if told is not None else (),
            captures=MappingProxyType({}),
        )
    ]


def _noise(hit: Hit) -> Finding:
    return Finding(
        code=NOISE,
        role="noise",
        what=hit.rule.reads,
        lines=tuple(line.number for line in hit.lines)[:_LINES],
        evidence=hit.lines[:3],
        count=hit.count,
        rules=(hit.rule.name,),
        captures=hit.captures,
    )


def _of_status(view: View) -> Finding | None:
    """The finding from the exit status alone, because a process that was killed prints nothing about it."""
    status = view.context.returncode
    if status is None:
        return None
    code, what = None, ""
    if status in _KILLED:
        code, what = "oom-killed", "ended by SIGKILL, which is how the kernel ends a process when memory runs out"
    elif status in _ILLEGAL:
        code = "rosetta-qemu" if view.context.emulated else "cpu-no-avx"
        what = "ended by SIGILL: the processor met an instruction that it does not have"
    if code is None:
        return None
    tool = view.context.tool
    return Finding(
        code=code,
        role="cause",
        what=f"`{tool}` was {what}" if tool else what,
        lines=(),
        evidence=(),
        count=0,
        rules=("exit-status",),
        captures=MappingProxyType({}),
        remedy=remedy(code, MappingProxyType({}), view),
        certainty="likely",
        to_be_sure=KERNEL_TELLS,
    )
