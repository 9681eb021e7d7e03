from __future__ import annotations

import dataclasses

import pytest

from tfprov.events import Event, Note, fan_out, ignore


def test_every_listener_gets_every_event_in_order() -> None:
    heard: list[tuple[str, Event]] = []
    emit = fan_out(lambda event: heard.append(("a", event)), ignore, lambda event: heard.append(("b", event)))
    first, second = Note(text="one"), Note(text="two", level="warning")
    emit(first)
    emit(second)
    assert heard == [("a", first), ("b", first), ("a", second), ("b", second)]


def test_an_event_cannot_be_changed_by_a_listener() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Note(text="one").text = "two"  # type: ignore[misc]  # that is the point
