"""HTTP clients that choose a proxy for each request."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from tfprov import __version__
from tfprov.fetch.routes import Route

if TYPE_CHECKING:
    import httpx


def client(route: Route, context: ssl.SSLContext, *, connect_timeout: float, idle_timeout: float) -> httpx.Client:
    """A new HTTP client for one thread. Close it.

    Each thread has its own, because the connection pool of the HTTP library may close a connection under a request of
    another thread (httpcore 1.0.9, its issue 1110).

    Args:
        route: to the servers.
        context: trusted certificates.
        connect_timeout: seconds to reach a server.
        idle_timeout: seconds without a byte.
    """
    import httpx

    return httpx.Client(
        transport=_routed(route, context),
        timeout=httpx.Timeout(idle_timeout, connect=connect_timeout),
        follow_redirects=True,
        trust_env=False,
        # Wheels are compressed already, and a transfer encoding would make offsets meaningless.
        headers={"User-Agent": f"tfprov/{__version__}", "Accept-Encoding": "identity"},
    )


def _routed(route: Route, context: ssl.SSLContext) -> httpx.BaseTransport:
    import httpx

    class Routed(httpx.BaseTransport):
        """Chooses a proxy for each request: a redirect may lead to a host that NO_PROXY excludes."""

        def __init__(self) -> None:
            self._transports: dict[str | None, httpx.HTTPTransport] = {}

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            route.check(str(request.url))
            proxy = route.proxy_for(str(request.url))
            if proxy not in self._transports:
                through = None if proxy is None else httpx.Proxy(proxy, ssl_context=_proxy_context(proxy, context))
                # Keep-alive for one: each client belongs to one thread.
                limits = httpx.Limits(max_connections=2, max_keepalive_connections=1)
                self._transports[proxy] = httpx.HTTPTransport(
                    verify=context, trust_env=False, proxy=through, limits=limits
                )
            return self._transports[proxy].handle_request(request)

        def close(self) -> None:
            for transport in self._transports.values():
                transport.close()

    return Routed()


def _proxy_context(proxy: str, context: ssl.SSLContext) -> ssl.SSLContext | None:
    return context if proxy.startswith("https://") else None
