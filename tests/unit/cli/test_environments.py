from __future__ import annotations

import pytest

from tfprov.cli.environments import _confirm
from tfprov.errors import TfprovError


def test_nothing_is_deleted_where_there_is_no_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(TfprovError, match="nothing was deleted"):
        _confirm("Delete it?", yes=False)
    _confirm("Delete it?", yes=True)
