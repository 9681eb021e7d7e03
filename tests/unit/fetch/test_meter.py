from __future__ import annotations

import pytest

from tfprov.events import Event, Progress
from tfprov.fetch import meter as meter_module
from tfprov.fetch.meter import Meter
from tfprov.lock.records import LockedFile


def file(name: str) -> LockedFile:
    return LockedFile(name=name, version="1.0", filename=f"{name}.whl", url="", sha256=name, size=None)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [100.0]
    monkeypatch.setattr(meter_module.time, "monotonic", lambda: clock[0])
    return clock


def test_the_bytes_of_all_files_are_added_up(now: list[float]) -> None:
    events: list[Event] = []
    meter = Meter(events.append, 100)
    meter.at(file("a"), 10)
    now[0] += 1
    meter.at(file("b"), 5)
    now[0] += 1
    meter.at(file("a"), 30)
    done = [event.done for event in events if isinstance(event, Progress)]
    assert done == [10, 15, 35]
    assert events[-1] == Progress(stage="fetch", what="a.whl", done=35, total=100)


def test_it_reports_at_most_ten_times_a_second_and_whenever_a_file_is_whole(now: list[float]) -> None:
    events: list[Event] = []
    meter = Meter(events.append, None)
    for step in range(20):
        now[0] += 0.01
        meter.at(file("a"), step)
    assert len(events) <= 3
    before = len(events)
    meter.at(file("a"), 20, last=True)
    assert len(events) == before + 1


def test_what_came_and_what_was_here_are_counted_apart() -> None:
    meter = Meter(lambda _event: None, None)
    meter.arrived(3)
    meter.arrived(4)
    meter.found(5)
    assert (meter.fetched, meter.reused) == (7, 5)
