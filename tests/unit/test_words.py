from __future__ import annotations

import pytest

from tfprov.words import count, duration, first_of, listed, move_aside, powershell_quoted, quoted, shown, size


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (812_400, "812 kB"),
        (999_499, "999 kB"),
        (999_999, "1 MB"),
        (574_000_000, "574 MB"),
        (999_999_999, "1.00 GB"),
        (3_440_000_000, "3.44 GB"),
        (12_345_678_901, "12.35 GB"),
    ],
)
def test_sizes_have_three_digits_or_so(number: int, expected: str) -> None:
    assert size(number) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.95, "10 s"),
        (38.2, "38 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (250, "4 min 10 s"),
        (3599.6, "1 h 0 min"),
        (3900, "1 h 5 min"),
        (90061, "25 h 1 min"),
    ],
)
def test_durations_never_show_sixty_of_anything(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


def test_one_thing_is_singular_and_everything_else_plural() -> None:
    assert [count(number, "file") for number in (0, 1, 2)] == ["0 files", "1 file", "2 files"]


@pytest.mark.parametrize(
    ("text", "posix", "windows"),
    [
        ("cpu.toml", "cpu.toml", "cpu.toml"),
        ("C:\\Users\\me\\cpu.toml", "'C:\\Users\\me\\cpu.toml'", "C:\\Users\\me\\cpu.toml"),
        ("my profile.toml", "'my profile.toml'", '"my profile.toml"'),
        ("it's.toml", "'it'\"'\"'s.toml'", '"it\'s.toml"'),
        ("a&b", "'a&b'", '"a&b"'),
        # As PowerShell completes a folder: one backslash would make the closing quote a part of the word.
        (".\\my project\\", "'.\\my project\\'", '".\\my project\\\\"'),
        (".\\project\\", "'.\\project\\'", ".\\project\\"),
        ("", "''", '""'),
    ],
)
def test_a_word_is_quoted_as_the_shells_of_the_system_take_it(text: str, posix: str, windows: str) -> None:
    assert quoted(text, windows=False) == posix
    assert quoted(text, windows=True) == windows


@pytest.mark.parametrize("apostrophe", ["'", "\u2018", "\u2019", "\u201a", "\u201b"])
def test_a_word_for_powershell_has_all_its_quotes_doubled(apostrophe: str) -> None:
    assert powershell_quoted(f"C:\\O{apostrophe}Neil $x\\") == f"'C:\\O{apostrophe * 2}Neil $x\\'"


def test_what_is_in_the_way_is_moved_by_the_command_that_the_system_has() -> None:
    assert move_aside("my env", windows=False) == "mv 'my env' 'my env.old'"
    assert move_aside("my env", windows=True) == 'move "my env" "my env.old"'


@pytest.mark.parametrize(
    ("names", "rows", "line"),
    [("", (), ""), ("ab", ("a", "b"), "a, b"), ("abcd", ("a", "b", "and 2 more"), "a, b and 2 more")],
)
def test_of_many_names_the_first_are_given_and_the_others_counted(names: str, rows: tuple[str, ...], line: str) -> None:
    assert first_of(list(names), 2) == rows
    assert listed(list(names), 2) == line


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("16 GB", '`"16 GB"`'),
        (False, "`false`"),
        (None, "`null`"),
        ({"index": 0}, '`{"index": 0}`'),
        ("x" * 70, f'`"{"x" * 56}…`'),
    ],
)
def test_a_value_is_shown_as_in_a_document(value: object, expected: str) -> None:
    assert shown(value) == expected
