from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from tfprov.errors import TfprovError
from tfprov.fetch.lanes import Lane, Manner, Pace, Slots, watch

NOW = 1000.0
MB = 1024 * 1024
MANNER = Manner(connect_timeout=15.0, idle_timeout=30.0)


def lane(*, silent: float = 0.0, asked: float = 0.0, window: float = 0.0, answered: bool = True, **also: int) -> Lane:
    """A busy lane whose moments lie so many seconds back."""
    return Lane(
        busy=True,
        answered=answered,
        asked_at=NOW - asked,
        moved_at=NOW - silent,
        window_at=NOW - window,
        window_bytes=also.get("window_bytes", 0),
        carried=also.get("carried", 0),
    )


@pytest.mark.parametrize(
    ("watched", "kicked"),
    [
        (lane(asked=44.0, answered=False), None),
        (lane(asked=46.0, answered=False), "no answer"),
        (lane(silent=29.0), None),
        (lane(silent=31.0), "silent"),
        (lane(silent=6.0, carried=2 * MB), "silent"),  # it was good before: a new connection tells more than waiting
        (lane(silent=4.0, carried=2 * MB), None),
        (lane(window=14.0, window_bytes=10), None),
        (lane(window=16.0, window_bytes=10), "too slow"),
        (lane(window=16.0, window_bytes=16 * 600), None),
        (lane(window=3.0, window_bytes=10, carried=2 * MB), "too slow"),
    ],
)
def test_a_connection_is_given_up_when_it_does_not_get_on(watched: Lane, kicked: str | None) -> None:
    watch([watched], MANNER, where="`index.example`", now=NOW)
    if kicked is None:
        assert watched.kicked is None
    else:
        assert watched.kicked is not None
        assert kicked in watched.kicked.what
        assert watched.kicked.code.name == "net-timeout"


def test_silence_beside_others_that_move_is_short() -> None:
    quiet = lane(silent=6.0)
    watch([quiet], MANNER, where="x", now=NOW)
    assert quiet.kicked is None
    watch([quiet, lane()], MANNER, where="x", now=NOW)
    assert quiet.kicked is not None


def test_silence_with_an_alternative_is_answered_by_going_there() -> None:
    quiet = lane(asked=16.0, answered=False)
    watch([quiet], replace(MANNER, answer_timeout=15.0, has_alternative=True), where="x", now=NOW)
    assert quiet.kicked is not None
    assert not quiet.kicked.transient


def test_a_trickle_that_was_tried_before_is_given_up() -> None:
    for gives_up in (False, True):
        trickle = lane(window=16.0, window_bytes=10)
        watch([trickle], replace(MANNER, gives_up=gives_up), where="x", now=NOW)
        assert trickle.kicked is not None
        assert trickle.kicked.transient is not gives_up


def test_the_window_begins_anew_while_enough_comes() -> None:
    good = lane(window=16.0, window_bytes=MB)
    watch([good], MANNER, where="x", now=NOW)
    assert good.window_bytes == 0


def test_a_kick_wakes_who_reads() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        kicked = lane()
        kicked.socket = ours
        watch([kicked], replace(MANNER, idle_timeout=-1.0), where="x", now=NOW)
        assert ours.recv(1) == b""


def test_more_connections_are_tried_as_long_as_they_make_the_whole_faster() -> None:
    pace = Pace()
    assert pace.pays(1e6, 1)
    assert pace.pays(1.9e6, 2)
    assert not pace.pays(2.0e6, 4)
    assert not pace.pays(9.0e6, 8)  # decided
    assert not Pace().pays(0.0, 1)
    assert not Pace().pays(200e6, 1)


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
