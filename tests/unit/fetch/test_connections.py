from __future__ import annotations

import os
import socket
import time
from dataclasses import replace
from functools import partial

import pytest

from tfprov.errors import TfprovError
from tfprov.fetch.connections import Connection, Slots, SpeedMeter, TransferOptions, watch

NOW = 1000.0
MB = 1024 * 1024
OPTIONS = TransferOptions(connect_timeout=15.0, idle_timeout=30.0)


def connection(
    *, silent: float = 0.0, asked: float = 0.0, window: float = 0.0, answered: bool = True, **also: int
) -> Connection:
    """A busy connection whose times are so many seconds ago."""
    return Connection(
        busy=True,
        answered=answered,
        asked_at=NOW - asked,
        moved_at=NOW - silent,
        window_at=NOW - window,
        window_bytes=also.get("window_bytes", 0),
        carried=also.get("carried", 0),
    )


@pytest.mark.parametrize(
    ("watched", "aborted"),
    [
        (connection(asked=44.0, answered=False), None),
        (connection(asked=46.0, answered=False), "no answer"),
        (connection(silent=29.0), None),
        (connection(silent=31.0), "silent"),
        (
            connection(silent=6.0, carried=2 * MB),
            "silent",
        ),  # it was good before: a new connection tells more than waiting
        (connection(silent=4.0, carried=2 * MB), None),
        (connection(window=14.0, window_bytes=10), None),
        (connection(window=16.0, window_bytes=10), "too slow"),
        (connection(window=16.0, window_bytes=16 * 600), None),
        (connection(window=3.0, window_bytes=10, carried=2 * MB), "too slow"),
    ],
)
def test_a_connection_is_given_up_when_it_does_not_get_on(watched: Connection, aborted: str | None) -> None:
    watch([watched], OPTIONS, where="`index.example`", now=NOW)
    if aborted is None:
        assert watched.aborted is None
    else:
        assert watched.aborted is not None
        assert aborted in watched.aborted.what
        assert watched.aborted.code.name == "net-timeout"


def test_silence_beside_others_that_move_is_short() -> None:
    quiet = connection(silent=6.0)
    watch([quiet], OPTIONS, where="x", now=NOW)
    assert quiet.aborted is None
    watch([quiet, connection()], OPTIONS, where="x", now=NOW)
    assert quiet.aborted is not None


def test_silence_with_an_alternative_is_answered_by_going_there() -> None:
    quiet = connection(asked=16.0, answered=False)
    watch([quiet], replace(OPTIONS, answer_timeout=15.0, has_alternative=True), where="x", now=NOW)
    assert quiet.aborted is not None
    assert not quiet.aborted.transient


def test_a_trickle_that_was_tried_before_is_given_up() -> None:
    for gives_up in (False, True):
        trickle = connection(window=16.0, window_bytes=10)
        watch([trickle], replace(OPTIONS, gives_up=gives_up), where="x", now=NOW)
        assert trickle.aborted is not None
        assert trickle.aborted.transient is not gives_up


def test_the_window_begins_anew_while_enough_comes() -> None:
    good = connection(window=16.0, window_bytes=MB)
    watch([good], OPTIONS, where="x", now=NOW)
    assert good.window_bytes == 0


def test_aborting_a_connection_wakes_its_reader() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        aborted = connection()
        aborted.socket = ours
        watch([aborted], replace(OPTIONS, idle_timeout=-1.0), where="x", now=NOW)
        try:
            assert ours.recv(1) == b""
        except BrokenPipeError:
            assert os.name == "nt"  # which tells the reader that it was shut down here


def test_more_connections_are_tried_as_long_as_they_make_the_whole_faster() -> None:
    meter = SpeedMeter()
    assert meter.more_pay(1e6, 1)
    assert meter.more_pay(1.9e6, 2)
    assert not meter.more_pay(2.0e6, 4)
    assert not meter.more_pay(9.0e6, 8)  # decided
    assert not SpeedMeter().more_pay(0.0, 1)
    assert not SpeedMeter().more_pay(200e6, 1)


@pytest.mark.parametrize("used", [0.0, 0.4, 0.46, 5.0])
def test_no_connection_is_added_while_this_process_uses_a_whole_processor(
    used: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = {"monotonic": 0.0, "process_time": 0.0}
    for name in now:
        monkeypatch.setattr(time, name, partial(now.__getitem__, name))
    meter = SpeedMeter()
    now.update(monotonic=0.5, process_time=used)
    speed = meter.measure(10_000_000)
    assert speed == 20e6
    assert meter.more_pay(speed, 1) is (used < 0.45)
    now.update(monotonic=1.0)
    assert meter.measure(20_000_000) == 20e6
    assert meter.more_pay(20e6, 1), "it has nothing else to do any more"


def test_slots_are_given_out_once() -> None:
    slots = Slots(2)
    slots.take(lambda: None)
    assert slots.take_spare()
    assert not slots.take_spare()
    slots.give_back()
    assert slots.take_spare()


def test_waiting_for_a_slot_can_be_stopped() -> None:
    slots = Slots(1)
    slots.take(lambda: None)

    def check() -> None:
        raise TfprovError("interrupted", "stopped")

    with pytest.raises(TfprovError):
        slots.take(check)
