from __future__ import annotations

import math
import time
from dataclasses import replace
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from packaging.tags import parse_tag

from tfprov.errors import TfprovError
from tfprov.lock.renew import Released, released_in
from tfprov.pipeline.backends.venv import lag
from tfprov.pipeline.backends.venv.solving import Earlier, Solution
from tfprov.plan.records import Candidate, ChosenPython, ChosenTensorflow, Decision, IndexFile
from tfprov.profile.records import Profile

if TYPE_CHECKING:
    from tfprov.pipeline.context import Context
    from tfprov.pipeline.machine import Machine

DECISION = Decision(
    tensorflow=ChosenTensorflow(package="tensorflow-cpu", version="2.21.0", extras=(), accelerator="cpu", why=""),
    python=ChosenPython(version="3.13.0", path="/python", why=""),
)
CANDIDATE = Candidate(requirement="tensorflow-cpu>=2.20,<=2.21", decisions=(DECISION,))


def document(*packages: tuple[str, str, str]) -> str:
    rows = (
        f'[[packages]]\nname = "{name}"\nversion = "{version}"\n'
        + (f'wheels = [{{ url = "https://x/{name}.whl", upload-time = {when} }}]\n' if when else "")
        for name, version, when in packages
    )
    return 'lock-version = "1.0"\n' + "".join(rows)


NEW = document(("hub", "2.0", "2026-01-01T00:00:00Z"), ("quiet", "3.0", ""))


@pytest.mark.parametrize(
    ("taken", "lagging"),
    [
        (document(("hub", "2.0", "2026-01-01T00:00:00Z")), ()),
        (document(("hub", "1.9", "2025-06-01T00:00:00Z")), ()),
        (document(("hub", "0.1", "2019-06-01T00:00:00Z")), ("hub",)),
        # Where an index gives no dates nothing is called old.
        (document(("hub", "0.1", "")), ()),
        (document(("quiet", "0.1", "2019-06-01T00:00:00Z")), ()),
        (document(("other", "0.1", "2019-06-01T00:00:00Z")), ()),
    ],
)
def test_a_version_more_than_a_year_older_than_the_newest_lags(taken: str, lagging: tuple[str, ...]) -> None:
    solution = Solution(candidate=CANDIDATE, decision=DECISION, document=taken)
    assert lag._lagging(solution, released_in(NEW)) == lagging


def test_a_version_that_an_exported_environment_names_does_not_lag() -> None:
    profile = Profile.model_validate({"name": "x", "packages": {"requirements": ["hub", "zip_safe", "other"]}})
    taken = document(*((name, "0.1", "2019-06-01T00:00:00Z") for name in ("hub", "zip-safe", "other")))
    solution = Solution(candidate=CANDIDATE, decision=DECISION, document=taken)
    preferred = (("hub", "0.1"), ("zip_safe", "0.1"), ("other", "0.2"))
    assert lag.outdated(profile, solution, preferred=preferred) == {"other": "0.1"}
    assert sorted(lag.outdated(profile, solution)) == ["hub", "other", "zip-safe"]


def test_what_may_lag_is_what_came_out_a_year_before_the_time_that_counts() -> None:
    profile = Profile.model_validate(
        {
            "name": "train",
            "index": {"exclude-newer": "2026-01-01T00:00:00Z"},
            "packages": {"requirements": ["Hub>=0", "quiet", "pinned==0.1", "tensorflow"]},
        }
    )
    for when in ("2019-06-01T00:00:00Z", "2024-12-31T00:00:00Z", "2025-01-02T00:00:00Z", "2025-12-31T00:00:00Z"):
        taken = document(*((name, "0.1", when) for name in ("hub", "quiet", "pinned", "tensorflow", "other")))
        solution = Solution(candidate=CANDIDATE, decision=DECISION, document=taken)
        old = lag.outdated(profile, solution)
        assert old == ({} if when > "2025" else {"hub": "0.1", "quiet": "0.1"})
        assert set(lag._lagging(solution, released_in(NEW))) <= set(old)


def test_what_is_the_newest_the_index_says_and_no_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag, "marker_environment", lambda *_: {"python_version": "3.13"})
    monkeypatch.setattr(lag, "supported_tags", lambda *_: parse_tag("py3-none-any"))
    wheels = {
        name: tuple(
            IndexFile(filename=f"{name}-{version}-py3-none-any.whl", uploaded=f"{year}-01-01T00:00:00Z")
            for version, year in (("1.0", 2020), ("2.0", 2023), ("3.0", 2024), ("4.0", 2026))
        )
        for name in ("hub", "bound", "marked", "held", "changed")
    }
    machine = cast("Machine", SimpleNamespace(files_of=lambda names: wheels, facts=None))
    profile = Profile.model_validate(
        {
            "name": "train",
            "index": {"exclude-newer": "2025-01-01"},
            "packages": {
                "requirements": ["Hub", "bound<2", 'marked; python_version < "3"', "held", "changed<2"],
                "constraints": ["held<=2"],
                "overrides": ["changed<3"],
            },
        }
    )
    taken = dict.fromkeys(wheels, "1.0")
    newest = lag.newest_versions(cast("Context", None), machine, profile, [CANDIDATE], taken)
    assert {name: each.version for name, each in newest.items()} == {
        "hub": "3.0",
        "bound": "1.0",
        "held": "2.0",
        "changed": "2.0",
    }


def test_a_newer_version_is_tried_only_on_a_python_that_could_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag, "supported_tags", lambda *_: parse_tag("py3-none-any"))
    files = {
        "hub": (IndexFile(filename="hub-2.0-py3-none-any.whl", requires_python="<3.13"),),
        "gone": (IndexFile(filename="gone-2.0-py3-none-any.whl", requires_python="<3"),),
    }
    machine = cast("Machine", SimpleNamespace(files_of=lambda names: {name: files[name] for name in names}, facts=None))
    decision = replace(DECISION, python=ChosenPython(version="3.12.1", path="/older", why=""))
    older = replace(CANDIDATE, decisions=(decision,))
    old = Solution(
        candidate=CANDIDATE,
        decision=DECISION,
        document=document(*((name, "1.0", "2019-01-01T00:00:00Z") for name in ("hub", "gone"))),
    )
    newest = {name: Released(version="2.0", at=datetime(2026, 1, 1, tzinfo=timezone.utc)) for name in ("hub", "gone")}
    asked: list[tuple[tuple[str, ...], list[str]]] = []

    def best_by_wheels(_: object, __: object, held: Profile, able: list[Candidate], **___: object) -> Solution:
        asked.append((held.packages.requirements, [each.best.python.version for each in able]))
        return old

    monkeypatch.setattr(lag, "best_by_wheels", best_by_wheels)
    profile = Profile.model_validate({"name": "train", "packages": {"requirements": ["hub<3", "gone"]}})
    context = cast("Context", None)
    lag.without_lag(
        context, machine, profile, [CANDIDATE, older], old, newest=newest, until=math.inf, earlier=Earlier()
    )
    assert asked == [(("hub<3,>=2.0", "gone"), ["3.12.1"])]
    # Where the index cannot be asked, nothing is known against any Python.
    asked.clear()
    unknown = cast("Machine", SimpleNamespace(files_of=lambda _: None, facts=None))
    lag.without_lag(
        context, unknown, profile, [CANDIDATE, older], old, newest=newest, until=math.inf, earlier=Earlier()
    )
    assert asked == [(("hub<3,>=2.0", "gone>=2.0"), ["3.13.0", "3.12.1"])]


@pytest.mark.parametrize("python", ["3.13.0", "3.12.1"])
@pytest.mark.parametrize(("other", "is_newer"), [("2025-12-01T00:00:00Z", True), ("2017-01-01T00:00:00Z", False)])
def test_another_python_is_taken_for_a_newer_package_only_where_the_others_do_not_get_older(
    monkeypatch: pytest.MonkeyPatch, python: str, other: str, is_newer: bool
) -> None:
    """`hub` would be seven years newer, and the other package some weeks older, or nine years."""
    then, now = "2019-01-01T00:00:00Z", "2026-01-01T00:00:00Z"
    old = Solution(
        candidate=CANDIDATE, decision=DECISION, document=document(("hub", "1.0", then), ("other", "2.0", now))
    )
    decision = replace(DECISION, python=ChosenPython(version=python, path=f"/python{python}", why=""))
    found = Solution(
        candidate=CANDIDATE if python == "3.13.0" else replace(CANDIDATE, decisions=(decision,)),
        decision=decision,
        document=document(("hub", "2.0", now), ("other", "1.0", other), ("unasked", "1.0", then)),
    )
    monkeypatch.setattr(lag, "best_by_wheels", lambda *_, **__: found)
    machine = cast("Machine", SimpleNamespace(files_of=lambda _: None, facts=None))
    profile = Profile.model_validate({"name": "train", "packages": {"requirements": ["hub", "other"]}})
    newest = {"hub": Released(version="2.0", at=datetime(2026, 1, 1, tzinfo=timezone.utc))}
    context = cast("Context", None)
    best, _ = lag.without_lag(
        context, machine, profile, [CANDIDATE], old, newest=newest, until=math.inf, earlier=Earlier()
    )
    assert best is (found if is_newer or python == "3.13.0" else old)


def test_each_old_package_by_itself_is_tried_only_while_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    newest = released_in(document(*((name, "2.0", "2026-01-01T00:00:00Z") for name in ("hub", "quiet", "third"))))
    taken = document(*((name, "1.0", "2019-01-01T00:00:00Z") for name in newest))
    old = Solution(candidate=CANDIDATE, decision=DECISION, document=taken)
    moments = [10.0]
    asked: list[tuple[str, ...]] = []

    def best_by_wheels(_: object, __: object, held: Profile, *___: object, **____: object) -> Solution:
        asked.append(held.packages.requirements)
        moments[0] += 10.0
        raise TfprovError("resolver-conflict", "no")

    monkeypatch.setattr(lag, "best_by_wheels", best_by_wheels)
    monkeypatch.setattr(time, "monotonic", lambda: moments[0])
    machine = cast("Machine", SimpleNamespace(files_of=lambda _: None, facts=None))
    profile = Profile.model_validate({"name": "train", "packages": {"requirements": ["hub", "quiet", "third"]}})
    told: list[Any] = []
    context = cast("Context", SimpleNamespace(emit=told.append))
    found, untried = lag.without_lag(
        context, machine, profile, [CANDIDATE], old, newest=newest, until=25.0, earlier=Earlier()
    )
    assert asked == [("hub>=2.0", "quiet>=2.0", "third>=2.0"), ("hub>=2.0", "quiet", "third")]
    assert (found, untried) == (old, {"quiet", "third"})
    lag.tell_lag(context, found, newest, untried)
    assert ["was not tried" in each.text for each in told] == [False, True, True]
    # All of them together are tried, whatever the time.
    asked.clear()
    _, untried = lag.without_lag(
        context, machine, profile, [CANDIDATE], old, newest=newest, until=0.0, earlier=Earlier()
    )
    assert untried == set(newest)
    assert asked == [("hub>=2.0", "quiet>=2.0", "third>=2.0")]


@pytest.mark.parametrize("works", [(), ("hub",), ("third",), ("hub", "third"), ("quiet", "third")])
def test_every_old_package_is_raised_that_goes_with_those_raised_before(
    monkeypatch: pytest.MonkeyPatch, works: tuple[str, ...]
) -> None:
    names = ("hub", "quiet", "third")
    newest = released_in(document(*((name, "2.0", "2026-01-01T00:00:00Z") for name in names)))
    old = Solution(
        candidate=CANDIDATE,
        decision=DECISION,
        document=document(*((name, "1.0", "2019-01-01T00:00:00Z") for name in names)),
    )

    def best_by_wheels(_: object, __: object, held: Profile, *___: object, **____: object) -> Solution:
        raised = {text.partition(">=")[0] for text in held.packages.requirements if ">=" in text}
        if not raised <= set(works):
            raise TfprovError("resolver-conflict", "no")
        taken = ((name, "2.0" if name in raised else "1.0", "2026-01-01T00:00:00Z") for name in names)
        return replace(old, document=document(*taken))

    monkeypatch.setattr(lag, "best_by_wheels", best_by_wheels)
    machine = cast("Machine", SimpleNamespace(files_of=lambda _: None, facts=None))
    profile = Profile.model_validate({"name": "train", "packages": {"requirements": list(names)}})
    found, untried = lag.without_lag(
        cast("Context", None), machine, profile, [CANDIDATE], old, newest=newest, until=math.inf, earlier=Earlier()
    )
    assert {name for name in names if found.version(name) == "2.0"} == set(works)
    assert untried == set()
