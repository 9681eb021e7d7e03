from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import httpx
import pytest

from tfprov.fetch.answers import validator_of
from tfprov.fetch.relay_answers import _received, headers_of
from tfprov.fetch.store import Store

NAME = "thing-1.0-py3-none-any.whl"


def test_a_wheel_that_was_fetched_whole_is_stored_where_no_file_can_be_opened_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, for a temporary file that goes when it is closed."""
    opened = Path.open

    def once(self: Path, mode: str = "r") -> BinaryIO:
        if self.name.startswith("tmp"):
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, mode)  # type: ignore[return-value]

    monkeypatch.setattr(Path, "open", once)
    store = Store(tmp_path)
    with _received([b"con", b"tent"], NAME, store) as file:
        assert file.seek(0, io.SEEK_END) == 7
    (stored,) = store.files()
    assert stored.path.name == NAME
    assert stored.size == 7
    assert list((tmp_path / "partial").iterdir()) == []


@pytest.mark.parametrize("odd", ['"\u2192"'.encode(), b'"\xe9"'])
def test_a_header_that_http_cannot_carry_on_is_left_out(odd: bytes) -> None:
    told = httpx.Response(200, headers=[(b"ETag", odd), (b"Last-Modified", odd), (b"Content-Type", b"text/html")])
    assert headers_of(told, ("ETag", "Last-Modified", "Content-Type", "Age")) == {"Content-Type": "text/html"}
    assert validator_of(told) is None
