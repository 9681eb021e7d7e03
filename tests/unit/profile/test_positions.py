from __future__ import annotations

import sys

import pytest

from tfprov.profile.finding import shipped
from tfprov.profile.positions import Key, line_of, lines_of_keys

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CASES: dict[str, tuple[str, dict[Key, int]]] = {
    "plain keys and tables": (
        'name = "x"\n\n[python]\n# version = ">=3"\nversion = ">=3.10"\n[smoke]\nlevel="quick"',
        {("name",): 1, ("python",): 3, ("python", "version"): 5, ("smoke",): 6, ("smoke", "level"): 7},
    ),
    "dotted keys": (
        'a.b.c = 1\n[t]\nx . y = 2\n"q".z = 3',
        {
            ("a",): 1,
            ("a", "b"): 1,
            ("a", "b", "c"): 1,
            ("t",): 2,
            ("t", "x"): 3,
            ("t", "x", "y"): 3,
            ("t", "q"): 4,
            ("t", "q", "z"): 4,
        },
    ),
    "quoted keys": (
        '"a.b" = 1\n\'c d\' = 2\n["t]"]\n\'x=\' = 3\n"\\u0041" = 4',
        {("a.b",): 1, ("c d",): 2, ("t]",): 3, ("t]", "x="): 4, ("t]", "A"): 5},
    ),
    "inline tables": (
        'a = {b = 1, c = {d = "x, y = 1"}, "e.f" = [1, 2]}\nz = 1',
        {("a",): 1, ("a", "b"): 1, ("a", "c"): 1, ("a", "c", "d"): 1, ("a", "e.f"): 1, ("z",): 2},
    ),
    "multi-line strings": (
        'a = """\nb = 1\n[t]\n"""\nc = \'\'\'\n"""\nd = 1\'\'\'\ne = """x \\""" y"""\nf = """a""""\ng = 1',
        {("a",): 1, ("c",): 5, ("e",): 8, ("f",): 9, ("g",): 10},
    ),
    "a multi-line string in an array": (
        'a = ["""\nb = 1\n"""]\n[t]\nc = 1',
        {("a",): 1, ("t",): 4, ("t", "c"): 5},
    ),
    "arrays over several lines": (
        'a = [\n  "x = 1",  # ] not the end\n  "]",\n\n  [1, 2],\n]\nb = 1',
        {("a",): 1, ("b",): 7},
    ),
    "inline tables over several lines of an array": (
        "a = [\n  {b = 1},\n  {b = 2, c = 3},\n]\nd = 1",
        {("a",): 1, ("a", "b"): 2, ("a", "c"): 3, ("d",): 5},
    ),
    "arrays of tables": ("[[a]]\nb = 1\n[[a]]\nb = 2\nc = 3", {("a",): 1, ("a", "b"): 2, ("a", "c"): 5}),
    "values with signs of their own": (
        "a = 1979-05-27T07:32:00Z # c = 1\nb = -1.5e3\nd = true\ne = '#'\nf = \"[\"\ng = 1",
        {("a",): 1, ("b",): 2, ("d",): 3, ("e",): 4, ("f",): 5, ("g",): 6},
    ),
    "tables with spaces and comments": ("  [ a . b ] # [c]\n  d = 1", {("a",): 1, ("a", "b"): 1, ("a", "b", "d"): 2}),
    "line ends of Windows": (
        "a = 1\r\n\r\n[t]\r\nb = [\r\n1,\r\n]\r\nc = 2\r\n",
        {("a",): 1, ("t",): 3, ("t", "b"): 4, ("t", "c"): 7},
    ),
    "characters that only Python takes for line ends": (
        "# \u2028 \x0c \x85\na = 'x\u2028y'\nb = 1",
        {("a",): 2, ("b",): 3},
    ),
    "nothing": ("", {}),
}


@pytest.mark.parametrize("name", CASES)
def test_every_key_stands_where_it_is_found(name: str) -> None:
    text, expected = CASES[name]
    assert lines_of_keys(text) == expected


def keys_of(table: object, prefix: Key = ()) -> set[Key]:
    found: set[Key] = set()
    if isinstance(table, dict):
        for name, value in table.items():
            found |= {(*prefix, name)} | keys_of(value, (*prefix, name))
    if isinstance(table, list):
        for value in table:
            found |= keys_of(value, prefix)
    return found


@pytest.mark.parametrize("text", [*(case[0] for case in CASES.values()), *(path.read_text() for path in shipped())])
def test_the_keys_found_are_those_of_the_standard_parser(text: str) -> None:
    text = text.replace("\x0c", "").replace("\x85", "")
    assert set(lines_of_keys(text)) == keys_of(tomllib.loads(text))


@pytest.mark.parametrize("text", ["a = [1,", "a = {", "[", "= 1", 'a = "', "a = 'x\nb = 1", "!", "a = [[[", "a = }"])
def test_a_document_with_a_mistake_ends_the_search_without_a_failure(text: str) -> None:
    lines_of_keys(text)


def test_the_line_of_an_unknown_key_is_that_of_the_nearest_table_around_it() -> None:
    positions = lines_of_keys("a = 1\n[b]\nc = 2")
    assert line_of(positions, ("b", "c", "d")) == 3
    assert line_of(positions, ("b", "x")) == 2
    assert line_of(positions, ("x", "y")) is None
    assert line_of(positions, ()) is None
