from __future__ import annotations

from tfprov.fetch.pieces import Pieces

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
