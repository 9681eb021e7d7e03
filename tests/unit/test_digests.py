from __future__ import annotations

import os
import sys

import pytest

from tfprov.digests import bytes_of


def test_the_bytes_of_a_path_are_those_that_the_system_has() -> None:
    for text in ("a", "ü", "\U0001f600", "\udcff", "\udc80\udcfe"):
        assert bytes_of(text) == os.fsencode(text)
    assert len({bytes_of(text) for text in ("\udcff", "\udcfe", "a", "")}) == 4


@pytest.mark.parametrize("half", ["\ud800", "\udbff", "\udc00", "\udfff"])
def test_names_with_half_of_a_surrogate_pair_as_windows_has_them_have_bytes(
    monkeypatch: pytest.MonkeyPatch, half: str
) -> None:
    monkeypatch.setattr(sys, "getfilesystemencodeerrors", lambda: "surrogatepass")
    assert bytes_of(f"C:\\{half}").decode("utf-8", "surrogatepass") == f"C:\\{half}"
