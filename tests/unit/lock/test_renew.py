from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from uv import find_uv_bin

from loopback import unused_port
from tfprov.errors import TfprovError
from tfprov.events import Event, Note
from tfprov.lock import renew as renewing
from tfprov.lock.question import Question, Resolver
from tfprov.lock.renew import renew, versions_in
from tfprov.lock.resolve import resolve
from wheels import build_wheel, simple_index

FOREIGN = "cp36-cp36m-win32"
BEFORE = ("tensorflow-cpu==1.0", "dep==1.0", "pinned==1.0")


def asked(*requirements: str) -> Question:
    return Question(requirements=requirements, constraints=(), python=Path(sys.executable))


@pytest.fixture
def resolver(tmp_path: Path) -> Resolver:
    """Two indexes, merged: the first has some of the same versions for another system and Python only."""
    source, foreign = tmp_path / "source", tmp_path / "foreign"
    names = ("tensorflow-cpu", "dep", "pinned", "more")
    whole = simple_index(
        tmp_path / "whole",
        [
            *(build_wheel(source, name, version) for name in names for version in ("1.0", "2.0")),
            build_wheel(source, "strict", "1.0", requires=["dep>=2"]),
        ],
    )
    extra = simple_index(
        tmp_path / "extra", [build_wheel(foreign, name, "1.0", tag=FOREIGN) for name in ("tensorflow-cpu", "dep")]
    )
    environ = {"PATH": os.environ["PATH"], "UV_DEFAULT_INDEX": whole.as_uri(), "UV_INDEX": extra.as_uri()}
    return Resolver(uv=Path(find_uv_bin()), cache=tmp_path / "cache", environ=environ, merge_indexes=True)


def renewed(question: Question, resolver: Resolver) -> tuple[Mapping[str, str], list[Event]]:
    events: list[Event] = []
    return dict(versions_in(renew(question, resolver, events.append))), events


def test_a_package_is_added_and_every_version_stays_although_one_index_has_some_for_another_python_only(
    resolver: Resolver,
) -> None:
    older = versions_in(resolve(asked(*BEFORE), resolver))
    question = replace(asked("tensorflow-cpu==1.0", "dep", "pinned", "more"), prefer=older)
    with pytest.raises(TfprovError) as failure:
        resolve(question, resolver)  # what uv makes of these preferences
    assert failure.value.code.name == "version-not-available"
    assert renewed(question, resolver) == (
        {"tensorflow-cpu": "1.0", "dep": "1.0", "pinned": "1.0", "more": "2.0"},
        [],
    )


def test_a_pin_of_the_profile_is_met_although_the_preference_for_it_fails(resolver: Resolver) -> None:
    older = versions_in(resolve(asked(*BEFORE), resolver))
    question = replace(asked("dep==1.0", "pinned", "more"), prefer=older)
    assert renewed(question, resolver) == ({"dep": "1.0", "pinned": "1.0", "more": "2.0"}, [])


def test_a_version_that_a_bound_rules_out_takes_no_other_with_it(resolver: Resolver) -> None:
    older = (("dep", "1.0"), ("more", "1.0"), ("pinned", "2.0"))
    question = replace(asked("dep", "more", "pinned"), prefer=older, constraints=("pinned<2",))
    assert renewed(question, resolver) == ({"dep": "1.0", "more": "1.0", "pinned": "1.0"}, [])


def test_what_must_move_moves_alone(resolver: Resolver) -> None:
    older = versions_in(resolve(asked(*BEFORE), resolver))
    question = replace(asked("dep", "pinned", "strict"), prefer=older)
    assert renewed(question, resolver)[0] == {"dep": "2.0", "pinned": "1.0", "strict": "1.0"}


@pytest.mark.parametrize("merged", [True, False])
@pytest.mark.parametrize(
    "fault",
    [
        "",
        "no lock at all",
        "[[packages]]",
        'packages = "none"',
        '[[packages]]\nname = "dep"\nversion = "none"',
        '[[packages]]\nname = "--dep"\nversion = "1.0"',
        '[[packages]]\nname = "dep"\nversion = 1',
        '[[packages]]\nname = "dep"\nversion = "7.0"',
        '[[packages]]\nname = "gone"\nversion = "1.0"',
        '[[packages]]\nname = "dep"\nversion = "7.0"\n[[packages]]\nname = "dep"\nversion = "8.0"',
        '[[packages]]\nname = "dep"\nversion = "2.0"\nwheels = [{ url = "https://x/d.whl", hashes = {} }]',
    ],
)
def test_no_fault_of_the_older_lock_is_a_reason_to_fail(resolver: Resolver, fault: str, merged: bool) -> None:
    question = replace(asked("dep", "pinned", "more"), prefer=versions_in(fault))
    resolver = replace(resolver, merge_indexes=merged)
    if not merged:
        environ = {name: value for name, value in resolver.environ.items() if name != "UV_INDEX"}
        resolver = replace(resolver, environ=environ)
    assert renewed(question, resolver)[0] == {"dep": "2.0", "pinned": "2.0", "more": "2.0"}


def test_a_version_that_was_yanked_since_then_is_no_reason_to_fail(tmp_path: Path, resolver: Resolver) -> None:
    older = versions_in(resolve(asked("pinned==1.0"), resolver))
    page = tmp_path / "whole" / "pinned" / "index.html"
    page.write_text(page.read_text().replace("<a ", '<a data-yanked="broken" ', 1))
    assert page.read_text().index("data-yanked") < page.read_text().index("pinned-1.0")
    found, _ = renewed(replace(asked("pinned", "more"), prefer=older), replace(resolver, fresh=True))
    assert found["more"] == "2.0"
    assert "pinned" in found


def test_a_conflict_is_that_of_the_question_alone(resolver: Resolver) -> None:
    question = asked("dep<2", "strict")
    with pytest.raises(TfprovError) as plain:
        resolve(question, resolver)
    with pytest.raises(TfprovError) as failure:
        renew(replace(question, prefer=(("dep", "1.0"), ("pinned", "1.0"))), resolver, lambda event: None)
    assert (failure.value.code, failure.value.evidence) == (plain.value.code, plain.value.evidence)


def test_versions_that_cannot_be_kept_are_named(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    def picky(question: Question, resolver: Resolver) -> str:
        if question.prefer or any("==" in each for each in question.constraints):
            raise TfprovError("resolver-conflict", "no", evidence=("because of dep==1.0",))
        return resolve(question, resolver)

    monkeypatch.setattr(renewing, "resolve", picky)
    question = replace(asked("dep", "pinned"), prefer=(("dep", "1.0"), ("pinned", "1.0")))
    found, events = renewed(question, resolver)
    assert found == {"dep": "2.0", "pinned": "2.0"}
    assert events == [Note(text="the lock's versions of `dep`, `pinned` could not be kept")]


def test_a_failure_of_the_network_is_not_blamed_on_the_lock(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def counted(question: Question, resolver: Resolver) -> str:
        tries.append(question)
        return resolve(question, resolver)

    monkeypatch.setattr(renewing, "resolve", counted)
    dead = f"http://127.0.0.1:{unused_port()}/simple"
    offline = replace(resolver, environ={**resolver.environ, "UV_INDEX": dead, "UV_HTTP_RETRIES": "0"})
    with pytest.raises(TfprovError) as failure:
        renew(replace(asked("dep"), prefer=(("dep", "1.0"),)), offline, lambda event: None)
    assert failure.value.code.group.label == "network"
    assert len(tries) == 1


@pytest.mark.parametrize("code", ["build-tool-missing", "resolver-conflict"])
def test_a_version_that_is_named_only_in_the_message_takes_no_other_with_it(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    def picky(question: Question, resolver: Resolver) -> str:
        if ("dep", "1.0") in question.prefer or "dep==1.0" in question.constraints:
            raise TfprovError(code, "`dep 1.0` has no wheel that fits, and its build failed", evidence=("no compiler",))
        return resolve(question, resolver)

    monkeypatch.setattr(renewing, "resolve", picky)
    question = replace(asked("dep", "more", "pinned"), prefer=(("dep", "1.0"), ("more", "1.0"), ("pinned", "1.0")))
    assert renewed(question, resolver) == (
        {"dep": "2.0", "more": "1.0", "pinned": "1.0"},
        [Note(text="the lock's versions of `dep` could not be kept")],
    )
