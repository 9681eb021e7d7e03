"""What is printed about a code and its causes."""

from __future__ import annotations

import pytest

from tfprov.diagnose.diagnose import diagnose_text
from tfprov.errors import TfprovError
from tfprov.report.diagnosis import page, text, worked_example


@pytest.mark.parametrize("code", ["net-proxy", "numpy-abi", "gpu-libs-missing", "disk-full", "musl-libc", "rocm"])
def test_a_page_ends_with_an_example_that_is_read_as_the_code(code: str) -> None:
    assert any(row.startswith(f"=> {code}: ") for row in worked_example(code))


def test_a_code_that_is_none_is_told_with_those_that_are_close() -> None:
    with pytest.raises(TfprovError, match="no code `net-prxy`") as caught:
        page("net-prxy")
    assert caught.value.hint.startswith("did you mean `net-proxy`")


def test_noise_has_a_page_with_every_kind() -> None:
    assert "oneDNN custom operations are on" in page("noise")


@pytest.mark.parametrize("named", [True, False])
def test_of_an_exception_that_nobody_knows_it_is_told_whose_code_raised_it(named: bool) -> None:
    frame = '  File "/srv/train.py", line 3, in <module>\n' if named else ""
    told = text(diagnose_text(f"Traceback (most recent call last):\n{frame}KeyError: 'loss'\n"))
    assert told.startswith("unknown: something failed")
    assert ("the program's own code failed (train.py, line 3)" in told) == named
