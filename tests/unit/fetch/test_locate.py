from __future__ import annotations

import io
import random
import zlib

import pytest

from tfprov.errors import TfprovError
from tfprov.fetch.locate import locate

MB = 1024 * 1024


def text(size: int) -> bytes:
    """Bytes that compress about as well as a program does."""
    choice = random.Random(7)
    words = [choice.randbytes(choice.randrange(2, 12)) for _ in range(3000)]
    parts: list[bytes] = []
    length = 0
    while length < size:
        parts.append(choice.choice(words) if choice.random() < 0.9 else choice.randbytes(3))
        length += len(parts[-1])
    return b"".join(parts)


CONTENT = text(4 * MB)


def packed(level: int = 6) -> bytearray:
    engine = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return bytearray(engine.compress(CONTENT) + engine.flush())


SOUND = packed()


def search(data: bytes, seconds: float = 60.0) -> tuple[int | None, int]:
    trace = locate(io.BytesIO(b"head" + data), 4, len(data), check=lambda: None, seconds=seconds)
    return trace.suspect, trace.cleared


@pytest.mark.parametrize("level", [1, 6, 9])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.99])
def test_a_block_of_zeros_is_found_at_most_a_block_behind_what_is_named(level: int, share: float) -> None:
    data = packed(level)
    offset = int(len(data) * share)
    count = len(data[offset : offset + 4096])
    data[offset : offset + 4096] = bytes(count)
    suspect, _ = search(data)
    assert suspect is not None
    assert offset - 100_000 < suspect <= offset + count


def test_most_single_bytes_are_found() -> None:
    choice, found = random.Random(11), 0
    for _ in range(10):
        data, offset = bytearray(SOUND), choice.randrange(100_000, len(SOUND))
        data[offset] ^= 0xFF
        suspect, _ = search(data)
        assert suspect is None or offset - 100_000 < suspect <= offset + 70_000
        found += suspect is not None
    assert found >= 5


def test_a_sound_stream_gives_nothing_away() -> None:
    assert search(bytes(SOUND)) == (None, 0)


def test_what_another_compressor_wrote_cannot_be_searched() -> None:
    engine = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS, strategy=zlib.Z_HUFFMAN_ONLY)
    data = bytearray(engine.compress(CONTENT) + engine.flush())
    data[len(data) // 2] ^= 0xFF
    assert search(data) == (None, 0)


def test_damage_at_the_very_begin_cannot_be_searched() -> None:
    data = bytearray(SOUND)
    data[10:2000] = bytes(1990)
    assert search(data) == (None, 0)


def test_a_search_that_takes_too_long_says_how_far_it_came() -> None:
    suspect, cleared = search(bytes(SOUND), seconds=-1.0)
    assert (suspect, cleared) == (None, 0)


def test_a_search_can_be_stopped() -> None:
    def check() -> None:
        raise TfprovError("interrupted", "stopped")

    with pytest.raises(TfprovError):
        locate(io.BytesIO(bytes(SOUND)), 0, len(SOUND), check=check, seconds=60.0)
