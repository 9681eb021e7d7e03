from __future__ import annotations

from datetime import datetime, timezone

import pytest
from packaging.version import Version

from tfprov.plan.compat import table
from tfprov.plan.offers import released_at
from tfprov.plan.versions import VersionContext, bounds_of_time, missing, published


def place(
    release: str = "2.21.0", platform: str = "linux_x86_64", minor: int = 12, before: str | None = None
) -> VersionContext:
    at = None if before is None else datetime.fromisoformat(before).replace(tzinfo=timezone.utc)
    released = next(released_at(row) for row in table().releases if row.version == release)
    return VersionContext(release=Version(release), platform=platform, minor=minor, before=at, released=released)


@pytest.mark.parametrize("project", ["numpy", "tensorflow-text", "keras"])
def test_versions_are_oldest_first_and_have_wheels(project: str) -> None:
    rows = published(project)
    assert [row.version for row in rows] == sorted(row.version for row in rows)
    assert all(row.pythons for row in rows)


TEXT, PROBABILITY, WINDOWS = "tensorflow-text", "tensorflow-probability", "windows_x86_64"
FORESTS, FEDERATED = "tensorflow-decision-forests", "tensorflow-federated"


@pytest.mark.parametrize(
    ("project", "specifier", "where", "why", "ever"),
    [
        ("numpy", "<2", place(), None, None),
        ("numpy", "<2", place(minor=13), "numpy 1.26.4 has no wheel for Python 3.13", False),
        ("numpy", ">=2", place(minor=13), None, None),
        ("numpy", ">=2", place(before="2024-01-01"), "numpy 2.0.0 came out on 2024-06-16", True),
        (TEXT, "", place(platform=WINDOWS), "tensorflow-text 2.21.1 has no wheel for this platform", True),
        (TEXT, "==2.15.*", place(minor=11), "tensorflow-text 2.15.0 goes with TensorFlow `<2.16,>=2.15.0`", True),
        (TEXT, "==2.15.*", place("2.15.1", minor=11), None, None),
        (PROBABILITY, "==0.25.*", place("2.17.1"), f"{PROBABILITY} 0.25.0 goes with TensorFlow `>=2.18`", True),
        # It has wheels for TensorFlow up to 3.12, its last version is years old, and there is no source distribution.
        ("tensorflow-io", "", place("2.17.1", minor=13), "tensorflow-io 0.37.1 has no wheel for Python 3.13", True),
        ("tensorflow-io", "", place(minor=12), "tensorflow-io 0.37.1 goes with TensorFlow `>=2.16,<2.18`", True),
        # Of 2019, before the project said that it follows TensorFlow from release to release.
        (FEDERATED, "", place(minor=11), f"{FEDERATED} 0.87.0 goes with TensorFlow `==2.14.*,>=2.14.0`", True),
        (FEDERATED, "", place("2.14.1", minor=11), None, None),
        (FEDERATED, "", place("2.1.4", minor=7), None, None),
        (FEDERATED, "<0.2", place(minor=11), None, None),  # whoever asks for that has it
        ("tf-models-official", "", place(), "tf-models-official 2.20.0 goes with TensorFlow `~=2.20.0`", True),
        # Its source is for Python 3.9 and newer as well.
        ("numpy", "==1.25.*", place("2.11.1", WINDOWS, 8), "numpy 1.25.2 has no wheel for Python 3.8", True),
        # Its one source distribution cannot be built: it is compiled against TensorFlow.
        (FORESTS, "", place("2.15.1", WINDOWS, 11), f"{FORESTS} 1.8.1 has no wheel for this platform", True),
        # Of these the table cannot tell.
        ("numpy", ">=999", place(), None, None),
        ("unheard-of", "", place(), None, None),
        ("numpy", ">=2", place(minor=99), None, None),
    ],
)  # fmt: skip
def test_what_speaks_against_a_range(
    project: str, specifier: str, where: VersionContext, why: str | None, ever: bool | None
) -> None:
    found = missing(project, specifier, where)
    assert (found and found.why, found and found.ever) == (why, ever)


def test_bounds_of_a_time_leave_out_what_came_later() -> None:
    bounds = bounds_of_time(datetime(2024, 1, 1, tzinfo=timezone.utc))
    assert "numpy<=1.26.2" in bounds
    assert "keras<=3.0.2" in bounds
