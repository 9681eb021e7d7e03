from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from reporting import MB, RUN, Clock, fetched, plain
from tfprov.events import Note, Progress, StageEnded, StageStarted
from tfprov.report.terminal import TerminalReporter


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
