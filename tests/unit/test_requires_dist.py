from __future__ import annotations

from email.message import Message
from itertools import product
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

from founds import env, one
from tfprov.adopt.asked import asked
from tfprov.inventory import components
from tfprov.pipeline.likely import GenerationContents
from tfprov.requires_dist import applies, is_met, parsed, values_of
from tfprov.smoke.requirements import unmet
from tfprov.wants.unfit import unusable

VARIABLES = ("python_version", "python_full_version", "extra", "extras", "platform_release", "os_name")
OPERATORS = ("~=", "===", "==", ">", "<=", "in", "not in")
VALUES = ("3", "3.11", "3.*", "x", "", "9" * 5000)
COMPARED = [f'{left} {operator} "{right}"' for left, operator, right in product(VARIABLES, OPERATORS, VALUES)]
COMPARED += [f'"{right}" {operator} {left}' for left, operator, right in product(VARIABLES, OPERATORS, VALUES)]
LINES = [f"six>=99; {text}" for text in COMPARED]
LINES += ["six>=" + "9" * 5000, "six (>=1.14.5<2) what", "six; " + "(" * 999, ""]


def test_no_line_in_the_metadata_of_a_package_is_too_odd_for_those_who_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "lib" / "python3.12" / "site-packages" / "x-1.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Name: x\nVersion: 1\n" + "".join(f"Requires-Dist: {line}\n" for line in LINES))
    message = Message()
    for line in LINES:
        message["Requires-Dist"] = line
    unmet(LINES, {"six": "1.0"}, "3.11.7")
    set(components._requires(message, {"extra": ""}))
    list(GenerationContents(root=tmp_path, python="3.12.1", released={}).bounds_on("six"))
    asked(env(one("x", "1", *LINES), one("six", "1.0")))


@pytest.mark.parametrize("text", ['python_version ~= "3"', '"a" in extras', 'python_version < "' + "9" * 5000 + '"'])
def test_a_requirement_whose_marker_has_no_value_does_not_count(text: str) -> None:
    assert [each for each in parsed([f"six; {text}"]) if applies(each, {"python_version": "3.11"})] == []


@pytest.mark.parametrize(("text", "counts"), [("six", True), ('six; extra == "a"', True), ('six; extra == "b"', False)])
def test_any_other_requirement_counts_as_its_marker_says(text: str, counts: bool) -> None:
    assert applies(Requirement(text), {"extra": "a"}) is counts


@pytest.mark.parametrize(
    ("text", "version", "met"),
    [
        ("six>=1.15", "1.16.0", True),
        ("six>=1.15", "1.16rc1", True),
        ("six>=1.15", "1.14", False),
        ("six", "1.16.0", True),
        ("six>=1.15", "1.16-custom-build", False),
        ("six>=1.15", "9" * 5000, True),
    ],
)
def test_an_installed_version_meets_a_requirement_or_cannot_be_compared(text: str, version: str, met: bool) -> None:
    assert is_met(Requirement(text), version) is met


def test_the_marker_values_of_a_python_ask_for_no_extra() -> None:
    assert values_of("3.12.1") == {"python_version": "3.12", "python_full_version": "3.12.1", "extra": ""}


def test_a_requirement_of_the_user_has_a_marker_with_a_value_or_a_mistake() -> None:
    for text in (f"six; {compared}" for compared in COMPARED):
        if not unusable(text):
            Requirement(text).marker.evaluate({**default_environment(), "extra": ""})  # type: ignore[union-attr]
