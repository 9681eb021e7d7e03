"""What stands where a table or a list should: anything else reads as an empty one."""

from __future__ import annotations

import pytest

from tfprov.structured import list_of, mapping_of, mappings_of, texts_of

OTHERS = [None, True, 3, 1.5, "text", b"bytes", ("a",), {"a"}]


@pytest.mark.parametrize("value", [*OTHERS, ["a"]], ids=repr)
def test_what_is_not_a_table_reads_as_an_empty_one(value: object) -> None:
    assert mapping_of(value) == {}
    assert mapping_of({"key": value}) == {"key": value}


@pytest.mark.parametrize("value", [*OTHERS, {"a": 1}], ids=repr)
def test_what_is_not_a_list_reads_as_an_empty_one(value: object) -> None:
    assert (list_of(value), mappings_of(value), texts_of(value)) == ([], [], ())
    assert list_of([value]) == [value]


def test_items_of_another_kind_are_left_out() -> None:
    value = [*OTHERS, {"a": 1}, "b", []]
    assert mappings_of(value) == [{"a": 1}]
    assert texts_of(value) == ("text", "b")
