"""Bundles that cannot be opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.bundle.opened import open_bundle
from tfprov.errors import TfprovError


def test_an_address_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(TfprovError) as caught:
        open_bundle("http://[::1", cwd=tmp_path, fetch=lambda _: b"")
    assert (caught.value.code.name, caught.value.what) == ("usage", "the address of the bundle cannot be read")
