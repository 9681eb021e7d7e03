from __future__ import annotations

import hashlib
from pathlib import Path

from tfprov.fetch.hashing import Hasher
from tfprov.fetch.partial import Partial

MB = 1 << 20
DATA = bytes(range(256)) * (3 * MB // 256)


def test_bytes_are_hashed_up_to_the_first_gap_in_whatever_order_they_arrive(tmp_path: Path) -> None:
    with Partial(tmp_path / "f.part") as partial:
        partial.total = len(DATA)
        hasher = Hasher(partial)
        partial.write(2 * MB, DATA[2 * MB :])
        hasher.advance(None)
        assert hasher.hexdigest() == hashlib.sha256(b"").hexdigest()
        partial.write(0, DATA[: 2 * MB])
        assert hasher.advance(None) is False
        assert hasher.hexdigest() == hashlib.sha256(DATA).hexdigest()


def test_when_the_time_is_up_it_says_so_and_goes_on_where_it_was(tmp_path: Path) -> None:
    with Partial(tmp_path / "f.part") as partial:
        partial.total = len(DATA)
        partial.write(0, DATA)
        hasher = Hasher(partial)
        assert hasher.advance(0.0) is True
        assert hasher.hexdigest() == hashlib.sha256(DATA[:MB]).hexdigest()
        hasher.advance(None)
        assert hasher.hexdigest() == hashlib.sha256(DATA).hexdigest()


def test_a_file_that_begins_anew_is_hashed_anew(tmp_path: Path) -> None:
    with Partial(tmp_path / "f.part") as partial:
        hasher = Hasher(partial)
        partial.write(0, b"the wrong file")
        hasher.advance(None)
        partial.reset()
        partial.write(0, b"right")
        hasher.advance(None)
        assert hasher.hexdigest() == hashlib.sha256(b"right").hexdigest()
