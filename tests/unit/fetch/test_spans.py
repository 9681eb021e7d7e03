"""Spans of a file, and the gaps between them."""

from __future__ import annotations

import pytest

from tfprov.fetch.spans import gaps, merge


@pytest.mark.parametrize(
    ("spans", "new", "merged"),
    [
        ([], (0, 5), [(0, 5)]),
        ([(0, 5)], (5, 9), [(0, 9)]),
        ([(0, 5)], (7, 9), [(0, 5), (7, 9)]),
        ([(0, 5), (7, 9)], (4, 8), [(0, 9)]),
        ([(3, 5)], (0, 1), [(0, 1), (3, 5)]),
        ([(0, 5)], (2, 3), [(0, 5)]),
        ([(0, 5)], (7, 7), [(0, 5)]),
    ],
)
def test_spans_are_joined_where_they_touch(
    spans: list[tuple[int, int]], new: tuple[int, int], merged: list[tuple[int, int]]
) -> None:
    assert merge(spans, new) == merged


@pytest.mark.parametrize(
    ("spans", "missing"),
    [
        ([], [(0, 10)]),
        ([(0, 10)], []),
        ([(2, 4), (6, 8)], [(0, 2), (4, 6), (8, 10)]),
        ([(0, 99)], []),
    ],
)
def test_gaps_are_what_the_spans_leave(spans: list[tuple[int, int]], missing: list[tuple[int, int]]) -> None:
    assert gaps(spans, 10) == missing
