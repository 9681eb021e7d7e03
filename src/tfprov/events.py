"""What happens during a run, as records that any number of listeners receive: terminal, journal, CI annotations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted:
    """A stage of the pipeline begins."""

    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEnded:
    """A stage ended.

    Attributes:
        seconds: wall time of the stage.
        code: failure code, or None when the stage was good.
    """

    stage: str
    seconds: float
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Work done so far in the current stage. Sent often; listeners thin it out.

    Attributes:
        stage: name of the stage.
        what: what is worked on, in a few words.
        done: units finished.
        total: units in all, or None when not known.
        unit: `bytes`, `files`, `checks` of the smoke test, or `tries` of the resolver, of which one more is under way.
    """

    stage: str
    what: str
    done: int
    total: int | None
    unit: Literal["bytes", "files", "checks", "tries"] = "bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something a person should know that is not a failure.

    Attributes:
        level: `warning` is always shown, `info` not on a quiet run, `detail` only in the journal and with `--verbose`.
    """

    text: str
    level: Literal["detail", "info", "warning"] = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of one rung ended, or a rung was passed over.

    Attributes:
        stage: name of the stage.
        rung: name of the rung.
        number: counts from 1 within the rung; 0 when the rung was passed over.
        code: failure code, or None for success.
        what: subject and outcome, in a line without secrets.
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
    """An `Emit` that drops everything."""


def fan_out(*listeners: Emit) -> Emit:
    """One `Emit` that hands each event to every listener, in order."""

    def emit(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return emit
