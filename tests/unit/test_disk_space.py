"""Room is checked before the first byte is written, and the hint is about what is lacking."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tfprov import disk_space
from tfprov.disk_space import Share, require, tell_of_files
from tfprov.errors import TfprovError

ELSEWHERE = ", or move tfprov's folders with TFPROV_HOME (and temporary files with TMPDIR)"


@pytest.mark.parametrize(
    ("size", "files", "hint"),
    [
        (1 << 60, 0, "free some space"),
        (1, 1000, "delete files that are not needed"),
        (1 << 60, 1000, "delete files that are not needed and free some space"),
    ],
)
def test_the_hint_is_about_what_is_lacking(
    tmp_path: Path, size: int, files: int, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_space, "free_files", lambda _: 10)
    with pytest.raises(TfprovError) as caught:
        require([Share(purpose="wheels", path=tmp_path, size=size, files=files)])
    assert (caught.value.code.name, caught.value.hint) == ("disk-full", hint + ELSEWHERE)


@pytest.mark.parametrize(
    ("code", "inodes", "free", "is_told"),
    [
        ("disk-full", 3, 1 << 30, True),
        ("disk-full", 3, 1 << 10, False),
        ("disk-full", 100_000, 1 << 30, False),
        ("disk-full", None, 1 << 30, False),
        ("disk-quota", 3, 1 << 30, False),
    ],
)
def test_a_disk_without_files_left_is_told_from_one_without_space(
    tmp_path: Path, code: str, inodes: int | None, free: int, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(disk_space, "free_files", lambda _: inodes)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free))
    error = TfprovError(code, "uv could not resolve", evidence=("No space left on device",))
    hint = error.hint
    tell_of_files(error, (tmp_path / "absent", tmp_path))
    if not is_told:
        assert (error.evidence, error.hint) == (("No space left on device",), hint)
        return
    assert error.evidence[1:] == (f"`{tmp_path}` has room for 3 more files (inodes), and 1.07 GB of space",)
    assert error.hint == "delete files that are not needed" + ELSEWHERE
