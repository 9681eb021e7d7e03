"""Hashes a file while it is being downloaded."""

from __future__ import annotations

import hashlib
import time

from tfprov.fetch.partial import Partial

_BUFFER = 1024 * 1024


class Hasher:
    """SHA-256 of a partial file, from the front, as the bytes arrive."""

    def __init__(self, partial: Partial) -> None:
        self._partial = partial
        # One buffer for all reads: allocating it each time costs as much as the reading.
        self._buffer = memoryview(bytearray(_BUFFER))
        self._begin()

    def _begin(self) -> None:
        self._digest = hashlib.sha256()
        self._position = 0
        self._edition = self._partial.edition

    def advance(self, seconds: float | None) -> bool:
        """Hash the bytes up to the first gap, for at most `seconds` (None: all of them).

        Returns:
            Whether the time ran out, so that there may be more to hash.
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
        """The hash of the bytes so far."""
        return self._digest.hexdigest()
