"""Laws that every decision keeps, over random machines and profiles.

`laws` says how often.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

import hosts
from hosts import Host
from laws import often
from machines import DRIVERS, MINORS, Draw, machines, profiles
from remedies import NOTHING_DOES, change, follow, outcome, release, told
from tfprov.distributions import kind_of
from tfprov.errors import TfprovError
from tfprov.plan.gpus import driver_number
from tfprov.plan.records import Plan
from tfprov.profile.records import Profile

T = TypeVar("T")


def short(found: Plan | TfprovError) -> str:
    """What was decided, without the reasons."""
    if isinstance(found, TfprovError):
        return found.code.name
    chosen, python = found.decision.tensorflow, found.decision.python
    return f"{chosen.package} {chosen.version} {chosen.accelerator} {python.version} {python.path is None}"


# --- every message reads ---------------------------------------------------------------------------------------------

_UNREADABLE = re.compile(
    # What stands for nothing, …
    r"\bNone\b|\bnan\b|\(\)|\[\]|\{\}|``|''|\(, |, \)|,\s*,|;\s*;|\?;"
    # … and what ends or begins with it, or with the last of several things to do.
    r"|[:;,]\s*$|^or\b|  |^\s|\s$|(?<!C)Python (?:only|and|$)|\bfor Python\s*$"
)


def _texts(found: Plan | TfprovError) -> list[str]:
    if isinstance(found, TfprovError):
        return [found.what, found.hint, *found.evidence]
    chosen, python = found.decision.tensorflow, found.decision.python
    refused = [text for each in found.refused for text in (each.what, each.why)]
    also = [each.why for each in (*found.decision.constraints, *found.decision.also)]
    return [chosen.why, python.why, *found.notes, *refused, *also]


@often(625)
@given(host=machines(), asked=profiles())
def test_every_message_reads(host: Host, asked: Profile) -> None:
    found = outcome(asked, host)
    for text in _texts(found):
        assert text
        assert not _UNREADABLE.search(text), text
    if isinstance(found, TfprovError):
        assert found.evidence
        assert found.hint


# --- same in, same out; order does not matter ------------------------------------------------------------------------


@often(375)
@given(host=machines(), asked=profiles(), seed=st.integers(0, 2**32))
def test_the_order_of_things_decides_nothing(host: Host, asked: Profile, seed: int) -> None:
    def shuffled(things: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(Draw(seed).sample(things, len(things)))

    packages = asked.packages
    other_way = change(
        asked,
        packages={"requirements": shuffled(packages.requirements), "constraints": shuffled(packages.constraints)},
    )
    other = dataclasses.replace(host, gpus=shuffled(host.gpus), pythons=shuffled(host.pythons))
    found = outcome(asked, host)
    assert short(outcome(other_way, other)) == short(found)
    again = outcome(asked, host)
    assert _texts(again) == _texts(found)


# --- more never hurts, less never helps ------------------------------------------------------------------------------


def _better(host: Host, draw: Draw) -> Iterator[Host]:
    """The machine with more of something."""
    yield dataclasses.replace(host, pythons=(*host.pythons, draw.choice(MINORS)))
    if host.driver is not None:
        newer = [each for each in DRIVERS if driver_number(each) >= driver_number(host.driver)]
        yield dataclasses.replace(host, driver=draw.choice(newer))
    if host.libc is not None and host.libc.kind == "glibc":
        yield dataclasses.replace(host, libc=hosts.GLIBC)
    if host.system == "macos":
        yield dataclasses.replace(host, os_version="26.0")
    if host.machine == "x86_64":
        yield dataclasses.replace(host, flags=hosts.AVX2)


@often(375)
@given(host=machines(), asked=profiles(), seed=st.integers(0, 2**32))
def test_more_never_hurts(host: Host, asked: Profile, seed: int) -> None:
    before = outcome(asked, host)
    if isinstance(before, TfprovError):
        return
    for better in _better(host, Draw(seed)):
        after = outcome(asked, better)
        assert isinstance(after, Plan), after
        if before.decision.tensorflow.accelerator == "cuda":
            assert after.decision.tensorflow.accelerator == "cuda"


def _fewer_wishes(asked: Profile) -> list[Profile]:
    """The profile with one wish less each."""
    fewer = [
        change(asked, packages={key: [*texts[:index], *texts[index + 1 :]]})
        for key, texts in (("requirements", asked.packages.requirements), ("constraints", asked.packages.constraints))
        for index in range(len(texts))
        # By their names these say more than that TensorFlow is wanted: on the CPU, and on the GPU of a Mac.
        if texts[index] not in {"tensorflow-cpu", "tensorflow-metal"}
    ]
    if asked.tensorflow.version is not None and not asked.tensorflow.version.startswith(">=2.22"):
        fewer.append(change(asked, tensorflow={"version": None}))
    if asked.python.version is not None:
        fewer.append(change(asked, python={"version": None}))
    if asked.index.exclude_newer is not None:
        fewer.append(change(asked, index={"exclude-newer": None}))
    return [*fewer, change(asked, python={"install": True}), change(asked, smoke={"require-gpus": 0})]


@often(375)
@given(host=machines(), asked=profiles())
def test_to_ask_for_less_never_hurts(host: Host, asked: Profile) -> None:
    if asked.conda.tensorflow == "conda" and asked.environment.kind == "conda":
        # A release of a channel that the table does not know is planned for, and one that it knows may be refused.
        return
    if isinstance(outcome(asked, host), TfprovError):
        return
    for fewer in _fewer_wishes(asked):
        assert isinstance(outcome(fewer, host), Plan)


@often(35)
@given(host=machines(), asked=profiles())
def test_an_override_takes_the_place_of_what_packages_ask_for(host: Host, asked: Profile) -> None:
    lines = asked.packages.requirements
    others = [text for text in lines if kind_of(Requirement(text).name) is None]
    found = outcome(change(asked, packages={"overrides": others}), host)
    for text in _texts(found):
        for name in (Requirement(each).name for each in others):
            # The bounds of the table remain, and they have a reason.
            assert not re.search(rf"it needs `{name}[^`]*`, and packages.overrides", text), text


@often(35)
@given(host=machines(), asked=profiles(), line=st.sampled_from(("tensorflow-text==2.15.*", "pandas<1.4", "torch<1")))
def test_a_constraint_on_what_nothing_needs_decides_nothing(host: Host, asked: Profile, line: str) -> None:
    alone = change(asked, packages={"requirements": []})
    constrained = change(alone, packages={"constraints": [*alone.packages.constraints, line]})
    assert short(outcome(constrained, host)) == short(outcome(alone, host))


# --- what is told of several releases holds for each ------------------------------------------------------------------


def _words(text: str) -> str:
    """What is said, without numbers and explanations."""
    return " ".join(re.findall(r"[a-z]+", re.sub(r" \([^()]*\)|[!<=>~]*\d[\w.*]*", "", text)))


@often(375)
@given(host=machines(), asked=profiles())
def test_what_is_told_of_several_releases_holds_for_the_oldest(host: Host, asked: Profile) -> None:
    found = outcome(asked, host)
    for line in found.evidence if isinstance(found, TfprovError) else ():
        if told := re.fullmatch(r"tensorflow (\S+) to \S+: (.+?)(?: \(\d\S*\))?", line):
            alone = outcome(release(asked, told[1]), host)
            assert isinstance(alone, TfprovError), line
            said = _words(" ".join((alone.what, *alone.evidence, alone.hint)))
            assert told[2] == "the same" or all(_words(part) in said for part in told[2].split("; ")), line


# --- a remedy works --------------------------------------------------------------------------------------------------

# What is said of profile or machine as a whole holds at once; other hints may lead to the next thing in the way.
_HOLDS_AT_ONCE = ("would fit", "can run", "would support")


@often(375)
@given(host=machines(), asked=profiles())
def test_a_remedy_works(host: Host, asked: Profile) -> None:
    error = outcome(asked, host)
    if isinstance(error, Plan):
        return
    remedies = list(told(error))
    assert remedies or error.hint in NOTHING_DOES, error.hint
    for text, act, found in remedies:
        after = outcome(*act(asked, host, found))
        if isinstance(after, TfprovError):
            assert (after.code, after.what) != (error.code, error.what), text
            assert not text.endswith(_HOLDS_AT_ONCE), (text, after.what)
            # A remedy for the GPUs may uncover that there is no Python, but not that the GPUs still do not do.
            assert not (text.endswith(" leaves") and after.code.name.startswith("gpu-")), (text, after.what)


@often(375)
@given(host=machines(), asked=profiles(), seed=st.integers(0, 2**32))
def test_following_the_remedies_ends_in_a_plan(host: Host, asked: Profile, seed: int) -> None:
    follow(asked, host, Draw(seed))
