from __future__ import annotations

import io
import threading

import pytest

from reporting import MB, RUN, fetched, plain
from tfprov.events import Note, Progress, StageEnded, StageStarted
from tfprov.report.progress import LateReporter, PlainReporter


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
