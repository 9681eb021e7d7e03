"""Literals are indexed by the word that tells most."""

from __future__ import annotations

import pytest

from tfprov.diagnose.literals import word_of


@pytest.mark.parametrize(("literal", "word"), [(b"the disk", b"disk"), (b"no space", b"space"), (b"the", b"the")])
def test_a_literal_is_known_by_its_longest_word_that_is_not_common(literal: bytes, word: bytes) -> None:
    assert word_of(literal) == word


def test_a_literal_without_a_word_is_refused() -> None:
    with pytest.raises(ValueError, match="three letters"):
        word_of(b"403 (x)")
