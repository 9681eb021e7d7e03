from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from outcomes import SEAL, TARGET, with_python
from tfprov.digests import sha256_of
from tfprov.envs.generations import Environment
from tfprov.envs.records import Owner
from tfprov.lock import pylock
from tfprov.lock.records import Header, Inputs
from tfprov.pipeline.environments import rollback
from tfprov.pipeline.status import look
from tfprov.profile import source

PROFILE = 'name = "train"\n[tensorflow]\nversion = "==2.%s.*"\n'
LOCK = 'lock-version = "1.0"\ncreated-by = "uv"\npackages = []\n'


TOLD = (
    ("first", "first", "machine: not written down"),  # all that SEAL lacks
    ("second", "second", "machine: not written down"),
    ("first", "second", "`pylock.train.toml` changed"),
    ("second", "first", "`pylock.train.toml` changed"),
    ("first", "third", "`pylock.train.toml` changed"),
    ("second", "third", "`pylock.train.toml` changed"),
    ("third", "first", "the profile or a file"),
    ("third", "second", "the profile or a file"),
    ("third", "third", "the profile or a file"),
)
"""What stands beside the environment after a rollback from the second to the first, and what is said of it."""


def test_after_a_rollback_what_changed_is_what_is_neither_as_before_nor_as_after_it(tmp_path: Path) -> None:
    file, locked = tmp_path / "train.toml", tmp_path / "pylock.train.toml"
    environment = Environment(tmp_path / "home" / "train-1", owner=Owner(name="train", profile=str(file)))
    environment.claim()

    def write(profile: str, lock: str) -> None:
        file.write_text(PROFILE % {"first": 19, "second": 20, "third": 21}[profile])
        pylock.write(locked, LOCK, Header(inputs=Inputs(profile=lock), target=TARGET))

    for which in ("first", "second"):
        write(which, which)
        generation = environment.begin()
        with_python(generation.path)
        seen = source.glance(file, shipped=False)
        assert seen is not None
        seal = replace(SEAL, profile_digest=seen.digest, lock_digest=sha256_of(locked))
        environment.activate(environment.seal(generation, seal))
    rollback(environment, number=1)
    for profile, lock, said in TOLD:
        write(profile, lock)
        (status,) = look([environment], {"PATH": os.defpath})
        assert status.reasons[0].startswith(said), (profile, lock, status.reasons)
