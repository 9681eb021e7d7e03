"""The parts of a file that no connection is fetching yet, and how they are distributed to connections."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from tfprov.fetch.spans import Span, merge

_MB = 1024 * 1024


class Pieces:
    """The parts that no connection is fetching yet, handed out from the front, preferred parts first.

    Safe for several threads.
    """

    SMALLEST = 4 * _MB
    LARGEST = 256 * _MB
    SECONDS = 2.0
    """How long a piece should take: short enough that a slow connection never delays the end for long."""

    def __init__(self, missing: Sequence[Span]) -> None:
        self._pending = list(missing)
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._pending)

    @property
    def bytes(self) -> int:
        """Number of bytes left to hand out."""
        with self._lock:
            return sum(end - start for start, end in self._pending)

    def claim(self, speed: float, *, whole: bool, first: Sequence[Span] = ()) -> Span | None:
        """The next piece for a connection; None when nothing is left.

        Args:
            speed: bytes a second that the connection has reached; 0 when not known.
            whole: whether it must take the whole gap, because the server does not honour ranges.
            first: parts that are handed out before the others, in this order.
        """
        with self._lock:
            if not self._pending:
                return None
            start, end = self._pending[0] if whole else self._next(first)
            length = int(min(max(speed * self.SECONDS, self.SMALLEST), self.LARGEST))
            if not whole and end - start >= length + self.SMALLEST // 4:
                end = start + length
            outside = [
                each
                for span in self._pending
                for each in ((span[0], min(span[1], start)), (max(span[0], end), span[1]))
            ]
            self._pending = [span for span in outside if span[0] < span[1]]
            return start, end

    def _next(self, first: Sequence[Span]) -> Span:
        for wanted in first:
            for span in self._pending:
                start, end = max(wanted[0], span[0]), min(wanted[1], span[1])
                if start < end:
                    return start, end
        return self._pending[0]

    def add(self, span: Span) -> None:
        """Add a part."""
        with self._lock:
            self._pending = merge(self._pending, span)

    def clear(self) -> None:
        """Remove all parts."""
        with self._lock:
            self._pending = []
