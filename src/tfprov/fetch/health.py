"""What a run has learnt about its routes, sources and servers."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from tfprov.errors import TfprovError


@dataclass(slots=True)
class Health:
    """What a run has learnt about its routes and sources, so that a dead one costs one time-out and not one per file.

    Safe to use from several threads.
    """

    _bad: dict[str, TfprovError] = field(default_factory=dict)
    _good: set[str] = field(default_factory=set)
    _caps: dict[str, int] = field(default_factory=dict)
    _distrusted: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def worked(self, name: str) -> None:
        """It delivered."""
        with self._lock:
            self._good.add(name)
            self._bad.pop(name, None)

    def failed(self, name: str, error: TfprovError) -> None:
        """It failed for good; one failure is enough unless it had worked before."""
        with self._lock:
            if name in self._good:
                self._good.discard(name)
            else:
                self._bad[name] = error

    def cap(self, host: str) -> int:
        """Most connections that this server has shown to bear."""
        with self._lock:
            return self._caps.get(host, 64)

    def limit(self, host: str, count: int) -> None:
        """The server minds more than so many connections."""
        with self._lock:
            self._caps[host] = min(count, self._caps.get(host, count))

    def distrust_validators(self, host: str) -> None:
        """The server names the same content differently from answer to answer."""
        with self._lock:
            self._distrusted.add(f"validators of {host}")

    def trusts_validators(self, host: str) -> bool:
        """Whether another validator means another file there."""
        with self._lock:
            return f"validators of {host}" not in self._distrusted

    def distrust_ranges(self, host: str) -> None:
        """The server answers with other parts than it is asked for."""
        with self._lock:
            self._distrusted.add(host)

    def trusts_ranges(self, host: str) -> bool:
        """Whether parts may be asked for there."""
        with self._lock:
            return host not in self._distrusted

    def problem(self, name: str) -> TfprovError | None:
        """Why it is avoided, or None."""
        with self._lock:
            return self._bad.get(name)
