"""How often a law is tried: a property over random machines, profiles or logs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import settings

_Test = TypeVar("_Test", bound=Callable[..., Any])

_BY_HAND = os.environ.get("TFPROV_TEST_LAWS")


def times(examples: int) -> int:
    """So many examples by hand as `TFPROV_TEST_LAWS` says; in the gate those given."""
    return int(_BY_HAND or examples)


def unhurried(test: _Test) -> _Test:
    """Lets a law that is tried by hand take its time."""
    return pytest.mark.timeout(0)(test) if _BY_HAND else test


def often(examples: int) -> Callable[[_Test], _Test]:
    """Tries a test of hypothesis that often: by hand with other examples each time, in the gate with the same ones."""
    chosen = settings(max_examples=times(examples), derandomize=_BY_HAND is None, database=None, deadline=None)
    return lambda test: unhurried(chosen(test))
