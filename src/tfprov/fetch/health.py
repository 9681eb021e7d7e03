"""What a run has learnt about its routes and servers."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Literal

from tfprov.errors import TfprovError


@dataclass(slots=True)
class Health:
    """What a run has learnt about its routes and servers, so that a dead one costs one timeout and not one per file.

    Safe to use from several threads.
    """

    _bad: dict[str, TfprovError] = field(default_factory=dict)
    _good: set[str] = field(default_factory=set)
    _caps: dict[str, int] = field(default_factory=dict)
    _distrusted: set[tuple[str, str]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def worked(self, name: str) -> None:
        """Record that a route or source worked."""
        with self._lock:
            self._good.add(name)
            self._bad.pop(name, None)

    def failed(self, name: str, error: TfprovError) -> None:
        """Record that a route or source failed; it is avoided from now on unless it worked before."""
        with self._lock:
            if name in self._good:
                self._good.discard(name)
            else:
                self._bad[name] = error

    def cap(self, host: str) -> int:
        """Most connections that this server accepts, as far as known."""
        with self._lock:
            return self._caps.get(host, 64)

    def limit(self, host: str, count: int) -> None:
        """Record that the server refuses more than `count` connections."""
        with self._lock:
            self._caps[host] = min(count, self._caps.get(host, count))

    def distrust(self, host: str, what: Literal["ranges", "validators"]) -> None:
        """Record that a server sends other ranges than requested, or several validators for the same content."""
        with self._lock:
            self._distrusted.add((host, what))

    def trusts(self, host: str, what: Literal["ranges", "validators"]) -> bool:
        """Whether to request ranges from a server, or to take another validator of it for another file."""
        with self._lock:
            return (host, what) not in self._distrusted

    def problem(self, name: str) -> TfprovError | None:
        """Why a route or source is avoided, or None."""
        with self._lock:
            return self._bad.get(name)
