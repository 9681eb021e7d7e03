"""What an error tells, to compare whole messages."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tfprov.errors import TfprovError


def told(error: TfprovError) -> tuple[str, ...]:
    """Code, what happened, each line of evidence, and the hint, which is empty where there is none."""
    return error.code.name, error.what, *error.evidence, error.hint or ""


def refusal(call: Callable[[], object]) -> tuple[str, ...]:
    """What the error of a call tells."""
    with pytest.raises(TfprovError) as caught:
        call()
    return told(caught.value)
