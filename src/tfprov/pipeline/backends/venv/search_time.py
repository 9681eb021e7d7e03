"""How long a search for a hint may take."""

from __future__ import annotations

import os
import time

_WALL_PER_PROCESSOR = 6.0


class SearchTime:
    """A limit in processor time of this process and its children, so that a busy machine finds as much as an idle one.

    An index that does not answer takes no processor time, and Windows does not tell that of children. So the search
    also ends after six times as many seconds of real time.
    """

    def __init__(self, seconds: float) -> None:
        """Start now, with so many seconds of processor time."""
        self._until = _processor_seconds() + seconds
        self._at_last = time.monotonic() + seconds * _WALL_PER_PROCESSOR

    @property
    def is_over(self) -> bool:
        """Whether the time is used up."""
        return _processor_seconds() > self._until or time.monotonic() > self._at_last


def _processor_seconds() -> float:
    return sum(os.times()[:4])
