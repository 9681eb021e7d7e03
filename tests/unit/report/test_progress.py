from __future__ import annotations

import io
import threading
from dataclasses import replace

import pytest
from rich.console import Console

from tfprov.events import Attempt, Event, Note, Progress, StageEnded, StageStarted
from tfprov.report.progress import LateReporter, PlainReporter
from tfprov.report.terminal import TerminalReporter

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


def test_plain_lines_tell_a_run_from_start_to_end() -> None:
    assert plain() == (
        "> plan\n"
        "  the user site is ignored\n"
        "* plan  1.0 s\n"
        "> fetch\n"
        "  fetch: 20 MB of 100 MB, 2 MB/s, 40 s left\n"
        "  fetch: 40 MB of 100 MB, 2 MB/s, 30 s left\n"
        "! fetch, normal, try 1: net-reset: cut https://****@host; again in 2.0 s\n"
        "! the disk is nearly full\n"
        "x fetch  1 min 9 s  disk-full\n"
    )


def test_verbose_lines_tell_quick_stages_details_and_skipped_rungs_too() -> None:
    lines = plain(verbose=True).splitlines()
    more = [line for line in lines if line not in plain().splitlines()]
    assert more == [
        "> profile",
        "* profile  0.0 s",
        "  a detail",
        "  fetch, other-route: there is one route only",
        "  fetch, patient: all files",
    ]


def test_a_quick_stage_that_took_long_or_failed_is_told_after_all() -> None:
    run = (
        (0.0, StageEnded(stage="facts", seconds=2.5)),
        (0.0, StageEnded(stage="profile", seconds=0.0, code="profile-invalid")),
    )
    assert plain(run=run) == "* facts  2.5 s\nx profile  0.0 s  profile-invalid\n"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (fetched(50 * MB, None), "50 MB, 5 MB/s"),
        (fetched(100 * MB), "100 MB of 100 MB, 10 MB/s"),
        (fetched(0), "0 B of 100 MB"),
        (Progress(stage="install", what="wheels", done=3, total=21, unit="files"), "3 of 21 files"),
        (Progress(stage="install", what="wheels", done=3, total=None, unit="files"), "3 files"),
    ],
)
def test_how_far_a_stage_is(event: Progress, expected: str) -> None:
    start = (0.0, StageStarted(stage=event.stage))
    first = Progress(stage=event.stage, what="wheels", done=0, total=event.total, unit=event.unit)
    assert plain(run=(start, (0.0, first), (10.0, event))).splitlines()[-1] == f"  {event.stage}: {expected}"


def test_what_lay_there_before_does_not_count_as_speed() -> None:
    run = ((0.0, StageStarted(stage="fetch")), (0.0, fetched(80 * MB)), (10.0, fetched(90 * MB)))
    assert plain(run=run).splitlines()[-1] == "  fetch: 90 MB of 100 MB, 1 MB/s, 10 s left"


def test_a_new_stage_is_measured_anew() -> None:
    run = (
        *RUN[:12],
        (30.0, StageStarted(stage="install")),
        (35.0, Progress(stage="install", what="x", done=1, total=2)),
    )
    assert plain(run=run).splitlines()[-1] == "> install"


def test_lines_of_several_threads_stay_whole() -> None:
    stream = io.StringIO()
    reporter = PlainReporter(stream)
    workers = [
        threading.Thread(target=lambda: [reporter(Note(text="x" * 200)) for _ in range(100)], daemon=True)
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert set(stream.getvalue().splitlines()) == {"  " + "x" * 200}


def terminal(width: int) -> tuple[Console, TerminalReporter, Clock]:
    clock = Clock()
    console = Console(file=io.StringIO(), width=width, force_terminal=True, record=True, color_system=None)
    return console, TerminalReporter(console, clock=clock), clock


@pytest.mark.parametrize("width", [40, 100])
def test_a_terminal_keeps_what_should_stay_whatever_its_width(width: int) -> None:
    console, reporter, clock = terminal(width)
    with reporter:
        for moment, event in RUN:
            clock.now = 100.0 + moment
            reporter(event)
    # The record has the moving lines too, each before what was printed over it.
    seen = console.export_text(styles=False)
    for line in plain().splitlines():
        if not line.startswith(">") and not line.startswith("  fetch:"):
            assert f"{line}\n" in seen
    assert "a detail" not in seen


@pytest.mark.parametrize("width", [20, 40, 59, 60, 71, 72, 100])
def test_the_moving_line_never_wraps(width: int) -> None:
    console, reporter, clock = terminal(width)
    with reporter:
        reporter(StageStarted(stage="interpreter"))
        reporter(fetched(0, 3_440_000_000))
        clock.now += 5
        reporter(fetched(1_234_000_000, 3_440_000_000))
        rows = list(console.render_lines(reporter._bars.get_renderable(), pad=False))
    assert len(rows) == 1
    assert sum(segment.cell_length for segment in rows[0]) <= width


def test_the_moving_line_says_how_far_it_is() -> None:
    console, reporter, clock = terminal(100)
    with reporter:
        reporter(StageStarted(stage="fetch"))
        reporter(fetched(0))
        clock.now += 10
        reporter(fetched(50 * MB))
        (row,) = console.render_lines(reporter._bars.get_renderable(), pad=False)
    shown = "".join(segment.text for segment in row)
    assert "fetch" in shown
    assert "50 MB of 100 MB, 5 MB/s, 10 s left" in shown


@pytest.mark.parametrize(
    ("stage", "event", "words"),
    [
        ("install", fetched(123 * MB, 345 * MB), "install 123 MB of 345 MB, 18 s left"),
        (
            "smoke",
            Progress(stage="smoke", what="matmul on GPU:0", done=16, total=None, unit="checks"),
            "smoke 16 checks, now matmul",
        ),
        (
            "plan",
            Progress(stage="plan", what="Python 3.12.1", done=3, total=None, unit="tries"),
            "plan try 4",
        ),
    ],
)
def test_on_a_narrow_terminal_the_moving_line_loses_the_speed_and_no_letter(
    stage: str, event: Progress, words: str
) -> None:
    console, reporter, clock = terminal(40)
    with reporter:
        reporter(StageStarted(stage=stage))
        reporter(replace(event, done=0))
        clock.now += 10
        reporter(event)
        (row,) = console.render_lines(reporter._bars.get_renderable(), pad=False)
    assert "".join(segment.text for segment in row)[2:].rstrip() == words


def test_a_resolve_that_takes_long_says_what_it_tries() -> None:
    console, reporter, _ = terminal(100)
    with reporter:
        reporter(StageStarted(stage="plan"))
        reporter(
            Progress(
                stage="plan", what="Python 3.12.1 with tensorflow 2.16.1 to 2.21.0", done=3, total=None, unit="tries"
            )
        )
        (row,) = console.render_lines(reporter._bars.get_renderable(), pad=False)
    assert "try 4: Python 3.12.1 with tensorflow 2.16.1 to 2.21.0" in "".join(segment.text for segment in row)


def test_square_brackets_are_text_and_no_markup() -> None:
    console, reporter, _ = terminal(100)
    with reporter:
        reporter(Note(text="tensorflow[and-cuda] [bold]x[/bold]"))
        reporter(StageStarted(stage="fetch"))
        reporter(StageEnded(stage="fetch", seconds=1.0))
    text = console.export_text()
    assert "  tensorflow[and-cuda] [bold]x[/bold]\n" in text
    assert "* fetch  1.0 s\n" in text


def test_progress_without_a_stage_is_dropped() -> None:
    console, reporter, _ = terminal(40)
    with reporter:
        reporter(fetched(1))
        reporter(StageEnded(stage="fetch", seconds=0.0))
    assert console.export_text().strip() == "* fetch  0.0 s"


class TestLateReporter:
    """Nothing is made for what leaves no line."""

    def late(self, *, verbose: bool = False) -> tuple[io.StringIO, LateReporter, list[PlainReporter]]:
        stream, made = io.StringIO(), []

        def make() -> PlainReporter:
            made.append(PlainReporter(stream, verbose=verbose))
            return made[-1]

        return stream, LateReporter(make, verbose=verbose), made

    def test_a_profile_that_was_read_is_not_worth_it(self) -> None:
        _, late, made = self.late()
        with late as emit:
            emit(StageStarted(stage="profile"))
            emit(StageEnded(stage="profile", seconds=0.1))
        assert made == []

    def test_the_first_event_after_it_is_shown_and_all_others(self) -> None:
        stream, late, made = self.late()
        with late as emit:
            emit(StageEnded(stage="profile", seconds=0.1))
            emit(Note(text="another tfprov works", level="warning"))
            emit(Note(text="it is done"))
        assert stream.getvalue() == "! another tfprov works\n  it is done\n"
        assert len(made) == 1

    def test_a_profile_with_mistakes_is_shown(self) -> None:
        stream, late, _ = self.late()
        late(StageEnded(stage="profile", seconds=0.1, code="profile-invalid"))
        assert stream.getvalue() == "x profile  0.1 s  profile-invalid\n"

    def test_with_details_everything_is(self) -> None:
        stream, late, _ = self.late(verbose=True)
        late(StageStarted(stage="profile"))
        assert stream.getvalue() == "> profile\n"


@pytest.mark.parametrize("encoding", ["utf-8", "cp437", "cp1252", "latin-1", "ascii"])
def test_the_moving_line_has_only_letters_that_the_terminal_has(encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="backslashreplace")
    with TerminalReporter(Console(file=stream, force_terminal=True, width=80)) as reporter:
        reporter(StageStarted(stage="fetch"))
        reporter(fetched(MB))
    stream.flush()
    shown = raw.getvalue().decode(encoding)
    assert "fetch" in shown
    assert "\\u" not in shown
