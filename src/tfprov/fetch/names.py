"""Resolves each host name once per run.

A download has several connections and a resolve has twenty requests at a time. With as many simultaneous look-ups of
one name, a busy name server, or the NAT in front of it, drops some; the system then waits for five seconds.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpcore
    import httpx

_SECONDS = 60.0


class Names:
    """Cache of host addresses, kept for a minute. Each host is resolved by one thread while the others wait."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of a host, in the system's order; for an IP address, the address itself.

        Raises:
            OSError: the host cannot be resolved; failures are not cached.
        """
        with contextlib.suppress(ValueError):
            return (str(ipaddress.ip_address(host)),)
        with self._lock:
            lock = self._locks.setdefault(host, threading.Lock())
        with lock:
            at, found = self._known.get(host, (0.0, ()))
            if not found or time.monotonic() - at > _SECONDS:
                try:
                    listed = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
                except UnicodeError as error:
                    # `a..b`, or a part of more than 63 characters: Python refuses it before the system is asked.
                    raise socket.gaierror(socket.EAI_NONAME, f"`{host}` is not a host name") from error
                found = tuple(dict.fromkeys(str(entry[4][0]) for entry in listed))
                self._known[host] = (time.monotonic(), found)
            return found

    def serve(self, transport: httpx.HTTPTransport) -> None:
        """Make a transport resolve names through this cache.

        httpx offers no such setting, but the library below it does; where that is laid out differently, it resolves
        names itself.
        """
        pool = getattr(transport, "_pool", None)
        if hasattr(pool, "_network_backend"):
            vars(pool)["_network_backend"] = _backend(self)


def _backend(names: Names) -> httpcore.NetworkBackend:
    import httpcore

    class Backend(httpcore.SyncBackend):
        def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,
            local_address: str | None = None,
            socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
        ) -> httpcore.NetworkStream:
            try:
                *others, last = names.addresses(host)
            except OSError as error:
                raise httpcore.ConnectError(str(error)) from error
            for address in others:
                with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                    return super().connect_tcp(address, port, timeout, local_address, socket_options)
            return super().connect_tcp(last, port, timeout, local_address, socket_options)

    return Backend()
