from __future__ import annotations

from tfprov.smoke.records import ShellHazard
from tfprov.smoke.requirements import unmet

REQUIRES = (
    "numpy<2.0.0,>=1.23.5",
    "protobuf!=4.21.0,<5.0.0dev,>=3.20.3",
    "six>=1.12.0",
    'tensorflow-intel==2.15.1; platform_system == "Windows" and python_version < "2"',
    'nvidia-cudnn-cu12==8.9.4.25; extra == "and-cuda"',
)
GOOD = {"numpy": "1.26.4", "protobuf": "4.25.9", "six": "1.17.0"}


def test_met_requirements_and_those_of_extras_and_other_platforms_give_nothing() -> None:
    assert unmet(REQUIRES, GOOD, "3.11.7") == ()


def test_a_version_out_of_range_has_the_code_of_its_project() -> None:
    (finding,) = unmet(REQUIRES, {**GOOD, "protobuf": "6.33.0"}, "3.11.7")
    assert finding.code == "protobuf-mismatch"
    assert finding.evidence.endswith("protobuf 6.33.0 is installed")


def test_a_missing_project_is_named() -> None:
    (finding,) = unmet(REQUIRES, {"numpy": "1.26.4", "protobuf": "4.25.9"}, "3.11.7")
    assert finding == ShellHazard(
        code="resolver-conflict", evidence="TensorFlow asks for `six>=1.12.0`, six is not installed"
    )


def test_markers_are_read_for_the_python_of_the_environment() -> None:
    requires = ('numpy>=3; python_version == "3.9"',)
    assert len(unmet(requires, GOOD, "3.9.18")) == 1
    assert unmet(requires, GOOD, "3.12.1") == ()


def test_lines_that_no_standard_allows_are_passed_over() -> None:
    assert unmet(("numpy (>=1.14.5<2) what",), {}, "3.9.18") == ()
