"""Whether the lock on disk is used as it is, and what of it goes into a new one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import hosts
from tfprov.lock import pylock
from tfprov.lock.records import Header
from tfprov.lock.target_records import Target
from tfprov.pipeline.backends.venv import lock_on_disk
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.profile.records import Loaded, Profile
from told import refusal

LOADED = Loaded(path=Path("/p/train.toml"), profile=Profile(name="train"), shipped=False, digest="d")
TARGET = Target(
    package="tensorflow-cpu",
    extras=(),
    version="2.21.0",
    accelerator="cpu",
    python="3.13",
    platform="linux-x86_64-glibc",
)
BOUNDS = ("python<3.14", "numpy<2.3")
MACHINE: Any = SimpleNamespace(facts=hosts.Host().facts)
RENEW = "renew it with `tfprov lock --upgrade`"


@pytest.fixture
def context(tmp_path: Path) -> Any:
    """A run with nothing on disk; what it is told goes into `notes`."""
    notes: list[str] = []
    return SimpleNamespace(
        lock_path=tmp_path / "pylock.train.toml",
        request=SimpleNamespace(locked=False, upgrade=False, host=None, prefer=(("six", "1.16"),)),
        loaded=LOADED,
        emit=lambda event: notes.append(event.text),
        notes=notes,
    )


def put(context: Any, **changes: Any) -> None:
    """Write a lock that was made from the profile, with another header."""
    header = Header(inputs=lock_on_disk.inputs(LOADED), target=TARGET, bounds=BOUNDS, built=("old",))
    content = 'lock-version = "1.0"\ncreated-by = "uv"\n\n[[packages]]\nname = "six"\nversion = "1.17"\n'
    wheel = '{ url = "https://host/six-1.17-py3-none-any.whl", hashes = { sha256 = "' + "a" * 64 + '" } }'
    pylock.write(context.lock_path, f"{content}wheels = [{wheel}]\n", dataclasses.replace(header, **changes))


def test_a_lock_is_made_where_there_is_none(context: Any) -> None:
    assert lock_on_disk.why_resolve(context) == ("there is no lock yet",)
    assert lock_on_disk.locked_choice(context, MACHINE) is None
    assert lock_on_disk.older_versions(context) == (("six", "1.16"),)
    assert lock_on_disk.older_built(context) == ()


def test_one_that_was_made_from_the_same_profile_is_used(context: Any) -> None:
    put(context)
    assert lock_on_disk.why_resolve(context) == ()
    found = lock_on_disk.locked_choice(context, MACHINE)
    assert found is not None
    assert (found.package, found.version, found.python_minor) == ("tensorflow-cpu", "2.21.0", "3.13")
    assert lock_on_disk.older_versions(context) == (("six", "1.17"),)
    assert lock_on_disk.older_built(context) == ("old",)


def test_an_upgrade_keeps_nothing(context: Any) -> None:
    put(context)
    context.request.upgrade = True
    assert lock_on_disk.why_resolve(context) == ("an upgrade was asked for",)
    assert lock_on_disk.locked_choice(context, MACHINE) is None
    assert lock_on_disk.older_versions(context) == (("six", "1.16"),)
    assert lock_on_disk.older_built(context) == ()


def test_an_upgrade_leaves_the_lock_of_somebody_else(context: Any) -> None:
    context.lock_path.write_text('lock-version = "1.0"\n')
    context.request.upgrade = True
    assert refusal(lambda: lock_on_disk.why_resolve(context)) == (
        *("path-not-ours", f"`{context.lock_path}` was not made by tfprov", "it has no `[tool.tfprov]` table"),
        "move it away; tfprov never overwrites what it did not make",
    )


def test_a_changed_profile_is_named_by_what_changed(context: Any) -> None:
    put(context, inputs=dataclasses.replace(lock_on_disk.inputs(LOADED), exclude_newer="2024-01-01"))
    (change,) = lock_on_disk.why_resolve(context)
    assert "2024-01-01" in change
    assert lock_on_disk.locked_choice(context, MACHINE) is None


@pytest.mark.parametrize(("exists", "code"), [(True, "lock-unfit"), (False, "lock-missing")])
def test_a_change_that_is_not_allowed_is_refused_with_its_reasons(context: Any, exists: bool, code: str) -> None:
    if exists:
        put(context)
    lock_on_disk.require_change_allowed(context, ("one reason",))
    assert context.notes == ["resolving: one reason"]
    context.request.locked = True
    found = refusal(lambda: lock_on_disk.require_change_allowed(context, ("one reason", "another")))
    what = f"`{context.lock_path}` would have to be made or changed, which is not allowed"
    assert found[:4] == (code, what, "one reason", "another")


def test_a_lock_for_another_machine_says_for_which(context: Any) -> None:
    put(context, target=dataclasses.replace(TARGET, platform="macos-arm64"))
    assert refusal(lambda: lock_on_disk.locked_choice(context, MACHINE)) == (
        *("lock-unfit", "`pylock.train.toml` was made for another machine"),
        *("it holds files for macos-arm64; this machine is linux-x86_64-glibc", RENEW),
    )
    context.request.host = "host.json"
    assert lock_on_disk.locked_choice(context, MACHINE) is None
    assert context.notes == [
        "`pylock.train.toml` does not serve linux-x86_64-glibc: this is what a lock made there would hold"
    ]


@pytest.mark.parametrize(
    ("changes", "bounds"),
    [
        ({}, BOUNDS),
        ({"python": "3.12"}, BOUNDS[1:]),
        ({"version": "2.20.0"}, ()),
    ],
)
def test_bounds_of_a_smoke_test_are_kept_for_what_they_were_found_on(
    context: Any, changes: dict[str, str], bounds: tuple[str, ...]
) -> None:
    plan = decide(Profile(name="train"), MACHINE.facts, table(), None)
    assert (plan.decision.tensorflow.version, plan.decision.python.version) == ("2.21.0", "3.13.0")
    put(context, target=dataclasses.replace(TARGET, **changes))  # type: ignore[arg-type]  # they are all texts
    assert lock_on_disk.kept_bounds(context, plan) == bounds
    context.request.upgrade = True
    assert lock_on_disk.kept_bounds(context, plan) == ()
