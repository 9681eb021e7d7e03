"""Events of a run, as records for any number of listeners: terminal, journal, CI annotations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted:
    """A stage of the pipeline started."""

    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEnded:
    """A stage ended.

    Attributes:
        seconds: wall time of the stage.
        code: failure code; None when the stage succeeded.
    """

    stage: str
    seconds: float
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Work done so far in the current stage. Sent often; listeners drop most of them.

    Attributes:
        stage: name of the stage.
        what: the subject of the work, in a few words.
        done: units finished.
        total: units in all; None when unknown.
        unit: `bytes`, `files`, `checks` of the smoke test, or `tries` of the resolver (one more try is then under way).
    """

    stage: str
    what: str
    done: int
    total: int | None
    unit: Literal["bytes", "files", "checks", "tries"] = "bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Information for the user that is not a failure.

    Attributes:
        level: `warning` is always shown, `info` not on a quiet run, `detail` only in the journal and with `--verbose`.
    """

    text: str
    level: Literal["detail", "info", "warning"] = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of one rung ended, or a rung was skipped.

    Attributes:
        stage: name of the stage.
        rung: name of the rung.
        number: counts from 1 within the rung; 0 when the rung was skipped.
        code: failure code; None for success.
        what: subject and outcome, in one line without secrets.
        seconds: wall time of this try.
        wait: seconds until the next try of the same rung; None when there is none.
    """

    stage: str
    rung: str
    number: int
    code: str | None
    what: str
    seconds: float
    wait: float | None = None


Event: TypeAlias = StageStarted | StageEnded | Progress | Note | Attempt
Emit: TypeAlias = Callable[[Event], None]
"""Receives events. Must be quick, and safe to call from several threads."""


def ignore(event: Event) -> None:
    """An `Emit` that discards every event."""


def fan_out(*listeners: Emit) -> Emit:
    """One `Emit` that hands each event to every listener, in order."""

    def emit(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return emit
