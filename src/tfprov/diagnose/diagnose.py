"""Diagnoses a log."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from typing import BinaryIO

from tfprov.diagnose.judge import judge
from tfprov.diagnose.records import Diagnosis, LogContext
from tfprov.diagnose.rules import RULES
from tfprov.diagnose.scan import Scanner


def diagnose(stream: BinaryIO, context: LogContext | None = None) -> Diagnosis:
    """Diagnose a log: causes with the root cause first, their consequences, and noise.

    Reads the stream to its end, once and in blocks: memory use does not grow with the log.

    Args:
        stream: the log as bytes, in an encoding that is a superset of ASCII, or in UTF-16.
        context: facts about the machine and the profile; those that are missing are taken from the log.
    """
    return judge(_scanner().scan(stream), context or LogContext())


def diagnose_text(text: str, context: LogContext | None = None) -> Diagnosis:
    """Diagnose a log that is in memory already; `context` as in `diagnose`."""
    return diagnose(BytesIO(text.encode("utf-8", "replace")), context)


def telling_lines(text: str, count: int) -> tuple[str, ...]:
    """The last lines of a log, without blank lines and harmless messages that look like errors.

    Args:
        text: the log; at most ten times `count` of its last lines are considered.
        count: maximum number of lines to return.
    """
    lines = [line.rstrip() for line in text.splitlines()[-10 * count :] if line.strip()]
    return tuple(line for line in lines if not _is_noise(line))[-count:]


def _is_noise(line: str) -> bool:
    found = diagnose_text(line).findings
    return bool(found) and all(one.role == "noise" for one in found)


@cache
def _scanner() -> Scanner:
    return Scanner(RULES)
