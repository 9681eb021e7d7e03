from __future__ import annotations

import pytest
from packaging.version import Version

from tfprov.plan.outlived import outlived
from tfprov.plan.versions import _document, published

AGENTS = "tf-agents"
RELEASES = ("2.10.1", "2.15.1", "2.16.2", "2.21.0")


def needs(name: str, version: str, *asked: str, release: str = "2.21.0", python: str = "3.12.1") -> list[str]:
    found = outlived({name: version, "tensorflow-cpu": release}, asked or (name,), python=python)
    return [row.requires for row in found]


@pytest.mark.parametrize(
    ("name", "version", "release", "needed"),
    [
        # What a resolver takes on Python 3.12, where newer ones need a pygame without wheels.
        (AGENTS, "0.6.0", "2.21.0", [f"{AGENTS}>=0.16.0"]),
        (AGENTS, "0.6.0", "2.16.2", [f"{AGENTS}>=0.9.0"]),
        (AGENTS, "0.19.0", "2.21.0", []),
        # Within three years before TensorFlow.
        (AGENTS, "0.6.0", "2.10.1", []),
        ("tensorflow-probability", "0.12.2", "2.21.0", ["tensorflow-probability>=0.20.1"]),
        ("tensorflow-recommenders", "0.1.3", "2.21.0", ["tensorflow-recommenders>=0.7.6"]),
        # `~=2.4` allows every TensorFlow 2, and so does `<3`.
        ("tensorflow-privacy", "0.7.0", "2.21.0", ["tensorflow-privacy>=0.8.8"]),
        ("tensorflow-graphics", "1.0.0", "2.21.0", ["tensorflow-graphics>=2021.12.3"]),
        # The newest there is, however old: nothing better can be asked for.
        (AGENTS, "0.19.0", "2.21.0", []),
        # It says itself how far it goes.
        ("tensorflow-federated", "0.20.0", "2.21.0", []),
        # Its newer releases are for Python 3.11 and older, or for one TensorFlow.
        ("tensorflow-federated", "0.1.0", "2.21.0", []),
        # None of its releases goes with certain releases of TensorFlow.
        ("tensorflow-hub", "0.7.0", "2.21.0", []),
        ("numpy", "1.15.0", "2.21.0", []),
        # Not in the table: a version, a project, a TensorFlow.
        (AGENTS, "0.6.1", "2.21.0", []),
        ("unheard-of", "1.0", "2.21.0", []),
        (AGENTS, "0.6.0", "2.99.0", []),
    ],
)
def test_a_release_from_years_before_tensorflow_is_not_taken_for_one_that_goes_with_it(
    name: str, version: str, release: str, needed: list[str]
) -> None:
    assert needs(name, version, release=release) == needed


@pytest.mark.parametrize(
    ("asked", "needed"),
    [
        (AGENTS, [f"{AGENTS}>=0.16.0"]),
        ("TF_Agents[reverb]>=0.5", [f"{AGENTS}>=0.16.0"]),
        # The user knows better, or wants to.
        (f"{AGENTS}==0.6.0", []),
        (f"{AGENTS}<0.7", []),
        (f"{AGENTS}<=0.15", []),
        (f"{AGENTS}<0.17", [f"{AGENTS}>=0.16.0"]),
        # It comes by another package, which decides.
        ("another", []),
    ],
)
def test_a_range_of_the_user_that_ends_before_is_respected(asked: str, needed: list[str]) -> None:
    assert needs(AGENTS, "0.6.0", asked) == needed


def test_the_reason_is_said() -> None:
    (row,) = outlived({AGENTS: "0.6.0", "tensorflow": "2.21.0"}, (AGENTS,), python="3.12.1")
    assert str(row) == (
        "`tf-agents` needs `tf-agents>=0.16.0`: 0.6.0 came out on 2020-08-10, years before TensorFlow 2.21.0, and does "
        "not say which it goes with"
    )


def test_what_is_then_required_exists_and_is_not_refused_in_turn() -> None:
    """For every version of every project in the table."""
    refused = 0
    for name in _document()[0]:
        rows = published(name)
        for release in RELEASES:
            for row in rows:
                wanted = needs(name, str(row.version), release=release)
                if not wanted:
                    continue
                refused += 1
                least = Version(wanted[0].partition(">=")[2])
                assert least > row.version
                assert least in [each.version for each in rows]
                assert needs(name, str(least), release=release) == []
                assert needs(name, str(rows[-1].version), release=release) == []
    assert refused > 100
