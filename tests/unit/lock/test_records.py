from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from packaging.pylock import is_valid_pylock_path

from tfprov.lock.records import Inputs, file_name


@pytest.mark.parametrize(
    ("profile", "name"),
    [
        ("train", "pylock.train.toml"),
        ("legacy-2.15", "pylock.legacy-2-15-dada.toml"),
        ("a.b", "pylock.a-b-2e73.toml"),
        # Not the same as that of `a.b`, which may lie beside it.
        ("a-b", "pylock.a-b.toml"),
    ],
)
def test_the_file_name_is_one_that_the_standard_allows(profile: str, name: str) -> None:
    assert file_name(profile) == name
    assert is_valid_pylock_path(Path(name))


def test_the_same_inputs_have_no_changes() -> None:
    one = Inputs(profile="x", requirements=("a",))
    assert one.changes_from(replace(one)) == ()


def test_every_change_is_a_line_with_both_values() -> None:
    old = Inputs(profile="x", tensorflow=">=2.16", requirements=("a", "b"), find_links=())
    new = replace(old, tensorflow="", requirements=("a",), find_links=("w",), exclude_newer="2026-01-01")
    assert new.changes_from(old) == (
        "`tensorflow` was `>=2.16`, is unset",
        "`requirements` was `a, b`, is `a`",
        "`find-links` was unset, is `w`",
        "`exclude-newer` was unset, is `2026-01-01`",
    )


def test_no_input_may_change_unnoticed() -> None:
    old = Inputs(profile="x")
    for field in fields(Inputs):
        value = "new" if isinstance(getattr(old, field.name), str) else ("new",)
        assert len(replace(old, **{field.name: value}).changes_from(old)) == 1
