from __future__ import annotations

import json
from pathlib import Path

import pytest

from tfprov.adopt.metadata import distributions_in


@pytest.mark.parametrize("url", ["https://[bad/six.whl", "file://[x/six", "", "file:///x%00y"])
def test_an_origin_that_no_address_can_be_stops_nothing(tmp_path: Path, url: str) -> None:
    folder = tmp_path / "six-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Name: six\nVersion: 1\n")
    (folder / "direct_url.json").write_text(json.dumps({"url": url}))
    assert [one.project for one in distributions_in(tmp_path, tmp_path)] == ["six"]
