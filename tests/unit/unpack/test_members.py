from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfprov.unpack.members import File


def test_a_stream_and_reads_at_offsets_do_not_move_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pread", raising=False)
    content = bytes(range(256)) * 1000
    (tmp_path / "file").write_bytes(content)
    with File(tmp_path / "file") as file, file.stream() as one, file.stream() as two:
        for offset in range(0, len(content), 9_999):
            one.seek(offset)
            two.seek(-offset, os.SEEK_END)
            assert file.read(offset // 2, 50) == content[offset // 2 : offset // 2 + 50]
            assert one.read(9_999) == content[offset : offset + 9_999]
            assert two.read() == content[len(content) - offset :]
            assert one.tell() == min(offset + 9_999, len(content))
