from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from loopback import wheel
from tfprov.fetch.repair import diagnose

CONTENT = wheel("thing", "1.0", size=400_000, members=4)


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


def test_a_whole_archive_has_no_damage(tmp_path: Path) -> None:
    assert diagnose(damaged(tmp_path)).spans == ()


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_a_flipped_byte_is_in_the_span_and_the_span_in_its_member(tmp_path: Path, share: float) -> None:
    start, end = members()["thing/data1.bin"]
    offset = start + int((end - start) * share)
    found = diagnose(damaged(tmp_path, offset))
    assert len(found.spans) == 1
    assert start <= found.spans[0][0] <= offset < found.spans[0][1] <= end
    assert "thing/data1.bin" in found.evidence[0]


def test_two_damaged_members_are_two_spans(tmp_path: Path) -> None:
    first, third = members()["thing/data0.bin"], members()["thing/data2.bin"]
    found = diagnose(damaged(tmp_path, first[0] + 5000, third[0] + 5000))
    assert len(found.spans) == 2


def test_a_damaged_local_header_condemns_its_member(tmp_path: Path) -> None:
    start, end = members()["thing/data3.bin"]
    assert diagnose(damaged(tmp_path, start)).spans == ((start, end),)


def test_a_damaged_directory_means_the_end_again(tmp_path: Path) -> None:
    found = diagnose(damaged(tmp_path, len(CONTENT) - 22))
    assert len(found.spans) == 1
    assert found.spans[0][1] == len(CONTENT)
    assert found.spans[0][0] >= len(CONTENT) - 70_000


def test_what_is_no_archive_is_doubted_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "page.whl"
    path.write_bytes(b"<html>" * 1000)
    assert diagnose(path).spans == ((0, 6000),)
