"""What is computed without running a file; what a whole setup.py gives is in test_setup_files.py."""

import ast

import pytest

from tfprov.wants.written_out import UnknownValueError, WrittenOut


@pytest.mark.parametrize("first", ["['a']", "'a'", "{'a': 'b'}"])
@pytest.mark.parametrize(
    "again", ["{0} + {0}", "[{0}, {0}]", "f'{{{0}}}{{{0}}}'", "[*{0}, *{0}]", "dict(a={0}, b={0})"]
)
def test_a_value_that_doubles_with_each_line_is_given_up(first: str, again: str) -> None:
    lines = [f"x0 = {first}", *(f"x{number + 1} = {again.format(f'x{number}')}" for number in range(60))]
    with pytest.raises(UnknownValueError):
        WrittenOut(ast.parse("\n".join(lines))).of(ast.Name("x60"))


def test_a_long_list_is_read() -> None:
    names = [f"package{number}" for number in range(20_000)]
    assert WrittenOut(ast.parse(f"x = {names}")).of(ast.Name("x")) == names
