from __future__ import annotations

import json
from pathlib import Path

import pytest

from tfprov.adopt.metadata import distributions_in, editable_of, headers


@pytest.mark.parametrize("url", ["https://[bad/six.whl", "file://[x/six", "", "file:///x%00y"])
def test_an_origin_that_no_address_can_be_stops_nothing(tmp_path: Path, url: str) -> None:
    folder = tmp_path / "six-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Name: six\nVersion: 1\n")
    (folder / "direct_url.json").write_text(json.dumps({"url": url}))
    assert [one.project for one in distributions_in(tmp_path, tmp_path)] == ["six"]


def test_names_of_editable_installations() -> None:
    names = ("__editable__.my_pkg-1.0.pth", "__editable___my_pkg_1_0_finder.pth", "_my_pkg.pth", "distutils.py")
    assert [editable_of(name) for name in names] == ["my-pkg", "my-pkg-1-0-finder", "my-pkg", ""]


def test_a_description_is_no_header() -> None:
    told = headers("Name: x\nRequires-Dist: a\nRequires-Dist: b\n  ; extra == 'c'\n\nRequires-Dist: no\n")
    assert told == {"Name": ["x"], "Requires-Dist": ["a", "b ; extra == 'c'"]}
