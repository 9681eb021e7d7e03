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
        self._begin()

    def _begin(self) -> None:
        self._digest = hashlib.sha256()
        self._position = 0
        self._edition = self._partial.edition

    def advance(self, seconds: float | None) -> None:
        """Hash what has arrived without a gap, for at most so many seconds (None: to the end of it)."""
        started = time.monotonic()
        if self._edition != self._partial.edition:
            self._begin()
        while (prefix := self._partial.prefix) > self._position:
            while self._position < prefix:
                chunk = self._partial.read(self._position, min(_BUFFER, prefix - self._position))
                if not chunk:
                    return
                self._digest.update(chunk)
                self._position += len(chunk)
                if seconds is not None and time.monotonic() - started > seconds:
                    return

    def hexdigest(self) -> str:
        """Of what has been hashed so far."""
        return self._digest.hexdigest()
