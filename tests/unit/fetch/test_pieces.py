from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tfprov.fetch.pieces import Pieces
from tfprov.fetch.spans import merge

MB = 1024 * 1024
SMALLEST = Pieces.SMALLEST


def test_pieces_come_from_the_front_and_take_about_two_seconds() -> None:
    pieces = Pieces([(0, 100 * MB)])
    assert pieces.claim(0.0, whole=False) == (0, SMALLEST)
    assert pieces.claim(10.0 * MB, whole=False) == (SMALLEST, SMALLEST + 20 * MB)
    assert pieces.bytes == 100 * MB - SMALLEST - 20 * MB


def test_a_piece_has_an_upper_bound() -> None:
    assert Pieces([(0, 9 * Pieces.LARGEST)]).claim(1e12, whole=False) == (0, Pieces.LARGEST)


def test_no_crumb_is_left_over() -> None:
    pieces = Pieces([(10, 10 + SMALLEST + SMALLEST // 8)])
    assert pieces.claim(0.0, whole=False) == (10, 10 + SMALLEST + SMALLEST // 8)
    assert pieces.claim(0.0, whole=False) is None


def test_a_server_without_parts_gets_the_whole_gap_to_send() -> None:
    pieces = Pieces([(0, 100 * MB), (200 * MB, 300 * MB)])
    assert pieces.claim(0.0, whole=True) == (0, 100 * MB)
    assert pieces.claim(0.0, whole=True) == (200 * MB, 300 * MB)
    assert not pieces


def test_what_comes_back_is_handed_out_again() -> None:
    pieces = Pieces([(50, 60)])
    pieces.add((40, 50))
    assert pieces.claim(0.0, whole=False) == (40, 60)
    pieces.add((0, 5))
    pieces.clear()
    assert pieces.claim(0.0, whole=False) is None


def test_what_is_wanted_first_is_handed_out_before_the_rest() -> None:
    pieces = Pieces([(0, 100 * MB)])
    first = [(98 * MB, 100 * MB), (50 * MB, 70 * MB)]
    assert pieces.claim(0.0, whole=False, first=first) == (98 * MB, 100 * MB)
    assert pieces.claim(0.0, whole=False, first=first) == (50 * MB, 50 * MB + SMALLEST)
    assert pieces.claim(1e9, whole=False, first=first) == (50 * MB + SMALLEST, 70 * MB)
    assert pieces.claim(1e9, whole=False, first=first) == (0, 50 * MB)
    assert pieces.claim(1e9, whole=False, first=first) == (70 * MB, 98 * MB)
    assert not pieces


def test_a_server_without_parts_sends_from_the_front_whatever_is_wanted() -> None:
    assert Pieces([(0, 100 * MB)]).claim(0.0, whole=True, first=[(98 * MB, 100 * MB)]) == (0, 100 * MB)


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=6),
    st.lists(st.floats(0, 400), min_size=1, max_size=8),
)
def test_every_byte_is_handed_out_once_whatever_is_wanted_first(
    wanted: list[tuple[int, int]], speeds: list[float]
) -> None:
    pieces, given_out = Pieces([(0, 100 * MB), (120 * MB, 300 * MB)]), list[tuple[int, int]]()
    first = [(start * MB, end * MB) for start, end in wanted]
    for speed in itertools.cycle(speeds):
        piece = pieces.claim(speed * MB, whole=False, first=first)
        if piece is None:
            break
        given_out.append(piece)
    assert sum(end - start for start, end in given_out) == 280 * MB
    spans: list[tuple[int, int]] = []
    for piece in given_out:
        spans = merge(spans, piece)
    assert spans == [(0, 100 * MB), (120 * MB, 300 * MB)]
