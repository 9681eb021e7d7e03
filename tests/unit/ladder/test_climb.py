from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tfprov.errors import TfprovError
from tfprov.events import Attempt, Event
from tfprov.ladder.climb import InapplicableError, Policy, Step, TransferError, climb
from tfprov.ladder.rungs import Rung

QUICK = Policy(first_wait=1.0)


class Time:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


class Script:
    """An act that fails with the given causes in order, then succeeds."""

    def __init__(self, *causes: str | TfprovError, time: Time | None = None, takes: float = 0.0) -> None:
        self.causes = list(causes)
        self.calls = 0
        self.time = time
        self.takes = takes

    def __call__(self) -> str:
        self.calls += 1
        if self.time is not None:
            self.time.now += self.takes
        if not self.causes:
            return "done"
        cause = self.causes.pop(0)
        raise TfprovError(cause, f"{cause} happened") if isinstance(cause, str) else cause


class Run:
    """A climb with its journal."""

    def __init__(self, time: Time | None = None) -> None:
        self.time = time or Time()
        self.events: list[Event] = []

    def __call__(self, steps: Sequence[Step[str]], *, skip: tuple[str, ...] = (), policy: Policy = QUICK) -> str:
        return climb(
            "fetch",
            steps,
            emit=self.events.append,
            skip=skip,
            policy=policy,
            clock=self.time.clock,
            sleep=self.time.sleep,
        )

    @property
    def journal(self) -> list[tuple[str, int, str | None]]:
        return [(event.rung, event.number, event.code) for event in self.events if isinstance(event, Attempt)]


def always(code: str) -> Callable[[], str]:
    def act() -> str:
        raise TfprovError(code, f"{code} again")

    return act


def test_a_good_day_is_one_attempt() -> None:
    run = Run()
    assert run([Step(Rung.NORMAL, Script())]) == "done"
    assert run.journal == [("normal", 1, None)]
    assert run.time.waits == []


def test_a_passing_failure_is_retried_on_the_same_rung() -> None:
    run = Run()
    second = Script()
    assert run([Step(Rung.NORMAL, Script("net-reset", "net-timeout")), Step(Rung.PATIENT, second)]) == "done"
    assert run.journal == [("normal", 1, "net-reset"), ("normal", 2, "net-timeout"), ("normal", 3, None)]
    assert second.calls == 0


def test_waits_grow_with_jitter_and_stay_below_their_cap() -> None:
    run = Run()
    run([Step(Rung.NORMAL, Script(*["net-reset"] * 5))], policy=Policy(tries=9, first_wait=1.0, longest_wait=6.0))
    lowest = (1.0, 2.0, 4.0, 6.0, 6.0)
    assert len(run.time.waits) == 5
    for wait, low in zip(run.time.waits, lowest, strict=True):
        assert low <= wait <= low + 1.0


def test_waits_are_journalled_with_the_try_that_they_follow() -> None:
    run = Run()
    run([Step(Rung.NORMAL, Script("net-reset"))])
    first, last = [event for event in run.events if isinstance(event, Attempt)]
    assert first.wait == run.time.waits[0]
    assert last.wait is None


def test_tries_are_capped_and_then_the_next_helpful_rung_follows() -> None:
    run = Run()
    first = Script(*["net-reset"] * 9)
    assert run([Step(Rung.NORMAL, first), Step(Rung.PATIENT, Script())], policy=Policy(tries=3)) == "done"
    assert first.calls == 3
    assert run.journal[-1] == ("patient", 1, None)


def test_seconds_are_capped_including_the_wait_to_come() -> None:
    run = Run()
    slow = Script(*["net-timeout"] * 9, time=run.time, takes=40.0)
    with pytest.raises(TfprovError):
        run([Step(Rung.NORMAL, slow)], policy=Policy(tries=99, seconds=100.0, first_wait=1.0))
    assert slow.calls == 3  # a fourth would begin after 120 s


def test_progress_refills_the_budget() -> None:
    run = Run()
    moved = 0

    def act() -> str:
        nonlocal moved
        if moved == 50:
            return "done"
        moved += 1
        raise TfprovError("net-reset", "cut again")

    step = Step(Rung.NORMAL, act, policy=Policy(tries=2, seconds=5.0, first_wait=1.0), progress=lambda: moved)
    assert run([step]) == "done"
    assert moved == 50
    assert max(run.time.waits) <= 2.0  # the waits begin anew too


def test_without_progress_the_budget_ends() -> None:
    run = Run()
    arrived = iter([1, 2, 2, 2, 2, 2, 2])
    moved = 0

    def act() -> str:
        nonlocal moved
        moved = next(arrived)
        raise TfprovError("net-reset", "cut again")

    with pytest.raises(TfprovError):
        run([Step(Rung.NORMAL, act, policy=Policy(tries=3, first_wait=1.0), progress=lambda: moved)])
    assert [number for _, number, _ in run.journal] == [1, 2, 3, 4]


def test_retry_after_is_honoured_and_never_shortened() -> None:
    run = Run()
    busy = TransferError("mirror-http-error", "429", status=429, retry_after=77.0)
    run([Step(Rung.NORMAL, Script(busy))], policy=Policy(longest_wait=5.0))
    assert run.time.waits == [77.0]


def test_a_retry_after_beyond_the_cap_escalates_at_once() -> None:
    run = Run()
    busy = TransferError("mirror-http-error", "429", status=429, retry_after=3600.0)
    steps = [Step(Rung.NORMAL, Script(busy)), Step(Rung.OTHER_SOURCE, Script())]
    assert run(steps, policy=Policy(seconds=300.0)) == "done"
    assert run.time.waits == []


def test_an_error_that_knows_it_is_final_is_not_retried() -> None:
    run = Run()
    gone = TransferError("mirror-http-error", "404", status=404)
    assert run([Step(Rung.NORMAL, Script(gone)), Step(Rung.OTHER_SOURCE, Script())]) == "done"
    assert run.journal == [("normal", 1, "mirror-http-error"), ("other-source", 1, None)]


def test_a_rung_that_cannot_help_is_passed_over_with_its_reason() -> None:
    run = Run()
    patient = Script()
    steps = [Step(Rung.NORMAL, Script("net-proxy")), Step(Rung.PATIENT, patient), Step(Rung.OTHER_ROUTE, Script())]
    assert run(steps) == "done"
    assert patient.calls == 0
    assert run.journal[1] == ("patient", 0, "net-proxy")
    passed = run.events[1]
    assert isinstance(passed, Attempt)
    assert passed.what == "skipped: it cannot help against `net-proxy`"


def test_a_rung_passed_over_is_taken_when_a_later_failure_needs_it() -> None:
    run = Run()
    steps = [
        Step(Rung.NORMAL, Script("net-proxy")),
        Step(Rung.PATIENT, Script()),
        Step(Rung.OTHER_ROUTE, always("net-reset")),
    ]
    assert run(steps, policy=Policy(tries=1)) == "done"
    assert [(rung, number) for rung, number, _ in run.journal] == [
        ("normal", 1),
        ("patient", 0),
        ("other-route", 1),
        ("patient", 1),
    ]


def test_a_rung_that_the_profile_skips_is_never_taken() -> None:
    run = Run()
    source = Script()
    with pytest.raises(TfprovError) as caught:
        run(
            [Step(Rung.NORMAL, always("net-reset")), Step(Rung.OTHER_SOURCE, source)],
            skip=("other-source",),
            policy=Policy(tries=1),
        )
    assert source.calls == 0
    assert "other-source: skipped: the profile skips it" in caught.value.tried


@pytest.mark.parametrize("code", ["disk-full", "permission-denied", "musl-libc", "tensorflow-gpu-package"])
def test_a_hopeless_failure_ends_the_climb_at_once(code: str) -> None:
    run = Run()
    others = [Script() for _ in Rung]
    steps = [Step(Rung.NORMAL, always(code)), *(Step(rung, act) for rung, act in zip(Rung, others, strict=True))]
    with pytest.raises(TfprovError) as caught:
        run(steps)
    assert caught.value.code.name == code
    assert [act.calls for act in others] == [0] * len(others)
    assert run.time.waits == []


def test_the_final_error_is_the_failure_that_got_furthest() -> None:
    run = Run()
    steps = [
        Step(Rung.NORMAL, always("net-reset")),
        Step(Rung.OTHER_ROUTE, always("net-proxy")),
        Step(Rung.OTHER_SOURCE, always("net-dns")),
    ]
    with pytest.raises(TfprovError) as caught:
        run(steps, policy=Policy(tries=2, first_wait=1.0))
    assert caught.value.code.name == "net-reset"
    assert len(caught.value.tried) == 3
    assert caught.value.tried[0].startswith("normal: 2 tries, ")
    assert caught.value.tried[0].endswith("net-reset: net-reset again")


def test_the_deadline_stops_waits_and_further_rungs() -> None:
    run = Run()
    other = Script()
    with pytest.raises(TfprovError):
        run(
            [Step(Rung.NORMAL, Script(*["net-reset"] * 9, time=run.time, takes=30.0)), Step(Rung.PATIENT, other)],
            policy=Policy(tries=99, deadline=1050.0, first_wait=1.0),
        )
    assert run.time.now < 1065.0
    assert other.calls == 0


def test_a_bug_is_neither_retried_nor_hidden() -> None:
    run = Run()

    def act() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run([Step(Rung.NORMAL, act), Step(Rung.PATIENT, Script())])


def test_secrets_stay_out_of_the_journal() -> None:
    run = Run()
    failure = TfprovError("net-proxy", "proxy `http://me:hunter2@proxy:3128` refuses")
    with pytest.raises(TfprovError) as caught:
        run([Step(Rung.NORMAL, Script(failure))])
    assert "hunter2" not in repr(run.events) + repr(caught.value.tried)


def test_the_journal_says_what_an_attempt_is_about() -> None:
    events: list[Event] = []
    climb("fetch", [Step(Rung.NORMAL, Script())], emit=events.append, subject="`a.whl`")
    (attempt,) = events
    assert isinstance(attempt, Attempt)
    assert attempt.what == "`a.whl`: succeeded"


def test_a_step_that_cannot_be_tried_is_passed_over_without_hiding_the_cause() -> None:
    run = Run()

    def absent() -> str:
        raise InapplicableError("the mirror does not have the file")

    steps = [Step(Rung.NORMAL, always("net-reset")), Step(Rung.OTHER_SOURCE, absent), Step(Rung.PATIENT, Script())]
    assert run(steps, policy=Policy(tries=1)) == "done"
    assert ("other-source", 0, "net-reset") in run.journal
    with pytest.raises(TfprovError) as caught:
        run(steps[:2], policy=Policy(tries=1))
    assert caught.value.code.name == "net-reset"
    assert caught.value.tried[1] == "other-source: skipped: the mirror does not have the file"
