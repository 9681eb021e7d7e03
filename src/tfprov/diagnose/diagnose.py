"""Read a log and say what it tells."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from typing import BinaryIO

from tfprov.diagnose.judge import judge
from tfprov.diagnose.records import Diagnosis, LogContext
from tfprov.diagnose.rules import RULES
from tfprov.diagnose.scan import Scanner


def diagnose(stream: BinaryIO, context: LogContext | None = None) -> Diagnosis:
    """What a log tells: causes with the root first, their consequences, and noise.

    Reads the stream to its end, once, in blocks: memory does not grow with the log.

    Args:
        stream: the log as bytes, in any encoding that holds ASCII as it is, or UTF-16.
        context: facts about the machine and the wish; where it says nothing, the log is asked.
    """
    return judge(_scanner().scan(stream), context or LogContext())


def diagnose_text(text: str, context: LogContext | None = None) -> Diagnosis:
    """The same for a text that is in memory already."""
    return diagnose(BytesIO(text.encode("utf-8", "replace")), context)


def telling_lines(text: str, count: int) -> tuple[str, ...]:
    """The last lines of a text, without blank lines and those that look like a fault and are not one.

    Args:
        text: a log in memory; at most ten times `count` of its last lines are looked at.
        count: most lines to give.
    """
    lines = [line.rstrip() for line in text.splitlines()[-10 * count :] if line.strip()]
    return tuple(line for line in lines if not _is_noise(line))[-count:]


def _is_noise(line: str) -> bool:
    found = diagnose_text(line).findings
    return bool(found) and all(one.role == "noise" for one in found)


@cache
def _scanner() -> Scanner:
    return Scanner(RULES)
