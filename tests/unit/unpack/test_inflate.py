from __future__ import annotations

import random
import sys
import zlib

import pytest

from tfprov.unpack import inflate

DATA = random.Random(1).randbytes(5_000) * 40


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.fixture(params=["ISA-L", "zlib"], autouse=True)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "ISA-L":
        pytest.importorskip("isal", reason="it has no wheels here")
    else:
        monkeypatch.setitem(sys.modules, "isal", None)
    found = inflate._best()
    for name, one in zip(("_decompressobj", "crc32", "InflateError"), found, strict=True):
        monkeypatch.setattr(inflate, name, one)


@pytest.mark.parametrize("step", [1_000, 100_000])
def test_a_member_is_inflated_in_pieces_up_to_its_end(step: int) -> None:
    packed = deflated(DATA) + b"what follows"
    inflater, content, at = inflate.inflater(), b"", 0
    while not inflater.eof:
        content += inflater.decompress(packed[at : at + step])
        at += step
    assert content == DATA
    assert (inflater.unused_data + packed[at:]) == b"what follows"


def test_the_crc_goes_on_from_what_came_before() -> None:
    assert inflate.crc32(DATA[7:], inflate.crc32(DATA[:7], 0)) == zlib.crc32(DATA)


def test_what_is_not_deflate_data_is_told_from_other_failures() -> None:
    with pytest.raises(inflate.InflateError):
        inflate.inflater().decompress(b"\xff" * 64)
