from __future__ import annotations

from dataclasses import replace

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tfprov.plan.companions import (
    Break,
    breaks_in,
    brought_by,
    constraints_of,
    holding,
    known_breaks,
    newer_than_known,
    overruling,
    settings,
    sparing,
    to_apply,
    variables_for,
    with_breaks,
)
from tfprov.plan.records import ChosenPython, ChosenTensorflow, Constraint, Decision, RequiredVariable

BOUND = Break(package="old", versions="<2", requires="numpy<2", why="w", source="s", since="numpy 2.0")
ADDED = Break(package="hub", versions="<=1.0", requires="setuptools<81", why="w", source="s", since="x", adds=True)
BESIDE = Break(package="rec", versions=">=1", beside="tensorflow>=2.16", requires="tf-keras", adds=True,
    variables={"TF_USE_LEGACY_KERAS": "1"}, why="it needs Keras 2", source="s", since="TensorFlow 2.16")  # fmt: skip
RELEASES = Break(package="rank", versions="<=0.5", requires="tensorflow<2.16", why="w", source="s", since="x")
NEWER = Break(package="img", versions="<=1", python=">=3.12", requires="setuptools", adds=True,
    why="it imports distutils", source="s", since="Python 3.12")  # fmt: skip
DECISION = Decision(
    tensorflow=ChosenTensorflow(package="tensorflow-cpu", version="2.21.0", extras=(), accelerator="cpu", why="w"),
    python=ChosenPython(version="3.13.0", path=None, why="w"),
)


@pytest.mark.parametrize("row", known_breaks(), ids=lambda row: f"{row.package}{row.versions}{row.beside}")
def test_each_row_can_be_read_and_says_why_since_when_and_what_shows_it(row: Break) -> None:
    assert row.package == canonicalize_name(row.package)
    assert SpecifierSet(row.versions)
    assert not row.requires or row.adds or Requirement(row.requires).specifier
    assert row.requires or row.variables or row.leaves_out or row.instead
    assert bool(row.beside) or not (row.leaves_out or row.instead)
    assert not row.beside or Requirement(row.beside)
    assert not row.python or SpecifierSet(row.python)
    assert row.why
    assert not row.why.endswith(".")
    assert row.source
    assert row.since


def test_no_row_contradicts_itself_and_none_stands_twice() -> None:
    rows = known_breaks()
    assert len({(row.package, row.versions, row.requires, row.beside, row.python) for row in rows}) == len(rows)
    for row in rows:
        needed = Requirement(row.requires) if row.requires else None
        # A bound that a fulfilled closure breaks again would be applied for ever.
        if needed is not None and row.beside and canonicalize_name(needed.name) == Requirement(row.beside).name:
            assert not row.adds


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
        # What has to be there, too, may be there under any of its names.
        ({"rec": "1.2", "tensorflow-cpu": "2.21.0"}, (BESIDE,)),
        ({"rec": "1.2", "tensorflow": "2.16.1", "tf-keras": "2.16.0"}, ()),
        ({"rec": "1.2", "tensorflow-cpu": "2.15.1"}, ()),
        ({"rec": "1.2"}, ()),
        ({"rank": "0.5", "tensorflow-cpu": "2.21.0"}, (RELEASES,)),
        ({"rank": "0.5", "tensorflow-macos": "2.15.1"}, ()),
        ({"img": "1.0"}, ()),
    ],
)
def test_a_row_holds_where_its_package_is_and_its_line_is_not_met(
    versions: dict[str, str], found: tuple[Break, ...]
) -> None:
    assert breaks_in(versions, (BOUND, ADDED, BESIDE, RELEASES, NEWER)) == found


@pytest.mark.parametrize(("python", "found"), [("3.12", (NEWER,)), ("3.13.1", (NEWER,)), ("3.11.9", ()), ("", ())])
def test_a_row_of_certain_pythons_holds_on_them_alone(python: str, found: tuple[Break, ...]) -> None:
    assert breaks_in({"img": "1.0"}, (NEWER,), python=python) == found


@pytest.mark.parametrize(
    ("row", "versions", "spent"),
    [
        # It was bound for a release that the closure no longer has.
        (replace(BOUND, beside="tensorflow==2.14.0", requires="old<1"), {"old": "0.9", "tensorflow": "2.15.1"}, True),
        (replace(BOUND, beside="tensorflow==2.14.0", requires="old<1"), {"old": "0.9", "tensorflow": "2.14.0"}, False),
        (BESIDE, {"rec": "1.2", "tensorflow": "2.15.1", "tf-keras": "2.15.1"}, True),
        (BESIDE, {"rec": "1.2", "tensorflow": "2.16.1", "tf-keras": "2.16.0"}, False),
        # The bound itself led away from it.
        (replace(BOUND, beside="numpy>=2"), {"old": "1.9", "numpy": "1.26"}, False),
        (replace(RELEASES, beside="keras<3"), {"rank": "0.5", "tensorflow": "2.16.1", "keras": "3.0"}, False),
        (BOUND, {"old": "2.0"}, False),
    ],
)
def test_a_bound_is_spent_where_what_it_is_for_is_gone_for_another_reason(
    row: Break, versions: dict[str, str], spent: bool
) -> None:
    assert row.is_spent(versions) is spent


def test_variables_are_needed_as_long_as_the_row_is_about_the_closure() -> None:
    met = {"rec": "1.2", "tensorflow": "2.21.0", "tf-keras": "2.21.0"}
    assert breaks_in(met, (BESIDE,)) == ()
    assert settings(holding(met, (BESIDE,))) == (
        RequiredVariable(name="TF_USE_LEGACY_KERAS", value="1", why="`rec`: it needs Keras 2"),
    )
    assert settings(holding({"rec": "1.2", "tensorflow": "2.15.1"}, (BESIDE,))) == ()


def test_a_decision_holds_to_rows_and_to_each_once() -> None:
    bound = with_breaks(DECISION, (BOUND, ADDED, BOUND))
    assert bound.constraints == (Constraint(requirement="numpy<2", why="`old`: w"),)
    assert bound.also == (Constraint(requirement="setuptools<81", why="`hub`: w"),)


def test_a_bound_on_tensorflow_is_one_on_each_of_its_names() -> None:
    bound = with_breaks(DECISION, (RELEASES,))
    assert [each.requirement for each in bound.constraints] == ["tensorflow<2.16", "tensorflow-cpu<2.16"]


def test_a_row_is_told_with_all_that_it_needs() -> None:
    assert str(BOUND) == "`old` needs `numpy<2`: w"
    assert str(BESIDE) == "`rec` needs `tf-keras` and `TF_USE_LEGACY_KERAS=1`: it needs Keras 2"


@pytest.mark.parametrize(
    ("versions", "needed"),
    [
        ({"tensorflow": "2.15.1", "tensorflow-probability": "0.25.0"}, ["tensorflow-probability<=0.23.0"]),
        ({"tensorflow-cpu": "2.21.0", "tensorflow-probability": "0.25.0", "tf-keras": "2.21.0"}, []),
        ({"tensorflow-probability": "0.25.0"}, []),
        ({"tensorflow-cpu": "2.15.1", "tensorflow-io": "0.37.1", "keras": "2.15.0"}, ["tensorflow-io<=0.36.0"]),
        ({"tensorflow-cpu": "2.17.1", "tensorflow-io": "0.37.1", "keras": "3.12.0"}, []),
        ({"tensorflow-cpu": "2.21.0", "tensorflow-estimator": "2.15.0"}, ["tensorflow<2.16"]),
        ({"tensorflow-cpu": "2.15.1", "tensorflow-estimator": "2.15.0"}, []),
        # Nothing older would fit either: what cannot be had is the resolver's to say.
        ({"tensorflow": "2.21.0", "tensorflow-addons": "0.23.0"}, []),
    ],
)
def test_what_does_not_go_with_the_release_is_bound_to_what_does(versions: dict[str, str], needed: list[str]) -> None:
    assert [row.requires for row in breaks_in(versions)] == needed


@pytest.mark.parametrize(
    ("versions", "needed", "variables"),
    [
        ({"tensorflow": "2.21.0", "tensorflow-probability": "0.25.0"}, ["tf-keras"], []),
        ({"tensorflow": "2.15.1", "tensorflow-probability": "0.23.0"}, [], []),
        ({"tensorflow": "2.16.2", "tensorflow-probability": "0.23.0"}, ["tf-keras"], ["TF_USE_LEGACY_KERAS"]),
        ({"tensorflow": "2.14.1", "tensorflow-probability": "0.21.0"}, ["tensorflow<2.14"], []),
        ({"tensorflow": "2.13.1", "tensorflow-probability": "0.21.0"}, [], []),
        ({"tensorflow": "2.13.1", "tensorflow-probability": "0.19.0"}, ["tensorflow<2.13"], []),
        ({"tensorflow": "2.18.1", "tensorflow-quantum": "0.7.6"}, ["tf-keras"], ["TF_USE_LEGACY_KERAS"]),
        ({"tensorflow": "2.15.1", "tensorflow-quantum": "0.7.3"}, [], []),
        ({"tensorflow-cpu": "2.21.0", "keras-tuner": "1.4.8"}, ["tensorboard"], []),
        ({"tensorflow-cpu": "2.20.0", "keras-tuner": "1.4.8"}, [], []),
        ({"tensorflow": "2.20.0", "autokeras": "3.0.0", "keras": "3.15.1"}, ["keras<3.13"], []),
        ({"tensorflow": "2.20.0", "autokeras": "3.0.0", "keras": "3.12.1"}, [], []),
        ({"tensorflow": "2.21.0", "tensorflow-gnn": "1.0.3"}, ["tf-keras"], ["TF_USE_LEGACY_KERAS"]),
        ({"tensorflow": "2.15.1", "tensorflow-gnn": "1.0.3"}, [], []),
        ({"tensorflow-cpu": "2.21.0", "tf-explain": "0.3.1"}, ["opencv-python-headless"], []),
        ({"tensorflow": "2.21.0", "keras-rl2": "1.0.5"}, ["tensorflow<2.13"], []),
        ({"tensorflow": "2.12.1", "keras-rl2": "1.0.5"}, [], []),
        (
            {"tensorflow": "2.21.0", "edward2": "0.0.2"},
            ["tensorflow-probability", "tf-keras"],
            ["TF_USE_LEGACY_KERAS"],
        ),
        ({"tensorflow-cpu": "2.21.0", "deepxde": "1.15.0"}, ["tensorflow-probability"], []),
        ({"tensorflow": "2.21.0", "tensorflow-federated": "0.1.0"}, ["tensorflow-federated>=0.2"], []),
        ({"tensorflow-cpu": "2.21.0", "gym": "0.26.2", "numpy": "2.5.0"}, ["numpy<2"], []),
        ({"tensorflow-cpu": "2.21.0", "gym": "0.26.2", "numpy": "1.26.4"}, [], []),
    ],
)
def test_what_can_be_imported_and_not_used_is_a_break_too(
    versions: dict[str, str], needed: list[str], variables: list[str]
) -> None:
    assert [row.requires for row in breaks_in(versions)] == needed
    assert [each.name for each in settings(holding(versions))] == variables


def test_one_of_two_packages_with_the_same_module_is_left_out() -> None:
    both = {"opencv-python": "4.11.0.86", "opencv-python-headless": "4.11.0.86"}
    (row,) = breaks_in(both)
    assert [each.requirement for each in with_breaks(DECISION, (row, row)).without] == ["opencv-python"]
    assert str(row).startswith("`opencv-python` is left out beside `opencv-python-headless`: both bring")
    assert breaks_in({"opencv-python-headless": "4.11.0.86"}) == ()


def test_of_opencv_that_the_profile_asks_for_and_that_a_row_adds_the_former_stays() -> None:
    both = {"tf-explain": "0.3.1", "opencv-python": "4.11.0.86", "opencv-python-headless": "4.11.0.86"}
    (row,) = sparing(breaks_in(both), {"tf-explain", "opencv-python"})
    assert [each.requirement for each in with_breaks(DECISION, (row,)).without] == ["opencv-python-headless"]


def test_a_bound_on_the_package_itself_comes_before_what_that_version_of_it_brings() -> None:
    old = {"tensorflow-cpu": "2.15.1", "keras": "2.15.0", "keras-nlp": "0.32.0", "keras-hub": "0.32.0"}
    rows = breaks_in(old)
    assert {row.requires for row in rows} == {"keras-nlp<0.14", "tensorflow>=2.16"}
    assert [row.requires for row in to_apply(rows)] == ["keras-nlp<0.14"]
    assert to_apply((BOUND, ADDED)) == (BOUND, ADDED)
    assert to_apply(()) == ()


@pytest.mark.parametrize(
    ("versions", "needed"),
    [
        ({"tensorflow-hub": "0.17.0"}, ["setuptools<81"]),
        ({"tensorflow-hub": "0.17.0", "setuptools": "80.9"}, []),
        ({"tensorflow-hub": "0.16.1"}, []),
        ({"imgaug": "0.5", "numpy": "2.4"}, ["numpy<2"]),
        # 2.2.2 was seen to work.
        ({"pandas": "2.2.2", "numpy": "2.4"}, []),
        ({}, []),
    ],
)
def test_a_version_that_the_table_does_not_know_yet_may_need_what_the_newest_known_one_does(
    versions: dict[str, str], needed: list[str]
) -> None:
    assert [row.requires for row in newer_than_known(versions, python="3.12")] == needed


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("numpy==2.1.0", True),
        ("NumPy===2.1.0", True),
        ("numpy==1.26.4", False),
        ("numpy==2.*", False),
        ("numpy>=2", False),
        ("numpy==2.1.0; python_version < '3.8'", False),
        ("scipy==2.1.0", False),
    ],
)
def test_a_pin_overrules_a_row_that_excludes_it(asked: str, found: bool) -> None:
    row = Break(package="img", versions="<2", requires="numpy<2", why="it is old", source="tried", since="numpy 2.0")
    assert overruling(row, ("other", asked)) == (asked if found else None)
    assert overruling(replace(row, requires="tensorflow<2.16"), ("tensorflow==2.17.0",)) is None
    assert overruling(replace(row, requires=""), (asked,)) is None


def test_bounds_become_constraints_requirements_and_variables() -> None:
    bounds = ("numpy<2", "python<3.12", "tensorflow<2.16", "tf-keras", "setuptools<81")
    assert constraints_of(bounds) == ("numpy<2", "tensorflow<2.16", "tensorflow-cpu<2.16", "setuptools<81")
    assert [each.requirement for each in brought_by(bounds)] == ["tf-keras", "setuptools<81"]
    assert variables_for(bounds) == {"TF_USE_LEGACY_KERAS": "1"}


@pytest.mark.parametrize("row", [row for row in known_breaks() if row.adds], ids=lambda row: row.package)
def test_what_a_row_adds_is_brought_to_an_older_lock_too(row: Break) -> None:
    assert [each.requirement for each in brought_by((row.requires,))] == [row.requires]


def test_what_is_asked_for_by_name_stays_and_the_other_one_with_its_module_goes() -> None:
    (row,) = breaks_in({"opencv-python": "4.11.0.86", "opencv-python-headless": "4.11.0.86"})
    assert sparing((row, BOUND), {"numpy"}) == (row, BOUND)
    (other,) = sparing((row,), {"opencv-python"})
    assert [each.requirement for each in with_breaks(DECISION, (other,)).without] == ["opencv-python-headless"]
    assert str(other).startswith("`opencv-python-headless` is left out beside `opencv-python`: both bring")


def test_cuda_13_of_torch_and_of_jax_does_not_go_beside_that_of_tensorflow() -> None:
    ours = {"tensorflow": "2.21.0", "nvidia-cudnn-cu12": "9.28.0.42", "nvidia-nccl-cu12": "2.32.3"}
    assert breaks_in({**ours, "torch": "2.10.0"}) == ()
    with_torch = {"torch": "2.15.0", "nvidia-cudnn-cu13": "9.26.0.51", "nvidia-nccl-cu13": "2.30.7"}
    assert [row.requires for row in breaks_in({**ours, **with_torch})] == ["torch<2.11"]
    # For the processor TensorFlow has no CUDA of its own, and torch may have what it wants.
    assert breaks_in({"tensorflow-cpu": "2.21.0", **with_torch}) == ()
    assert breaks_in({**ours, "jax": "0.12.0", "jax-cuda12-plugin": "0.12.0"}) == ()
    (row,) = breaks_in({**ours, "jax": "0.12.0", "jax-cuda13-plugin": "0.12.0", "nvidia-cudnn-cu13": "9.28.1.4"})
    assert row.instead == "jax[cuda12]"
    assert str(row).startswith("`jax-cuda13-plugin` does not work with `nvidia-cudnn-cu12`: ")


@pytest.mark.parametrize(
    ("protobuf", "needed"), [("4.25.9", 1), ("5.29.6", 1), ("6.31.0", 1), ("6.31.1", 0), ("7.36.2", 0)]
)
def test_messages_of_tensorflow_metadata_need_the_protobuf_that_generated_them(protobuf: str, needed: int) -> None:
    rows = breaks_in({"tensorflow-metadata": "1.21.0", "protobuf": protobuf})
    assert [row.requires for row in rows] == ["tensorflow-metadata<1.18"] * needed


@pytest.mark.parametrize("name", ["keras", "h5py", "tensorflow-text", "numpy", "tensorflow"])
@pytest.mark.parametrize("version", ["banana", "", "1.0-dev_x", "2.x"])
def test_a_version_that_is_none_breaks_with_nothing_and_stops_nothing(name: str, version: str) -> None:
    versions = {"tensorflow": "2.15.0", "keras": "3.0.0", name: version}
    for row in (*breaks_in(versions, python="3.11"), *newer_than_known(versions, python="3.11")):
        assert row.package != name
