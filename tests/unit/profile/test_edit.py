from __future__ import annotations

import pytest

from tfprov.profile.edit import difference, edited, with_overrides
from tfprov.structured import toml_of
from told import refusal

PROFILE = """\
name = "train"  # mine

[tensorflow]
# the team wants this one
version = ">=2.16"

[packages]
constraints = ["protobuf<6"]
"""


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_and_the_byte_order_mark_stay(mark: str, end: str) -> None:
    changes = {"python.path": "x", "tensorflow.accelerator": "cpu", "packages.constraints": ("six",)}
    after = edited(mark + PROFILE.replace("\n", end), changes)
    assert after == mark + edited(PROFILE, changes).replace("\n", end)


def test_a_key_is_changed_and_comments_stay() -> None:
    after = edited(PROFILE, {"tensorflow.version": "==2.20.*"})
    assert after == PROFILE.replace('">=2.16"', '"==2.20.*"')


def test_a_table_that_is_missing_is_made() -> None:
    after = edited(PROFILE, {"python.install": True})
    assert after.startswith(PROFILE)
    assert "[python]\ninstall = true" in after


def test_a_list_keeps_what_it_had() -> None:
    after = edited(PROFILE, {"packages.constraints": ("numpy<2", "protobuf<6")})
    assert 'constraints = ["protobuf<6", "numpy<2"]' in after


def test_the_difference_names_the_profile_and_the_line() -> None:
    after = edited(PROFILE, {"tensorflow.version": "==2.20.*"})
    shown = difference(PROFILE, after, name="train.toml")
    assert "--- train.toml" in shown
    assert '-version = ">=2.16"\n+version = "==2.20.*"\n' in shown
    assert difference(PROFILE, PROFILE, name="train.toml") == ""


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("name = ", "the profile is not valid TOML"),
        ('name = "x"\npython = 3\n', "`python` is not a table"),
    ],
)
def test_what_cannot_be_edited_is_a_mistake_in_the_profile(text: str, what: str) -> None:
    assert refusal(lambda: edited(text, {"python.install": True}))[:2] == ("profile-invalid", what)


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("x.y={A = '1', 'b.c' = '2'}", {"A": "1", "b.c": "2"}),
        ("x.y=1.5", 1.5),
        ("x.y=true", True),
        ("x.y=['a']", ["a"]),
        ("x.y=plain", "plain"),
    ],
)
def test_an_override_is_written_with_its_own_type(override: str, value: object) -> None:
    assert toml_of(with_overrides(PROFILE, [override]))["x"] == {"y": value}


@pytest.mark.parametrize("override", ["name", "=x", "a..b=1"])
def test_an_override_without_a_key_or_a_value_is_quoted(override: str) -> None:
    words = ("usage", f"--set '{override}': write `key=value`, with a dotted key")
    assert refusal(lambda: with_overrides("", [override]))[:2] == words
