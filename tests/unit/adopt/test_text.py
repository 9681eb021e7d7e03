from __future__ import annotations

import pytest

from tfprov.adopt.records import Asked
from tfprov.adopt.text import adopted_from, profile_text
from tfprov.structured import toml_of


@pytest.mark.parametrize("place", ["/a b/ë", "/x\x7fy", "/not UTF-8: \udcff", '/"\\', "/\U0001f40d"])
def test_the_folder_of_any_name_can_be_written_and_is_found_again(place: str) -> None:
    text = profile_text(Asked(), name="x", place=place)
    assert toml_of(text.encode().decode())["name"] == "x"
    assert adopted_from(text) == place


@pytest.mark.parametrize("index", ["https://example.org/simple", "a\x7fb", "ë"])
def test_an_index_is_read_as_it_was_written(index: str) -> None:
    assert toml_of(profile_text(Asked(index=index), name="x", place="/x"))["index"]["url"] == index
