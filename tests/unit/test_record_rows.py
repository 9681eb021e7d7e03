from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfprov.record_rows import is_below, row_of, rows_in, rows_of

GOOD = "a.py,sha256=x,3\n"


@pytest.mark.parametrize("odd", ["", "x.py", "x.py,a,b,c,d", ",,", "x\0.py,sha256=a,1", "x" * 200_000, "\x1e", "a\rb"])
def test_a_row_of_any_shape_leaves_the_others_as_they_are(odd: str) -> None:
    found = list(rows_of(GOOD + odd + "\n" + GOOD))
    assert (found[0], found[-1]) == (("a.py", "sha256=x", "3"), ("a.py", "sha256=x", "3"))


@given(st.text())
def test_any_text_is_rows_of_three_words(text: str) -> None:
    for row in rows_of(text):
        assert len(row) == 3
        assert row.path
        assert "\0" not in row.path


def test_paths_with_commas_and_backslashes_are_read() -> None:
    assert [row.path for row in rows_of('"a, b.py",,\nc\\d.py,,\n')] == ["a, b.py", "c/d.py"]


@given(st.lists(st.text(st.characters(exclude_characters="\0\\", exclude_categories=["Cs"]), min_size=1)))
def test_every_name_that_was_written_is_read_back(names: list[str]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows((name, "", "") for name in names)
    assert [row.path for row in rows_of(text.getvalue())] == names


def test_without_a_readable_list_there_are_no_rows(tmp_path: Path) -> None:
    assert list(rows_in(tmp_path)) == []
    (tmp_path / "RECORD").symlink_to("/dev/zero")
    assert list(rows_in(tmp_path)) == []


@pytest.mark.parametrize("path", ["../a", "/a", "a/../../b", "a/..", "..", "C:/a"])
def test_a_path_that_leads_out_is_not_below(path: str) -> None:
    assert not is_below(path)


@pytest.mark.parametrize("path", ["a", "a/b", "a/..b", "..a/b", "a...b"])
def test_dots_in_a_name_are_no_way_out(path: str) -> None:
    assert is_below(path)


def test_a_row_is_written_as_installers_write_it() -> None:
    assert row_of("six.py", b"x = 1\n") == ("six.py", "sha256=nia_NpkRxFwkPGhBR7I_yeHc_PJX0pmhxjIBam_NM_Q", "6")
