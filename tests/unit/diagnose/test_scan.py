"""What a pass over a log finds of rules, and what it keeps of the lines."""

from __future__ import annotations

import io
import random
import re
from types import SimpleNamespace

import pytest

from tfprov.diagnose import scan, vocabulary
from tfprov.diagnose.records import Hit, Rule
from tfprov.diagnose.scan import Scanner


def rule(pattern: str, *needs: str, span: int = 1) -> Rule:
    return Rule(name="one", code="disk-full", reads="x", needs=needs, pattern=pattern, examples=("x",), span=span)


def hits(text: str | bytes, *rules: Rule) -> tuple[Hit, ...]:
    return Scanner(rules).scan(io.BytesIO(text.encode() if isinstance(text, str) else text)).hits


def test_a_group_with_a_suffix_is_another_place_of_the_same_capture() -> None:
    status = rule(r"status (?P<status>\d{3})|(?P<status__2>\d{3}) refused", "status", "refused")
    for text in ("status 403", "403 refused"):
        (hit,) = hits(text, status)
        assert dict(hit.captures) == {"status": "403"}


def test_the_first_capture_stays_and_later_lines_add_what_is_missing() -> None:
    named = rule(r"alpha (?P<package>\w+)(?: at (?P<path>\S+))?", "alpha")
    (hit,) = hits("alpha first\nalpha second at /there\n", named)
    assert dict(hit.captures) == {"package": "first", "path": "/there"}


@pytest.mark.parametrize("count", [1, 12, 13, 14, 400])
def test_repetitions_are_counted_and_the_first_few_and_the_last_are_kept(count: int) -> None:
    (hit,) = hits("x\n" + "alpha\n" * count, rule("alpha", "alpha"))
    assert (hit.count, hit.first, hit.last) == (count, 2, count + 1)
    assert [line.number for line in hit.lines] == [*range(2, 2 + min(count, 12)), *([count + 1] if count > 12 else [])]


def test_lines_that_differ_in_a_digit_that_tells_are_both_read() -> None:
    (hit,) = hits("errno 17 alpha\nerrno 28 alpha\nerrno 17 alpha\n", rule(r"errno 28 alpha", "alpha"))
    assert (hit.count, hit.first) == (1, 2)


def test_letter_case_does_not_matter() -> None:
    assert hits("ALPHA", rule("Alpha", "alpha"))


def test_a_literal_within_a_longer_word_is_found() -> None:
    assert hits("xxalphaxx", rule("alpha", "alpha"))


def test_a_literal_alone_is_no_match() -> None:
    assert hits("alpha", rule("alpha beta", "alpha")) == ()


def test_a_wrapped_message_is_joined_over_as_many_lines_as_the_rule_spans() -> None:
    text = "alpha one\n  two\n  three\n"
    assert hits(text, rule("alpha one two three", "alpha", span=3))
    assert hits(text, rule("alpha one two three", "alpha", span=2)) == ()


def test_what_was_written_over_a_line_is_read_too() -> None:
    assert hits("10 %\ralpha\r90 %\n", rule("^alpha", "alpha"))


@pytest.mark.parametrize("before", [0, 1_000, 1_999, 5_000, 100_000])
def test_a_long_line_is_read_to_its_end(before: int) -> None:
    assert hits("#" * before + " alpha beta", rule("alpha beta", "alpha"))


def test_hits_come_in_the_order_of_their_first_lines() -> None:
    one, other = rule("alpha", "alpha"), rule("omega", "omega")
    assert [hit.first for hit in hits("omega\nalpha\n", one, other)] == [1, 2]


def test_lines_bytes_and_tail_are_told() -> None:
    scanned = Scanner(()).scan(io.BytesIO(b"a\n\n" + b"".join(b"%d\n" % number for number in range(20)) + b"end"))
    assert (scanned.lines, scanned.bytes) == (23, 56)
    assert [line.text for line in scanned.tail] == [*map(str, range(13, 20)), "end"]
    assert scanned.tail[-1].number == 23


def test_lines_whose_numbers_and_hashes_differ_grow_tedious_and_error_numbers_do_not() -> None:
    rules = (rule(r"bad thing 7f0e\b", "bad thing"), rule(r"\[Errno 28\]", "errno"))
    noisy = "".join(f"request {number**7:x} failed: bad thing {number:x}\n" for number in range(5_000))
    many = "".join(f"OSError: [Errno {number % 27}] no\n" for number in range(5_000))
    (found,) = hits(f"{noisy}{many}OSError: [Errno 28] no\n", *rules)
    assert found.first == 10_001


def test_a_rule_that_has_told_enough_costs_no_look_any_more_and_others_are_still_found() -> None:
    log = "".join(f"word one {'x' * (number % 97)}\n" for number in range(2_000))
    often, late = hits(f"{log}and word two\n", rule("word one", "word one"), rule("word two", "word two"))
    assert late.first == 2_001
    assert often.count >= 500


def test_a_word_that_a_line_repeats_is_looked_up_once() -> None:
    class Telling(dict[bytes, tuple[vocabulary.Part, ...]]):
        looks = 0

        def __getitem__(self, word: bytes) -> tuple[vocabulary.Part, ...]:
            self.looks += 1
            return super().__getitem__(word)

    telling = Telling({b"word": ()})
    vocabulary.Vocabulary._asked(SimpleNamespace(done=set()), telling, [b"word", b"other"] * 200, b"")  # type: ignore[arg-type]
    assert telling.looks == 1


def test_an_endless_line_is_read_to_its_end() -> None:
    (found,) = hits("lorem ipsum dolor " * 60_000 + "the very end", rule("the very end", "the very end"))
    assert found.count == 1


def test_a_rule_that_was_tried_in_vain_too_often_is_tried_again_in_the_end_of_a_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scan, "_ALL_VAIN_TRIES", 500)
    chooser = random.Random(1)
    names = ["".join(chooser.choices("bcdfgklmnp", k=8)) for _ in range(3_000)]
    vain = "".join(f"{name} alpha {name[::-1]}\n" for name in names)
    often, late = rule("alpha beta", "alpha"), rule("omega", "omega")
    told = hits(f"{vain}omega\n{'x' * 90}\nalpha beta\n", often, late)
    assert [(hit.rule, hit.count, hit.first) for hit in told] == [(late, 1, 3_001), (often, 1, 3_003)]
    assert [hit.rule for hit in hits(f"alpha beta\n{vain}", often)] == [often]


@pytest.mark.parametrize("literal", ["alpha", "the alpha", "alpha: x", "no alpha of (x)"])
def test_a_literal_is_found_among_many_lines_with_its_word_alone(literal: str) -> None:
    chooser = random.Random(2)
    lines = "".join(f"{''.join(chooser.choices('bcdfgk', k=9))} an alpha\n" for _ in range(500))
    (hit,) = hits(f"{lines}well {literal} beta\n", rule(rf"{re.escape(literal)} beta", literal))
    assert hit.first == 501


def test_a_word_that_stood_in_vain_in_a_log_of_no_words_is_read_again_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vocabulary, "_MOST_WORDS", 200)
    monkeypatch.setattr(vocabulary, "_VAIN_BLOCKS", 1)
    chooser = random.Random(3)
    names = ["".join(chooser.choices("bcdfgklmnp", k=40)) for _ in range(25_000)]
    vain = "".join(f"{name} alpha {name[::-1]}\n" for name in names)
    often, other = rule("alpha beta", "alpha beta"), rule("omega", "omega")
    told = hits(f"omega\nalpha beta\n{vain}alpha beta\nomega\n", often, other)
    assert [(hit.count, hit.first, hit.last) for hit in told] == [(2, 1, 25_004), (2, 2, 25_003)]
