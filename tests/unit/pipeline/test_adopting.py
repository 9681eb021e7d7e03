"""What `adopt` writes is never written over a file that is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.pipeline import adopting


def test_what_exists_stays(tmp_path: Path) -> None:
    path = tmp_path / "train.toml"
    path.touch()
    with pytest.raises(TfprovError) as caught:
        adopting.refuse_existing(path)
    error = caught.value
    assert (error.code.name, error.what) == ("path-not-ours", f"`{path}` already exists")
    assert error.hint == "choose another path with `--output`; existing files are not overwritten"
