from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.inventory.components import _libraries

GOOD = "sha256=" + "A" * 43


@pytest.mark.parametrize("digest", ["sha256=A", "sha256=é", "sha256=AAAA", "md5=" + "A" * 43, "", "="])
def test_a_library_whose_hash_is_none_has_none(tmp_path: Path, digest: str) -> None:
    (tmp_path / "RECORD").write_text(
        f"nvidia/x/lib/liba.so.1,{digest},1\nnvidia/x/lib/libb.so,{GOOD},1\n", encoding="utf-8"
    )
    first, second = _libraries(tmp_path)
    assert (first.name, first.sha256) == ("liba", "")
    assert second.sha256 == "00" * 32
