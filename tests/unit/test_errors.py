from __future__ import annotations

import re
from collections import Counter

import pytest

from tfprov import errors
from tfprov.errors import CODES, Group, TfprovError


def test_no_code_is_defined_twice() -> None:
    twice = [name for name, number in Counter(code.name for code in errors._ALL).items() if number > 1]
    assert twice == []
    assert len(CODES) == len(errors._ALL)


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.name)
def test_a_row_is_kebab_case_with_a_meaning_and_a_remedy_without_final_stops(code: errors.Code) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code.name)
    for text in (code.meaning, code.remedy):
        assert text.strip() == text
        assert text
        assert not text.endswith(".")
        assert text.count("`") % 2 == 0


def test_exit_codes_are_those_of_the_contract() -> None:
    assert {group.label: group.value for group in Group} == {
        "bug": 1,
        "usage": 2,
        "interpreter": 10,
        "platform": 11,
        "network": 12,
        "artifact": 13,
        "machine": 14,
        "resolve": 15,
        "python-deps": 16,
        "gpu": 17,
        "smoke": 18,
        "audit": 19,
        "interrupted": 130,
    }


def test_every_group_has_a_code() -> None:
    assert {code.group for code in CODES.values()} == set(Group)


def test_an_error_without_a_hint_gives_the_remedy_of_its_code() -> None:
    error = TfprovError("disk-full", "no space left")
    assert error.hint == CODES["disk-full"].remedy
    assert error.exit_code == 14
    assert str(error) == "no space left"


def test_an_empty_hint_means_no_hint() -> None:
    assert TfprovError("disk-full", "no space left", hint="").hint == ""


def test_a_code_outside_the_vocabulary_cannot_be_raised() -> None:
    with pytest.raises(KeyError, match="no-such-code"):
        TfprovError("no-such-code", "something")
