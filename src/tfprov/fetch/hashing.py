"""Hashing a file while it arrives."""

from __future__ import annotations

import hashlib
import time

from tfprov.fetch.partial import Partial

_BUFFER = 1024 * 1024


class Hasher:
    """SHA-256 of a file on its way, from the front, behind the bytes that arrive."""

    def __init__(self, partial: Partial) -> None:
        """Nothing is hashed yet."""
        self._partial = partial
        # One for all, because memory that is asked for anew each time costs as much as the reading.
        self._buffer = memoryview(bytearray(_BUFFER))
        self._begin()

    def _begin(self) -> None:
        self._digest = hashlib.sha256()
        self._position = 0
        self._edition = self._partial.edition

    def advance(self, seconds: float | None) -> bool:
        """Hash what has arrived without a gap, for at most so many seconds (None: to the end of it).

        Returns:
            Whether that took all of the time: there may be more.
        """
        started = time.monotonic()
        if self._edition != self._partial.edition:
            self._begin()
        while (prefix := self._partial.prefix) > self._position:
            while self._position < prefix:
                count = self._partial.read_into(self._position, self._buffer[: prefix - self._position])
                if not count:
                    return False
                self._digest.update(self._buffer[:count])
                self._position += count
                if seconds is not None and time.monotonic() - started > seconds:
                    return True
        return False

    def hexdigest(self) -> str:
        """Of what has been hashed so far."""
        return self._digest.hexdigest()
