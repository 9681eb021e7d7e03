from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.fetch.partial import Partial
from tfprov.fetch.record import Origin, parse

MB = 1024 * 1024


def abandoned(path: Path, *, boot: str, written: int, total: int = 8 * MB) -> None:
    """A partial file whose process was killed: never closed."""
    partial = Partial(path, boot=boot)
    partial.total = total
    partial.origin = Origin("http://x/f", '"a"')
    for start in range(0, written, MB):
        partial.write(start, b"x" * MB)
    # What a killed process leaves open is closed by the system, without a last word.
    partial._file.close()
    partial._notes.close()


def test_after_a_kill_everything_handed_to_the_system_is_counted(tmp_path: Path) -> None:
    abandoned(tmp_path / "f.part", boot="one", written=3 * MB)
    with Partial(tmp_path / "f.part", boot="one") as again:
        assert again.arrived == 3 * MB
        assert again.missing() == [(3 * MB, 8 * MB)]
        assert again.origin == Origin("http://x/f", '"a"')


def test_after_a_power_loss_only_what_was_flushed_is_counted(tmp_path: Path) -> None:
    partial = Partial(tmp_path / "f.part", boot="one")
    partial.total = 8 * MB
    partial.write(0, b"x" * MB)
    partial.checkpoint(now=True)
    partial.write(MB, b"x" * MB)
    partial._file.close()
    partial._notes.close()
    with Partial(tmp_path / "f.part", boot="two") as again:
        assert again.arrived == MB


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"boot": "one"}', b'{"spans": [[0]], "boot": 1}'])
def test_a_damaged_record_counts_for_nothing(tmp_path: Path, damage: bytes) -> None:
    abandoned(tmp_path / "f.part", boot="one", written=2 * MB)
    (tmp_path / "f.written").write_bytes(damage)
    with Partial(tmp_path / "f.part", boot="one") as again:
        assert again.arrived == 0
        assert again.total is None


def test_a_record_that_claims_more_than_the_file_holds_is_not_believed(tmp_path: Path) -> None:
    abandoned(tmp_path / "f.part", boot="one", written=2 * MB)
    (tmp_path / "f.part").write_bytes(b"x" * MB)
    with Partial(tmp_path / "f.part", boot="one") as again:
        assert again.arrived == 0


def test_parts_arrive_in_any_order(tmp_path: Path) -> None:
    with Partial(tmp_path / "f.part", boot="one") as partial:
        partial.total = 6
        partial.write(3, b"def")
        assert (partial.prefix, partial.missing()) == (0, [(0, 3)])
        assert [partial.reaches(at) for at in range(7)] == [0, 1, 2, 6, 6, 6, 6]
        partial.write(0, b"abc")
        assert (partial.prefix, partial.missing()) == (6, [])
        assert partial.read(0, 6) == b"abcdef"


def test_a_reset_leaves_nothing_behind(tmp_path: Path) -> None:
    abandoned(tmp_path / "f.part", boot="one", written=2 * MB)
    with Partial(tmp_path / "f.part", boot="one") as partial:
        partial.reset(total=5)
        assert (partial.arrived, partial.total, partial.origin) == (0, 5, None)
    with Partial(tmp_path / "f.part", boot="one") as again:
        assert (again.arrived, again.total) == (0, 5)


def test_the_records_of_a_finished_file_stay_and_tell_the_boot_last(tmp_path: Path) -> None:
    partial = Partial(tmp_path / "f.part", boot="one")
    partial.total = 7
    partial.write(0, b"content")
    records = partial.finish()
    assert records == Partial.records(tmp_path / "f.part")
    assert (record := parse(records[-1])) is not None
    assert (record.boot, record.spans) == ("one", ((0, 7),))
    assert (tmp_path / "f.part").read_bytes() == b"content"


def test_what_is_read_back_is_what_was_written(tmp_path: Path) -> None:
    content = os.urandom(MB + 5)
    with Partial(tmp_path / "f.part") as partial:
        partial.write(2, content)
        assert partial.read(2, len(content)) == content
        buffer = memoryview(bytearray(10))
        assert partial.read_into(len(content) - 3, buffer) == 5
        assert bytes(buffer[:5]) == content[-5:]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TfprovError) as caught:
        Partial(tmp_path / "none" / "f.part")
    assert caught.value.code.name == "internal"
