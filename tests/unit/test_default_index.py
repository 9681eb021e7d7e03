from __future__ import annotations

from tfprov.default_index import default_index


def test_the_public_index_is_read_from_pips_own_code() -> None:
    assert default_index().startswith("https://")
    assert default_index().endswith("/simple")
