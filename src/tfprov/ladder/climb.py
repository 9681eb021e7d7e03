"""Climbs the ladder: tries a rung, repeats it after transient failures, escalates to a rung that can help, or stops."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import tenacity

from tfprov.errors import TfprovError
from tfprov.events import Attempt, Emit, Event
from tfprov.ladder.rungs import HELP, Rung, distance, may_pass
from tfprov.redact import redact

T = TypeVar("T")


class TransferError(TfprovError):
    """A failed transfer, with more information about retries than its code has.

    Attributes:
        transient: whether the same try may succeed a moment later: the result of `may_pass`, unless the code that
            raises knows more about the situation.
        retry_after: seconds that the server asks to wait; None when it does not say.
        stubborn: whether more patience with this server is useless, because it refused or makes no progress.
    """

    def __init__(
        self,
        code: str,
        what: str,
        *,
        status: int | None = None,
        transient: bool | None = None,
        retry_after: float | None = None,
        stubborn: bool | None = None,
        evidence: tuple[str, ...] = (),
        tried: tuple[str, ...] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(code, what, evidence=evidence, tried=tried, hint=hint)
        self.transient = may_pass(code, status) if transient is None else transient
        self.retry_after = retry_after
        self.stubborn = status is not None and not self.transient if stubborn is None else stubborn


class InapplicableError(Exception):
    """Raised by a step that cannot be tried at all, with the reason (a mirror that does not have the file)."""


def is_transient(error: BaseException) -> bool:
    """Whether the same try may succeed a moment later."""
    if isinstance(error, TransferError):
        return error.transient
    return isinstance(error, TfprovError) and may_pass(error.code.name)


def retry_after(error: BaseException | None) -> float | None:
    """Seconds that the server asked to wait; None when it did not."""
    return error.retry_after if isinstance(error, TransferError) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How often and how long a rung is repeated.

    Attributes:
        tries: maximum number of tries of one step.
        seconds: maximum time for one step, waits included; a try under way is not cut short.
        first_wait: seconds before the second try; doubled each time, with jitter of up to the same length.
        longest_wait: upper bound of a wait chosen here. A longer Retry-After is honoured as long as `seconds` allows
            it.
        deadline: time on the climb's clock after which no try begins; None for no limit.
    """

    tries: int = 4
    seconds: float = 300.0
    first_wait: float = 0.5
    longest_wait: float = 30.0
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """One way to carry out a rung.

    Attributes:
        rung: the strategy.
        act: makes one try; raises TfprovError, or InapplicableError when it cannot be tried at all.
        policy: retry policy of this step; that of the climb when None.
        progress: a count of work that is done and kept, such as bytes received; it only grows. A try that increased it
            restores the full number of tries and seconds, so that a link that breaks every few megabytes never runs
            out.
        name: distinguishes steps of the same rung in the journal and in `tried`; empty where there is only one.
    """

    rung: Rung
    act: Callable[[], T]
    policy: Policy | None = None
    progress: Callable[[], int] | None = None
    name: str = ""


def without_normal(emit: Emit) -> Emit:
    """A listener that drops attempts of the normal rung, for stages where these are not attempts of their own."""

    def others(event: Event) -> None:
        if not isinstance(event, Attempt) or event.rung != Rung.NORMAL.value:
            emit(event)

    return others


@dataclass(slots=True)
class _Record:
    """The history of one step."""

    rung: Rung
    name: str = ""
    tries: int = 0
    seconds: float = 0.0
    outcome: str = ""

    def line(self) -> str:
        rung = f"{self.rung.value} ({self.name})" if self.name else self.rung.value
        if self.tries == 0:
            return f"{rung}: {self.outcome}"
        noun = "try" if self.tries == 1 else "tries"
        return f"{rung}: {self.tries} {noun}, {self.seconds:.1f} s: {self.outcome}"


def climb(
    stage: str,
    steps: Sequence[Step[T]],
    *,
    emit: Emit,
    skip: Collection[str] = (),
    policy: Policy = Policy(),
    subject: str = "",
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Take steps in order until one succeeds, and return its result.

    The first step is always taken. A step is repeated after a transient failure. After any other failure, the first
    step not yet taken follows whose rung can help against it. A rung skipped for one failure is considered again after
    a different one; each step is taken at most once.

    Args:
        stage: name for the journal.
        steps: in order of preference, at least one; a rung may occur several times (two mirrors, two routes).
        emit: receives an `Attempt` for every try, and one with number 0 for every skipped rung.
        skip: rungs that the profile disables, by name. `normal` cannot be skipped.
        policy: how often and how long each step is repeated.
        subject: prefix for each line in the journal, to tell apart climbs that run at the same time.
        clock: monotonic time in seconds.
        sleep: waits for a number of seconds.

    Raises:
        TfprovError: the failure that says most about the cause, with one line in `tried` for each step.
    """
    ascent = _Climb(
        stage=stage,
        remaining=list(steps),
        emit=_about(subject, emit),
        skip=skip,
        policy=policy,
        clock=clock,
        sleep=sleep,
    )
    return ascent.result()


def _about(subject: str, emit: Emit) -> Emit:
    if not subject:
        return emit

    def prefixed(event: Event) -> None:
        emit(replace(event, what=f"{subject}: {event.what}") if isinstance(event, Attempt) else event)

    return prefixed


@dataclass(slots=True, kw_only=True)
class _Climb(Generic[T]):
    """See `climb`."""

    stage: str
    remaining: list[Step[T]]
    emit: Emit
    skip: Collection[str]
    policy: Policy
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    records: list[_Record] = field(default_factory=list)
    failures: list[TfprovError] = field(default_factory=list)

    def result(self) -> T:
        while (step := self._next()) is not None:
            self.remaining.remove(step)
            record = _Record(step.rung, step.name)
            self.records.append(record)
            try:
                return _Tries(climb=self, step=step, policy=step.policy or self.policy, record=record).result()
            except InapplicableError as reason:
                record.tries, record.outcome = 0, f"skipped: {reason}"
                self.tell(step, record.outcome, code=self.failures[-1].code.name if self.failures else None)
            except TfprovError as error:
                self.failures.append(error)
                if not HELP[error.code.name] or _is_past(self.policy.deadline, self.clock()):
                    break
        raise _most_telling(self.failures, self.records)

    def tell(
        self,
        step: Step[T],
        what: str,
        *,
        code: str | None,
        number: int = 0,
        seconds: float = 0.0,
        wait: float | None = None,
    ) -> None:
        what = f"{step.name}: {what}" if step.name else what
        rung = step.rung.value
        self.emit(Attempt(stage=self.stage, rung=rung, number=number, code=code, what=what, seconds=seconds, wait=wait))

    def _next(self) -> Step[T] | None:
        if not self.failures:
            return self.remaining[0] if self.remaining else None
        code = self.failures[-1].code.name
        for step in tuple(self.remaining):
            if step.rung.value in self.skip and step.rung is not Rung.NORMAL:
                reason = "the profile skips it"
                self.remaining.remove(step)
            elif step.rung in HELP[code]:
                return step
            else:
                reason = f"it cannot help against `{code}`"
            passed = _Record(step.rung, step.name, outcome=f"skipped: {reason}")
            if passed not in self.records:
                self.records.append(passed)
                self.tell(step, passed.outcome, code=code)
        return None


@dataclass(slots=True, kw_only=True)
class _Tries(Generic[T]):
    """The tries of one step. The times are those of the climb's clock; `moved` is the step's progress so far."""

    climb: _Climb[T]
    step: Step[T]
    policy: Policy
    record: _Record
    started: float = 0.0
    begun: float = 0.0
    moved: int = 0

    def result(self) -> T:
        self.started = self.begun = self.climb.clock()
        self.moved = self._progress()
        policy = self.policy
        spent = tenacity.stop_after_attempt(policy.tries) | tenacity.stop_before_delay(policy.seconds)
        # Jitter keeps several machines that failed together from retrying together.
        jitter = tenacity.wait_random(0.0, policy.first_wait)
        backoff = tenacity.wait_exponential(policy.first_wait, max=policy.longest_wait) + jitter
        retrying = tenacity.Retrying(
            sleep=self.climb.sleep,
            stop=lambda state: spent(state) or _is_past(policy.deadline, self.climb.clock() + state.upcoming_sleep),
            # Never sooner than the server asks: a rate limit is there to stop clients that return early.
            wait=lambda state: max(backoff(state), retry_after(_failure(state)) or 0.0),
            retry=tenacity.retry_if_exception(is_transient),
            before=self._before,
            after=self._after,
            before_sleep=lambda state: self._tell(_failure(state), pause=state.upcoming_sleep),
            reraise=True,
        )
        try:
            result = retrying(self.step.act)
        except TfprovError as error:
            self.record.seconds = self.climb.clock() - self.started
            self.record.outcome = f"{error.code.name}: {redact(error.what)}"
            self._tell(error)
            raise
        self._tell(None)
        return result

    def _before(self, state: tenacity.RetryCallState) -> None:
        self.record.tries += 1
        self.begun = self.climb.clock()
        if self.record.tries == 1:
            state.start_time = self.started

    def _after(self, state: tenacity.RetryCallState) -> None:
        # The stop and wait functions read these three attributes. tenacity takes the time from the system's clock, we
        # from that of the climb; and a try that made progress restarts the count.
        state.outcome_timestamp = self.climb.clock()
        if (now := self._progress()) > self.moved:
            self.moved = now
            state.attempt_number, state.start_time = 1, state.outcome_timestamp

    def _progress(self) -> int:
        return self.step.progress() if self.step.progress else 0

    def _tell(self, error: BaseException | None, *, pause: float | None = None) -> None:
        code, what = (error.code.name, redact(error.what)) if isinstance(error, TfprovError) else (None, "succeeded")
        seconds, number = self.climb.clock() - self.begun, self.record.tries
        self.climb.tell(self.step, what, code=code, number=number, seconds=seconds, wait=pause)


def _failure(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _most_telling(failures: Sequence[TfprovError], records: Sequence[_Record]) -> TfprovError:
    if not failures:
        reasons = tuple(record.line() for record in records)
        raise TfprovError("internal", "no step could be tried", tried=reasons)
    # A failure that no rung can help ended the climb: it is the cause. Otherwise the one that got furthest, the latest
    # of equals.
    error = failures[-1]
    if HELP[error.code.name]:
        error = max(reversed(failures), key=lambda failure: distance(failure.code.name))
    error.tried = (*error.tried, *(record.line() for record in records))
    return error


def _is_past(deadline: float | None, now: float) -> bool:
    return deadline is not None and now >= deadline
