from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from tfprov.pipeline.backends.venv import search_time


@pytest.mark.parametrize(
    ("own", "children", "real", "is_over"),
    [
        (0.0, 0.0, 0.0, False),
        # A machine that is busy with other work takes no time from the search.
        (1.0, 18.0, 110.0, False),
        (1.0, 20.0, 21.0, True),
        (21.0, 0.0, 21.0, True),
        # An index that does not answer, and children of which the system does not tell the time.
        (0.5, 0.0, 121.0, True),
    ],
)
def test_a_search_ends_after_processor_time_or_much_real_time(
    monkeypatch: pytest.MonkeyPatch, own: float, children: float, real: float, is_over: bool
) -> None:
    spent = [0.0, 0.0, 0.0, 0.0, 0.0]
    monkeypatch.setattr(search_time, "os", SimpleNamespace(times=lambda: os.times_result(spent)))
    monkeypatch.setattr(search_time, "time", SimpleNamespace(monotonic=lambda: 1000.0 + spent[4]))
    limit = search_time.SearchTime(20.0)
    spent[0], spent[2], spent[4] = own, children, real
    assert limit.is_over is is_over
