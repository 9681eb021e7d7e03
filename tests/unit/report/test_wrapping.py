"""Lines that fit a terminal, and lose nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tfprov.report.wrapping import wrapped

PLAN = """tfprov up would make:
  chosen    tensorflow-cpu 2.21.0 on cpu
            the newest release; on the CPU, as asked
  notes     newer releases are outside `tensorflow.version = "==2.15.*"`: 2.16.1 to 2.21.0
  place     /home/me/my long folder/of environments
  use       tfprov run profiles/cpu.toml -- python
            source /home/me/environments/cpu/current/bin/activate
"""


def test_what_stands_behind_a_label_goes_on_below_itself() -> None:
    assert wrapped(PLAN, 40) == (
        "tfprov up would make:\n"
        "  chosen    tensorflow-cpu 2.21.0 on cpu\n"
        "            the newest release; on the\n"
        "            CPU, as asked\n"
        "  notes     newer releases are outside\n"
        '            `tensorflow.version = "==2.15.*"`:\n'
        "            2.16.1 to 2.21.0\n"
        "  place     /home/me/my long folder/of environments\n"
        "  use       tfprov run profiles/cpu.toml -- python\n"
        "            source /home/me/environments/cpu/current/bin/activate\n"
    )


@pytest.mark.parametrize("columns", [80, 100])
def test_what_fits_stays_as_it_is(columns: int) -> None:
    assert wrapped(PLAN.replace(" 2.16.1 to 2.21.0", ""), columns) == PLAN.replace(" 2.16.1 to 2.21.0", "")


@given(some.text(alphabet="ab`:- \n", max_size=300), some.integers(min_value=20, max_value=120))
def test_nothing_is_lost_and_only_what_has_no_blank_is_wider(words: str, columns: int) -> None:
    fitted = wrapped(words, columns)
    assert re.sub(r"\s+", "", fitted) == re.sub(r"\s+", "", words)
    for line in fitted.split("\n"):
        pieces = re.findall(r"(?:`[^`]*`|[^\s`])+", line)
        assert len(line.rstrip()) <= columns or len(pieces) <= 1 or line in words.split("\n") or "`" in line
