from __future__ import annotations

import pytest

from tfprov.diagnose.about import _table, about
from tfprov.errors import CODES, TfprovError
from tfprov.report.diagnosis import page, worked_example


def test_the_table_names_codes_that_there_are() -> None:
    assert _table().keys() <= CODES.keys()


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_a_page(code: str) -> None:
    text = page(code)
    assert text.startswith(f"{code}: ")
    assert about(code).you in " ".join(text.split())
    for word in ("shows as", "tfprov", "you"):
        assert f"\n  {word}" in text


@pytest.mark.parametrize("code", ["net-proxy", "numpy-abi", "gpu-libs-missing", "disk-full", "musl-libc", "rocm"])
def test_a_page_ends_with_an_example_that_is_read_as_the_code(code: str) -> None:
    assert any(row.startswith(f"=> {code}: ") for row in worked_example(code))


def test_a_code_that_is_none_is_told_with_those_that_are_close() -> None:
    with pytest.raises(TfprovError, match="no code `net-prxy`") as caught:
        page("net-prxy")
    assert caught.value.hint.startswith("did you mean `net-proxy`")


def test_noise_has_a_page_with_every_kind() -> None:
    assert "oneDNN custom operations are on" in page("noise")
