from __future__ import annotations

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tfprov.plan.companions import Break, breaks_in, known_breaks

BOUND = Break(package="old", versions="<2", requires="numpy<2", why="w", source="s")
ADDED = Break(package="hub", versions="<=1.0", requires="setuptools<81", why="w", source="s", adds=True)


@pytest.mark.parametrize("row", known_breaks(), ids=lambda row: f"{row.package}{row.versions}")
def test_each_row_can_be_read_and_says_why_and_what_shows_it(row: Break) -> None:
    assert row.package == canonicalize_name(row.package)
    assert SpecifierSet(row.versions)
    assert Requirement(row.requires).specifier
    assert row.why
    assert not row.why.endswith(".")
    assert row.source


@pytest.mark.parametrize(
    ("versions", "found"),
    [
        ({}, ()),
        ({"old": "1.9", "numpy": "2.1"}, (BOUND,)),
        ({"old": "1.9", "numpy": "1.26"}, ()),
        ({"old": "2.0", "numpy": "2.1"}, ()),
        ({"old": "1.9rc1", "numpy": "2.1"}, (BOUND,)),
        ({"hub": "1.0"}, (ADDED,)),
        ({"hub": "1.0", "setuptools": "80.1"}, ()),
        ({"hub": "1.0", "setuptools": "82"}, (ADDED,)),
        ({"hub": "1.1"}, ()),
        # A bound on what is not there binds nothing.
        ({"old": "1.9"}, ()),
    ],
)
def test_a_row_holds_where_its_package_is_and_its_line_is_not_met(
    versions: dict[str, str], found: tuple[Break, ...]
) -> None:
    assert breaks_in(versions, (BOUND, ADDED)) == found
