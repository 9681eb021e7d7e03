"""What of a file nobody fetches yet, and how it is cut up among the connections."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from tfprov.fetch.spans import Span, merge

_MB = 1024 * 1024


class Pieces:
    """What nobody fetches yet, handed out from the front. Safe for several threads."""

    SMALLEST = 4 * _MB
    LARGEST = 256 * _MB
    SECONDS = 2.0
    """What a piece should take: short enough that a slow connection never holds the end up for long."""

    def __init__(self, missing: Sequence[Span]) -> None:
        """Hand these out."""
        self._pending = list(missing)
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._pending)

    @property
    def bytes(self) -> int:
        """How much is left to hand out."""
        with self._lock:
            return sum(end - start for start, end in self._pending)

    def claim(self, speed: float, *, whole: bool) -> Span | None:
        """The next piece for a connection that brought so many bytes a second; None when nothing is left.

        Args:
            speed: bytes a second; 0 when it is not known.
            whole: whether the whole gap must be taken, because the server gives no parts.
        """
        with self._lock:
            if not self._pending:
                return None
            start, end = self._pending[0]
            length = int(min(max(speed * self.SECONDS, self.SMALLEST), self.LARGEST))
            if whole or end - start < length + self.SMALLEST // 4:
                length = end - start
            rest = ((start + length, end), *self._pending[1:])
            self._pending = [span for span in rest if span[0] < span[1]]
            return start, start + length

    def add(self, span: Span) -> None:
        """Hand this out, too."""
        with self._lock:
            self._pending = merge(self._pending, span)

    def clear(self) -> None:
        """Nothing is left to hand out."""
        with self._lock:
            self._pending = []
