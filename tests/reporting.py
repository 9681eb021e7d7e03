"""A run as its reporters are told of it, and a clock that is set by hand."""

from __future__ import annotations

import io

from tfprov.events import Attempt, Event, Note, Progress, StageEnded, StageStarted
from tfprov.report.progress import PlainReporter

MB = 1_000_000


class Clock:
    """Time that only the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def fetched(done: int, total: int | None = 100 * MB) -> Progress:
    return Progress(stage="fetch", what="wheels", done=done, total=total)


def tried(rung: str, number: int, what: str, *, code: str | None = None, wait: float | None = None) -> Attempt:
    return Attempt(stage="fetch", rung=rung, number=number, code=code, what=what, seconds=9.0, wait=wait)


RUN: tuple[tuple[float, Event], ...] = (
    (0, StageStarted(stage="profile")),
    (0, StageEnded(stage="profile", seconds=0.01)),
    (0, StageStarted(stage="plan")),
    (0, Note(text="the user site is ignored")),
    (0, Note(text="a detail", level="detail")),
    (1, StageEnded(stage="plan", seconds=1.0)),
    (1, StageStarted(stage="fetch")),
    (2, fetched(0)),
    (3, fetched(10 * MB)),
    (12, fetched(20 * MB)),
    (13, fetched(30 * MB)),
    (22, fetched(40 * MB)),
    (23, tried("normal", 1, "cut https://me:pw@host", code="net-reset", wait=2.0)),
    (23, tried("other-route", 0, "there is one route only")),
    (23, tried("patient", 1, "all files")),
    (24, Note(text="the disk is nearly full", level="warning")),
    (70, StageEnded(stage="fetch", seconds=69.0, code="disk-full")),
)  # fmt: skip


def plain(*, verbose: bool = False, run: tuple[tuple[float, Event], ...] = RUN) -> str:
    clock, stream = Clock(), io.StringIO()
    with PlainReporter(stream, verbose=verbose, clock=clock) as reporter:
        for moment, event in run:
            clock.now = 100.0 + moment
            reporter(event)
    return stream.getvalue()
