"""Patterns over texts with any quotes, or none."""

# ruff: noqa: RUF001  quotes that look alike are what this is about

from __future__ import annotations

import re

import pytest

from tfprov.diagnose.quotes import any_quotes, bare, plain
from tfprov.diagnose.records import Rule
from tfprov.diagnose.rules import RULES


def finds(pattern: str, text: str) -> bool:
    return re.search(any_quotes(pattern), plain(text)) is not None


@pytest.mark.parametrize(
    "text", ["module 'imp'", 'module "imp"', "module `imp'", "module ‘imp’", r"module \'imp\'", "module imp."]
)
def test_a_name_is_found_in_whichever_quotes_it_stands(text: str) -> None:
    assert finds("module 'imp'", text)
    assert b"module imp" in bare(text.encode())


@pytest.mark.parametrize(
    "text", ["module importlib", "module imp.x", "module imp-x", "module 'importlib'", "module ximp"]
)
def test_a_name_ends_where_its_quotes_are_missing(text: str) -> None:
    assert not finds("module 'imp'", text)


def test_quotes_stay_where_anything_may_stand_between_them() -> None:
    for pattern in (r"call to `\S+` failed", r"call to '(?P<name>[^']+)' failed", r"call to '.*' failed"):
        assert finds(pattern, "call to “this” failed")
        assert not finds(pattern, "call to this failed")


def test_a_quote_that_ends_an_alternative_stays() -> None:
    assert finds("resolve '|dial", "resolve “index.example”")
    assert not finds("resolve '|dial", "resolve dependencies")


def test_two_quotes_in_a_row_are_an_empty_text() -> None:
    assert finds("VISIBLE=(?:''|\"\")$", 'VISIBLE=""')
    assert not finds("VISIBLE=(?:''|\"\")$", "VISIBLE=")


def test_quotes_in_a_set_are_one_another() -> None:
    assert finds(r"path [\"']?(\w+)[\"']?$", "path ‘x’")
    assert finds(r"in [^'\"]+$", "in x")
    assert not finds(r"in [^\"]+$", "in `x`")


def test_a_plain_text_is_as_long_as_before() -> None:
    for text in ("‘a’ `b` \\'c\\' \"d\"", "«é»", "no quotes"):
        assert len(plain(text)) == len(text)


def test_a_bare_text_has_as_many_lines_and_no_quotes() -> None:
    text = 'It\'s ‘A’\nand \\"B\\" é\n'
    assert bare(text.encode()).decode() == "its a\nand b é\n"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_pattern_is_one_with_any_quotes(rule: Rule) -> None:
    assert re.compile(any_quotes(rule.pattern)).groupindex == re.compile(rule.pattern).groupindex
