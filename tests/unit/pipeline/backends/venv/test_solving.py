"""In which order candidates are resolved, and when a further one cannot help."""

from __future__ import annotations

import contextlib
import itertools
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement

from tfprov import overlapped
from tfprov.errors import TfprovError
from tfprov.lock.question import Builds
from tfprov.lock.refusals import NoWheelsError
from tfprov.pipeline.backends.venv import solving
from tfprov.pipeline.backends.venv.search_time import SearchTime
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.plan.records import Candidate, ChosenPython, ChosenTensorflow, Decision
from tfprov.profile.records import Profile

RELEASES = ("2.21.0", "2.20.0", "2.15.0")


def candidate(minor: int, version: str = RELEASES[0]) -> Candidate:
    chosen = ChosenTensorflow(package="tensorflow-cpu", version=version, extras=(), accelerator="cpu", why="")
    python = ChosenPython(path=f"/python3.{minor}", version=f"3.{minor}.1", why="")
    decision = Decision(tensorflow=chosen, python=python)
    return Candidate(decisions=(decision,), requirement=f"tensorflow-cpu=={version}")


@pytest.mark.parametrize(("wheels_somewhere", "asked"), [(True, 2), (False, 1)])
def test_what_has_nothing_but_sources_is_not_looked_for_on_every_python(
    monkeypatch: pytest.MonkeyPatch, wheels_somewhere: bool, asked: int
) -> None:
    tried: list[tuple[str, str]] = []

    def solve(context: object, machine: object, profile: object, each: Candidate, **how: Any) -> str:
        builds = how["builds"]
        tried.append((each.best.python.version, builds))
        if builds != "none":
            return cast("Any", SimpleNamespace(release=solving.Version("2.21.0")))
        raise NoWheelsError(("sources-only",), TfprovError("sdist-build-failed", "no wheel"))

    monkeypatch.setattr(solving, "solve", solve)
    machine = cast("Machine", SimpleNamespace(has_wheels=lambda name: wheels_somewhere))
    profile = Profile(name="train")
    solving.best_by_wheels(cast("Context", None), machine, profile, [candidate(13), candidate(12)])
    assert len([each for each in tried if each[1] == "none"]) == asked


def test_a_python_that_has_wheels_of_all_that_has_some_anywhere_is_preferred_to_a_newer_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`no-wheels` has only sources, and `compiled` has wheels up to Python 3.11."""
    tried: list[tuple[str, str]] = []

    def solve(context: object, machine: object, profile: object, each: Candidate, **how: Any) -> object:
        version, builds = each.best.python.version, how["builds"]
        tried.append((version, builds))
        lacking = ["no-wheels"] if builds == "none" else []
        lacking += ["compiled"] if builds in ("none", "nowhere") and version > "3.11.1" else []
        if lacking:
            raise NoWheelsError(tuple(lacking), TfprovError("sdist-build-failed", "no wheel"))
        return SimpleNamespace(release=solving.Version("2.15.0"), candidate=each)

    monkeypatch.setattr(solving, "solve", solve)
    monkeypatch.setattr(overlapped, "processors", lambda: 1)
    machine = cast("Machine", SimpleNamespace(has_wheels=lambda name: name == "compiled"))
    candidates = [candidate(minor, "2.15.0") for minor in (13, 12, 11)]
    best: Any = solving.best_by_wheels(cast("Context", None), machine, Profile(name="train"), candidates)
    assert best.candidate.best.python.version == "3.11.1"
    assert tried == [("3.13.1", "none"), ("3.13.1", "nowhere"), ("3.12.1", "nowhere"), ("3.11.1", "nowhere")]
    tried.clear()
    best = solving.best_by_wheels(cast("Context", None), machine, Profile(name="train"), candidates[:2])
    assert best.candidate.best.python.version == "3.13.1"
    assert tried[-1] == ("3.13.1", "lacking")


def test_single_versions_without_wheels_are_not_built_for_an_older_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Python 3.7 such versions suffice, for TensorFlow 1.15; with all sources, there is a newer release."""
    tried: list[tuple[str, str]] = []

    def solve(context: object, machine: object, profile: object, each: Candidate, **how: Any) -> object:
        version, builds = each.best.python.version, how["builds"]
        tried.append((version, builds))
        if builds != "all" and (builds, version) != ("exact", "3.7.1"):
            raise NoWheelsError(("some",), TfprovError("sdist-build-failed", "no wheel"))
        return SimpleNamespace(release=solving.Version(each.best.tensorflow.version), candidate=each)

    monkeypatch.setattr(solving, "solve", solve)
    monkeypatch.setattr(overlapped, "processors", lambda: 1)
    machine = cast("Machine", SimpleNamespace(has_wheels=lambda name: True))
    candidates = [candidate(12), candidate(11), candidate(7, "1.15.5")]
    best: Any = solving.best_by_wheels(cast("Context", None), machine, Profile(name="train"), candidates)
    assert best.candidate.best.python.version == "3.12.1"
    assert [version for version, builds in tried if builds == "exact"] == ["3.12.1", "3.11.1"]


OUTCOMES = st.sampled_from(["resolver-conflict", "python-unsupported", "net-dns", "sources", "impossible", *RELEASES])


@settings(deadline=None)
@given(newest=st.lists(st.sampled_from(RELEASES), min_size=1, max_size=5), data=st.data())
def test_what_is_asked_beside_each_other_has_the_answer_of_one_after_the_other(
    newest: list[str], data: st.DataObject
) -> None:
    outcomes = data.draw(st.lists(OUTCOMES, min_size=len(newest), max_size=len(newest)))
    candidates = [candidate(20 - index, version) for index, version in enumerate(newest)]
    told = dict(zip((each.best.python.version for each in candidates), outcomes, strict=True))
    asked: dict[int, list[str]] = {1: [], 2: []}

    def answer(processors: int) -> object:
        def solve(context: object, machine: object, profile: object, each: Candidate, **how: Any) -> object:
            asked[processors].append(each.best.python.version)
            outcome = told[each.best.python.version]
            if outcome in RELEASES:
                return SimpleNamespace(release=solving.Version(outcome), candidate=each)
            if outcome == "sources":
                raise NoWheelsError(("sources-only",), TfprovError("sdist-build-failed", each.best.python.version))
            evidence = ("Because there is no version of a==1 and you require a==1",) if outcome == "impossible" else ()
            code = "version-not-available" if outcome == "impossible" else outcome
            raise TfprovError(code, each.best.python.version, evidence=evidence)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(solving, "solve", solve)
            patch.setattr(overlapped, "processors", lambda: processors)
            machine = cast("Machine", SimpleNamespace(has_wheels=lambda _: False))
            try:
                best: Any = solving.best_by_wheels(
                    cast("Context", None), machine, Profile(name="train"), candidates, once=True
                )
            except TfprovError as error:
                return error.code.name, error.what, error.tried
            return best.release, best.candidate

    assert answer(2) == answer(1)
    assert set(asked[1]) <= set(asked[2])


@pytest.mark.parametrize(("code", "again"), [("resolver-conflict", 0), ("build-failed", 2), ("net-dns", 1)])
def test_what_has_no_solution_is_not_asked_again_when_more_is_wanted(
    monkeypatch: pytest.MonkeyPatch, code: str, again: int
) -> None:
    asked: list[str] = []

    def solve(context: object, machine: object, profile: object, each: Candidate, **how: Any) -> object:
        asked.append(each.best.python.version)
        raise TfprovError(code, "no")

    monkeypatch.setattr(solving, "solve", solve)
    monkeypatch.setattr(overlapped, "processors", lambda: 1)
    profile = Profile.model_validate({"name": "train", "packages": {"build": "never"}})
    earlier = solving.Earlier()
    for _ in range(2):
        asked.clear()
        with pytest.raises(TfprovError):
            solving.best_by_wheels(
                cast("Context", None),
                cast("Machine", None),
                profile,
                [candidate(13), candidate(12)],
                once=True,
                earlier=earlier,
            )
    assert len(asked) == again


def test_a_python_that_reached_no_newer_release_before_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    reached = {"3.13.1": "2.15.0", "3.12.1": "2.16.1", "3.11.1": "2.14.0"}
    asked: list[str] = []

    def solve(context: object, machine: object, profile: object, each: Candidate, **how: Any) -> object:
        asked.append(each.best.python.version)
        return SimpleNamespace(release=solving.Version(reached[asked[-1]]), candidate=each)

    monkeypatch.setattr(solving, "solve", solve)
    monkeypatch.setattr(overlapped, "processors", lambda: 1)
    candidates, earlier = [candidate(minor) for minor in (13, 12, 11)], solving.Earlier()

    def best() -> tuple[str, list[str]]:
        asked.clear()
        context, machine = cast("Context", None), cast("Machine", None)
        found = solving.best_by_wheels(context, machine, Profile(name="train"), candidates, earlier=earlier)
        return found.candidate.best.python.version, list(asked)

    assert best() == ("3.12.1", ["3.13.1", "3.12.1", "3.11.1"])
    assert best() == ("3.12.1", ["3.13.1", "3.12.1"])
    # Another row takes the newest release away from the Python that had it, and a third one another.
    reached["3.12.1"] = "2.13.0"
    assert best() == ("3.13.1", ["3.13.1", "3.12.1"])
    reached["3.13.1"] = "2.12.0"
    assert best() == ("3.11.1", ["3.13.1", "3.12.1", "3.11.1"])
    earlier.forget()
    assert best() == ("3.11.1", ["3.13.1", "3.12.1", "3.11.1"])


@pytest.mark.parametrize(
    ("oldest", "asked"),
    [
        ("fatal error: alsa/asoundlib.h, in /tmp/b/rtmidi.cpp", {13, 9}),
        ("fatal error: Python.h, in /tmp/b/rtmidi.cpp", {13, 12, 10, 9}),
        (None, {13, 12, 10, 9}),
    ],
)
def test_a_source_that_no_python_can_build_is_not_tried_on_each(
    monkeypatch: pytest.MonkeyPatch, oldest: str | None, asked: set[int]
) -> None:
    tried: set[int] = set()

    def solve(context: object, machine: object, profile: object, each: Candidate, **how: Any) -> object:
        minor = int(each.best.python.version.split(".")[1])
        tried.add(minor)
        if minor == 9 and oldest is None:
            return SimpleNamespace(release=solving.Version("2.15.0"), candidate=each)
        said = oldest if minor == 9 else "fatal error: alsa/asoundlib.h, in /tmp/a/rtmidi.cpp"
        raise TfprovError("build-failed", "`python-rtmidi==1.1.2` has no wheel that fits", evidence=(said or "",))

    monkeypatch.setattr(solving, "solve", solve)
    monkeypatch.setattr(overlapped, "processors", lambda: 1)
    profile = Profile.model_validate({"name": "train", "packages": {"build": "never"}})
    with contextlib.suppress(TfprovError):
        minors = [candidate(minor) for minor in (13, 12, 10, 9)]
        solving.best_by_wheels(cast("Context", None), cast("Machine", None), profile, minors, once=True)
    assert tried == asked


def test_a_search_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = SimpleNamespace(candidates=(candidate(13),))
    monkeypatch.setattr(solving, "plan_for_all", lambda *_: plan)
    monkeypatch.setattr(solving, "solve_unbroken", lambda *_, **__: "found")
    machine = cast("Machine", SimpleNamespace(facts=None, offers=None))
    for seconds, found in ((60, "found"), (-1, None)):
        limit = SearchTime(seconds)
        assert solving.any_solution(cast("Context", None), machine, Profile(name="train"), limit=limit) == found


@pytest.mark.parametrize("build", ["needed", "never"])
@pytest.mark.parametrize("fits", [10, None])
def test_a_search_builds_what_some_python_has_wheels_of_only_after_every_python_was_tried(
    monkeypatch: pytest.MonkeyPatch, build: str, fits: int | None
) -> None:
    tried: list[tuple[str, str]] = []

    def solve_unbroken(_c: object, _m: object, _p: object, asked: Candidate, *, builds: str) -> str:
        tried.append((asked.best.python.version, builds))
        if fits is None or asked.best.python.version != candidate(fits).best.python.version:
            raise TfprovError("build-failed", "")
        return "found"

    pythons = tuple(map(candidate, (13, 12, 10)))
    monkeypatch.setattr(solving, "plan_for_all", lambda *_: SimpleNamespace(candidates=pythons))
    monkeypatch.setattr(solving, "solve_unbroken", solve_unbroken)
    profile = Profile.model_validate({"name": "train", "packages": {"build": build}})
    machine = cast("Machine", SimpleNamespace(facts=None, offers=None))
    found = solving.any_solution(cast("Context", None), machine, profile, limit=SearchTime(600))
    versions = [each.best.python.version for each in pythons]
    wheels = [(version, "all" if build == "never" else "nowhere") for version in versions]
    builds = [] if fits or build == "never" else [(version, "all") for version in versions]
    assert (found, tried) == ("found" if fits else None, wheels + builds)


def test_every_try_is_told_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    def ask_resolver(*_: object, **how: Any) -> str:
        told.append("asked")
        raise TfprovError("resolver-conflict", "no")

    monkeypatch.setattr(solving, "ask_resolver", ask_resolver)
    monkeypatch.setattr(solving, "older_versions", lambda _: ())
    monkeypatch.setattr(solving, "older_built", lambda _: ())
    machine = cast("Machine", SimpleNamespace(tries=itertools.count(), facts=None, uv_platform=None))
    context = cast("Context", SimpleNamespace(emit=told.append))
    for minor, builds in ((13, "none"), (12, "lacking")):
        with pytest.raises(TfprovError):
            solving.solve(context, machine, Profile(name="train"), candidate(minor), builds=cast("Builds", builds))
    assert [(each.done, each.what) for each in told[::2]] == [
        (0, "Python 3.13.1 with tensorflow-cpu 2.21.0"),
        (1, "Python 3.12.1 with tensorflow-cpu 2.21.0, building what has no wheel"),
    ]
    assert told[1::2] == ["asked", "asked"]


def test_the_reason_is_that_of_a_python_that_has_the_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = {
        "3.13.1": TfprovError("python-unsupported", "no wheel for 3.13"),
        "3.12.1": TfprovError("platform-no-wheel", "no wheel for 3.12"),
        "3.10.1": TfprovError("resolver-conflict", "two pins fight"),
        "3.9.1": TfprovError("resolver-conflict", "others fight"),
    }

    def solve(context: object, machine: object, profile: object, each: Candidate, **how: Any) -> str:
        raise failures[each.best.python.version]

    monkeypatch.setattr(solving, "solve", solve)
    profile = Profile.model_validate({"name": "train", "packages": {"build": "never"}})
    minors = [candidate(minor) for minor in (13, 12, 10, 9)]
    with pytest.raises(TfprovError, match="two pins fight") as caught:
        solving.best_by_wheels(cast("Context", None), cast("Machine", None), profile, minors)
    assert [line.partition(":")[0] for line in caught.value.tried] == [
        "Python 3.13.1 with tensorflow-cpu 2.21.0",
        "Python 3.12.1 with tensorflow-cpu 2.21.0",
        "Python 3.9.1 with tensorflow-cpu 2.21.0",
    ]


@pytest.mark.parametrize(
    ("text", "free"),
    [
        ("keras==2.13.1", "keras"),
        ("uvicorn[standard]>=1,<2", "uvicorn[standard]"),
        ('pandas<2; python_version < "3.12"', 'pandas; python_version < "3.12"'),
    ],
)
def test_a_requirement_on_any_version_keeps_extras_and_marker(text: str, free: str) -> None:
    assert solving.on_any_version(Requirement(text)) == free


def test_the_version_of_a_solution_is_found_by_any_spelling() -> None:
    one = candidate(13)
    document = 'lock-version = "1.0"\n[[packages]]\nname = "scikit-learn"\nversion = "1.5"\n'
    solution = solving.Solution(candidate=one, decision=one.best, document=document)
    assert solution.version("Scikit_Learn") == "1.5"
    assert solution.version("absent") is None
