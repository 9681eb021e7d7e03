"""Shows events as they happen: a moving line on a terminal, sparse plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol, TextIO

from tfprov.events import Attempt, Event, Note, Progress, StageEnded, StageStarted
from tfprov.harmless import harmless, lined
from tfprov.redact import redact
from tfprov.words import count, duration, size

_PLAIN_SECONDS = 10.0
"""Shortest interval between two progress lines of a stage where there is no terminal."""
_QUIET_STAGES = frozenset({"profile", "facts", "interpreter", "activate"})
"""Stages that take no time; their lines would only be noise on a successful run."""


class Reporter(Protocol):
    """A context manager that receives events."""

    def __enter__(self) -> Reporter: ...
    def __exit__(self, *exc: object) -> None: ...
    def __call__(self, event: Event) -> None: ...  # noqa: D102 - the class says it


class ProgressText:
    """Describes the progress of a stage, with its mean speed and the remaining time; in brief, without the speed."""

    def __init__(self, clock: Callable[[], float], *, brief: bool = False) -> None:
        self._clock = clock
        self._brief = brief
        self._began: tuple[float, int] | None = None

    def describe(self, event: Progress) -> str:
        """The progress so far, such as `12 MB of 574 MB, 8 MB/s, 70 s left`."""
        now = self._clock()
        if self._began is None:
            self._began = (now, event.done)
        if event.unit == "checks":
            # `matmul on GPU:0`: the check, and its device.
            what = event.what.partition(" on ")[0] if self._brief else event.what
            return f"{count(event.done, 'check')}, now {harmless(lined((what,)))}"
        if event.unit == "tries":
            number = f"try {event.done + 1}"
            return number if self._brief else f"{number}: {harmless(lined((event.what,)))}"
        if event.unit == "files":
            return f"{event.done}" + (f" of {event.total}" if event.total else "") + " files"
        text = size(event.done) + (f" of {size(event.total)}" if event.total else "")
        elapsed, moved = now - self._began[0], event.done - self._began[1]
        if elapsed < 0.5 or moved <= 0:
            return text
        speed = moved / elapsed
        if not self._brief:
            text += f", {size(speed)}/s"
        if event.total and event.total > event.done:
            text += f", {duration((event.total - event.done) / speed)} left"
        return text


class PlainReporter:
    """Prints lines without colour or movement, for pipes, files and CI."""

    def __init__(self, stream: TextIO, *, verbose: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._verbose = verbose
        self._clock = clock
        self._guard = threading.Lock()
        self._progress = ProgressText(clock)
        self._last = 0.0

    def __enter__(self) -> PlainReporter:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def __call__(self, event: Event) -> None:
        """Print the line for an event, if it has one."""
        with self._guard:
            line = self._line(event)
            if line:
                self._stream.write(harmless(redact(line)) + "\n")
                self._stream.flush()

    def _line(self, event: Event) -> str | None:
        if isinstance(event, StageStarted):
            self._progress, self._last = ProgressText(self._clock), self._clock()
            return f"> {event.stage}" if event.stage not in _QUIET_STAGES or self._verbose else None
        if isinstance(event, Progress):
            words, now = self._progress.describe(event), self._clock()
            if now - self._last < _PLAIN_SECONDS:
                return None
            self._last = now
            return f"  {event.stage}: {words}"
        return lasting_line(event, verbose=self._verbose)


class ToleratingReporter:
    """Passes events to another reporter until that cannot write them.

    A full disk under a log file, a closed pipe or a terminal that is gone is no reason to abandon the work itself.
    """

    def __init__(self, inner: Reporter) -> None:
        self._inner = inner
        self._lost = False

    def __enter__(self) -> ToleratingReporter:
        self._attempt(self._inner.__enter__)
        return self

    def __exit__(self, *exc: object) -> None:
        self._attempt(partial(self._inner.__exit__, *exc))

    def __call__(self, event: Event) -> None:
        """Pass the event on, unless an earlier one could not be written."""
        if not self._lost:
            self._attempt(partial(self._inner, event))

    def _attempt(self, call: Callable[[], object]) -> None:
        try:
            call()
        except OSError:
            self._lost = True


class LateReporter:
    """Creates another reporter at the first event worth a line.

    A command that has nothing to do finishes without loading the libraries that draw on terminals.
    """

    def __init__(self, make: Callable[[], Reporter], *, verbose: bool = False) -> None:
        self._make = make
        self._verbose = verbose
        self._guard = threading.Lock()
        self._made: Reporter | None = None

    def __enter__(self) -> LateReporter:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._made is not None:
            self._made.__exit__(*exc)

    def __call__(self, event: Event) -> None:
        """Pass the event on, unless it is the start or the successful end of the stage `profile`."""
        if self._made is None:
            begun = isinstance(event, StageStarted) and event.stage == "profile"
            good = isinstance(event, StageEnded) and event.stage == "profile" and event.code is None
            if (begun or good) and not self._verbose:
                return
            with self._guard:
                if self._made is None:
                    self._made = self._make().__enter__()
        self._made(event)


def lasting_line(event: Event, *, verbose: bool) -> str | None:
    """The one line that remains on the screen after an event; None when there is none."""
    line = _line_of(event, verbose=verbose)
    return None if line is None else lined((line,))


def _line_of(event: Event, *, verbose: bool) -> str | None:
    if isinstance(event, StageEnded):
        return _stage_line(event, verbose=verbose)
    if isinstance(event, Note) and (verbose or event.level != "detail"):
        return f"! {event.text}" if event.level == "warning" else f"  {event.text}"
    if isinstance(event, Attempt):
        return _attempt_line(event, verbose=verbose)
    return None


def _stage_line(event: StageEnded, *, verbose: bool) -> str | None:
    if event.code is not None:
        return f"x {event.stage}  {duration(event.seconds)}  {event.code}"
    if event.stage in _QUIET_STAGES and event.seconds < 2 and not verbose:
        return None
    return f"* {event.stage}  {duration(event.seconds)}"


def _attempt_line(event: Attempt, *, verbose: bool) -> str | None:
    if event.number == 0 or event.code is None:
        return f"  {event.stage}, {event.rung}: {event.what}" if verbose else None
    later = f"; again in {duration(event.wait)}" if event.wait is not None else ""
    return f"! {event.stage}, {event.rung}, try {event.number}: {event.code}: {event.what}{later}"
