"""Room is checked before the first byte is written, and the hint is about what is lacking."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfprov import disk_space
from tfprov.disk_space import Share, require
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
