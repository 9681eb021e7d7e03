from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import pytest

from loopback import wheel
from tfprov.fetch.repair import diagnose

CONTENT = wheel("thing", "1.0", size=400_000, members=4)


with zipfile.ZipFile(io.BytesIO(CONTENT)) as _archive:
    DIRECTORY = _archive.start_dir


def text(size: int) -> bytes:
    """Bytes that compress about as well as a program does."""
    choice = random.Random(7)
    words = [choice.randbytes(choice.randrange(2, 12)) for _ in range(3000)]
    return b"".join(choice.choices(words, k=size // 6))


def members() -> dict[str, tuple[int, int]]:
    """Where each member begins, and where the next one does."""
    with zipfile.ZipFile(io.BytesIO(CONTENT)) as archive:
        entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
        starts = [entry.header_offset for entry in entries] + [archive.start_dir]
        return {entry.filename: (starts[number], starts[number + 1]) for number, entry in enumerate(entries)}


def damaged(tmp_path: Path, *offsets: int) -> Path:
    content = bytearray(CONTENT)
    for offset in offsets:
        content[offset] ^= 0xFF
    path = tmp_path / "thing.whl"
    path.write_bytes(content)
    return path


def first(path: Path) -> tuple[tuple[int, int], ...]:
    return diagnose(path).suspects[0]


def holds(spans: tuple[tuple[int, int], ...], offset: int) -> bool:
    return any(start <= offset < end for start, end in spans)


def test_a_whole_archive_can_only_be_wrong_where_no_checksum_looks(tmp_path: Path) -> None:
    found = diagnose(damaged(tmp_path))
    assert found.whole
    assert found.suspects == (((DIRECTORY, len(CONTENT)),),)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_a_flipped_byte_is_in_the_span_and_the_span_in_its_member(tmp_path: Path, share: float) -> None:
    start, end = members()["thing/data1.bin"]
    offset = start + int((end - start) * share)
    found = diagnose(damaged(tmp_path, offset))
    assert not found.whole
    ((begin, stop),) = found.suspects[0]
    assert start <= begin <= offset < stop <= end
    assert "thing/data1.bin" in found.evidence[0]


def test_two_damaged_members_are_two_spans(tmp_path: Path) -> None:
    one, three = members()["thing/data0.bin"], members()["thing/data2.bin"]
    assert len(first(damaged(tmp_path, one[0] + 5000, three[0] + 5000))) == 2


def test_a_damaged_local_header_condemns_its_member(tmp_path: Path) -> None:
    start, end = members()["thing/data3.bin"]
    found = diagnose(damaged(tmp_path, start))
    assert holds(found.suspects[0], start)
    assert found.suspects[-1][0][0] == start
    assert found.suspects[-1][0][1] >= end


@pytest.mark.parametrize("field", [14, 22])  # checksum and size
def test_a_wrong_checksum_beside_sound_data_condemns_the_header_alone(tmp_path: Path, field: int) -> None:
    start, _ = members()["thing/data1.bin"]
    ((begin, stop),) = first(damaged(tmp_path, start + field))
    assert begin == start
    assert stop - begin < 100


@pytest.mark.parametrize("field", [16, 24])
def test_a_wrong_checksum_in_the_directory_condemns_the_directory_alone(tmp_path: Path, field: int) -> None:
    entry = CONTENT.index(b"PK\x01\x02", DIRECTORY)
    found = diagnose(damaged(tmp_path, entry + field))
    assert found.suspects[0] == ((DIRECTORY, len(CONTENT)),)


def test_a_damaged_directory_means_the_end_again(tmp_path: Path) -> None:
    ((begin, stop),) = first(damaged(tmp_path, len(CONTENT) - 22))
    assert stop == len(CONTENT)
    assert begin >= len(CONTENT) - 70_000


def test_what_is_no_archive_is_doubted_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "page.whl"
    path.write_bytes(b"<html>" * 1000)
    assert first(path) == ((0, 6000),)


def test_in_a_big_member_a_small_part_is_suspected_first_and_the_rest_after_it(tmp_path: Path) -> None:
    path = tmp_path / "big-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big/data.bin", random.Random(3).randbytes(200_000) * 2 + text(12_000_000))
    content = bytearray(path.read_bytes())
    offset = len(content) * 2 // 3
    content[offset : offset + 4096] = bytes(4096)
    path.write_bytes(content)
    found = diagnose(path)
    assert holds(found.suspects[0], offset + 2048)
    assert sum(end - start for start, end in found.suspects[0]) < len(content) // 4
    assert found.suspects[1][0][0] == 0
    assert "most likely in" in found.evidence[0]
    assert found.bytes >= offset


def test_a_stored_member_cannot_be_searched(tmp_path: Path) -> None:
    path = tmp_path / "big-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("big/data.bin", random.Random(3).randbytes(3_000_000))
        size = archive.start_dir
    content = bytearray(path.read_bytes())
    content[1_000_000] ^= 1
    path.write_bytes(content)
    assert first(path)[0][0] == 0
    assert first(path)[0][1] >= size
