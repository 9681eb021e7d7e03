"""`SECURITY.md` promises nothing that no test holds."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_is_there_and_has_tests() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", PAGE))
    assert len(named) > 15
    for name in named:
        assert "\ndef test_" in (ROOT / name).read_text(encoding="utf-8") or "    def test_" in (ROOT / name).read_text(
            encoding="utf-8"
        ), name


def test_every_row_about_others_names_a_test_for_what_they_may_not_do() -> None:
    _, rows = PAGE.split("## What may do what", 1)
    table = [line for line in rows.split("\n## ")[0].splitlines() if line.startswith("| ")][2:]
    assert len(table) >= 10
    for row in table:
        assert "`tests/" in row.split(" | ")[-1], row
