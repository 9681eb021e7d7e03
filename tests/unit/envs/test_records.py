"""What a generation is known by."""

from __future__ import annotations

from pathlib import Path

from tfprov.envs.records import Generation
from told import refusal


def test_a_generation_that_was_never_verified_has_no_seal() -> None:
    found = Generation(number=7, path=Path("/g/0007"))
    assert refusal(lambda: found.sealed)[:2] == ("internal", "generation 7 has no seal")
