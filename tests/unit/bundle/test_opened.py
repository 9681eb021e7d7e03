"""Bundles as they are opened, also on a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.bundle.opened import Remote, open_bundle
from tfprov.errors import TfprovError


def test_an_address_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(TfprovError) as caught:
        open_bundle("http://[::1", cwd=tmp_path, fetch=lambda _: b"")
    assert (caught.value.code.name, caught.value.what) == ("usage", "the address of the bundle cannot be read")


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("wheels/a-1.0-py3-none-any.whl", "wheels/a-1.0-py3-none-any.whl"),
        ("profile/my reqs#1.txt", "profile/my%20reqs%231.txt"),
        ("profile/100%25.txt", "profile/100%2525.txt"),
        ("profile/größe.txt", "profile/gr%C3%B6%C3%9Fe.txt"),
    ],
)
def test_a_file_on_a_server_has_an_address_whatever_its_name(path: str, address: str) -> None:
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        return b"content"

    with Remote("https://example.org/b", fetch).open(path) as stream:
        assert stream.read() == b"content"
    assert asked == [f"https://example.org/b/{address}"]
