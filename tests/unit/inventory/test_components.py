from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.inventory.components import InstalledPackage, _libraries, components

GOOD = "sha256=" + "A" * 43


@pytest.mark.parametrize("digest", ["sha256=A", "sha256=é", "sha256=AAAA", "md5=" + "A" * 43, "", "="])
def test_a_library_whose_hash_is_none_has_none(tmp_path: Path, digest: str) -> None:
    (tmp_path / "RECORD").write_text(
        f"nvidia/x/lib/liba.so.1,{digest},1\nnvidia/x/lib/libb.so,{GOOD},1\n", encoding="utf-8"
    )
    first, second = _libraries(tmp_path)
    assert (first.name, first.sha256) == ("liba", "")
    assert second.sha256 == "00" * 32


@pytest.mark.parametrize("tags", ["Tag: py3-none\n", "Tag: \n", "Tag: py3-none-any\nTag: a-b-c-d\n", ""])
def test_a_package_with_unreadable_tags_is_of_no_known_wheel(tmp_path: Path, tags: str) -> None:
    (tmp_path / "METADATA").write_text("Name: x\nVersion: 1\n")
    (tmp_path / "WHEEL").write_text(f"Wheel-Version: 1.0\n{tags}")
    one = InstalledPackage(name="x", version="1", metadata=tmp_path)
    (found,) = components([one], python_version="3.12.1", wheels={"x": [("x-1-py3-none-any.whl", "0" * 64)]})
    assert (found.version, found.sha256) == ("1", "")
