"""The patience of fetches in tests: hardly a wait, and fewer tries than users get."""

from __future__ import annotations

from tfprov.fetch.patience import Patience
from tfprov.ladder.climb import Policy

HURRY = Patience(
    normal=Policy(tries=3, seconds=20.0, first_wait=0.01, longest_wait=0.1),
    patient=Policy(tries=2, seconds=20.0, first_wait=0.01, longest_wait=0.1),
)
