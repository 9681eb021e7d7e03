"""What doctor says to do; what it finds is tried on real environments in tests/integration/test_doctor.py."""

import pytest

from tfprov.pipeline import doctor
from tfprov.words import quoted


@pytest.mark.parametrize("name", ["train", "C:\\t\\s\\train.toml", "\\g<0>\\1", "a b.toml"])
def test_a_fix_names_the_profile_as_it_was_typed_whatever_stands_in_it(name: str) -> None:
    fix = "`tfprov repair`, else `tfprov up --recreate`"
    assert doctor._typed(fix, name) == f"`tfprov repair {quoted(name)}`, else `tfprov up {quoted(name)} --recreate`"
    assert doctor._typed(fix, "") == fix
