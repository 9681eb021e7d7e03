"""Every rule against its own examples, and what rules as data must hold to."""

from __future__ import annotations

import io

import pytest

from pattern_texts import texts_of
from tfprov.diagnose.conditions import CONDITIONS
from tfprov.diagnose.diagnose import diagnose_text
from tfprov.diagnose.literals import word_of
from tfprov.diagnose.quotes import bare
from tfprov.diagnose.records import NOISE, NOTHING, Rule
from tfprov.diagnose.rules import RULES
from tfprov.diagnose.scan import Scanner
from tfprov.diagnose.view import CLUE, SIGN
from tfprov.errors import CODES, Group

SCANNER = Scanner(RULES)
FAULTS = [rule for rule in RULES if rule.code not in {NOISE, CLUE, SIGN}]


def _examples(rules: list[Rule]) -> list[object]:
    return [
        pytest.param(rule, text, id=f"{rule.name}-{number}")
        for rule in rules
        for number, text in enumerate(rule.examples)
    ]


@pytest.mark.parametrize(("rule", "text"), _examples(list(RULES)))
def test_a_rule_matches_its_examples(rule: Rule, text: str) -> None:
    assert rule in [hit.rule for hit in SCANNER.scan(io.BytesIO(text.encode())).hits]


@pytest.mark.parametrize(("rule", "text"), _examples(FAULTS))
def test_the_root_of_an_example_is_the_code_of_its_rule(rule: Rule, text: str) -> None:
    found = diagnose_text(text)
    assert found.root is not None
    assert found.root.code == rule.code
    assert rule.name in found.root.rules


@pytest.mark.parametrize(("rule", "text"), _examples([rule for rule in RULES if rule.code == NOISE]))
def test_noise_is_no_fault(rule: Rule, text: str) -> None:
    found = diagnose_text(text)
    assert found.root is None
    assert {one.role for one in found.findings} == {"noise"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rules_are_whole(rule: Rule) -> None:
    assert rule.examples
    assert rule.code in CODES or rule.code in {NOISE, CLUE, SIGN}
    assert bool(rule.reads) == (rule.code not in {CLUE, SIGN})
    for case in rule.cases:
        assert case.code in CODES or case.code in {NOISE, NOTHING}
        for part in case.when.split(" and "):
            assert part.removeprefix("not ") in CONDITIONS
    for literal in rule.needs:
        assert literal == literal.lower()
        assert word_of(bare(literal.encode()))
    labels = {group.label for group in Group}
    assert set(rule.follows) <= CODES.keys() | labels


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_way_that_a_pattern_matches_holds_a_literal_of_its_rule(rule: Rule) -> None:
    ways = tuple(texts_of(rule.pattern))
    assert ways
    assert [text for text in ways if not any(literal in text.lower() for literal in rule.needs)] == []


def test_texts_of_a_pattern_take_every_alternative_and_leave_out_what_is_optional() -> None:
    assert set(texts_of(r"^(?:no|not any) wheels?$")) == {"no wheel", "no wheels", "not any wheel", "not any wheels"}
    assert list(texts_of(r"\bcode (?!0)\d+")) == ["code 7"]


def test_names_are_unique() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_every_condition_is_used() -> None:
    used = {part.removeprefix("not ") for rule in RULES for case in rule.cases for part in case.when.split(" and ")}
    assert used == CONDITIONS.keys()
