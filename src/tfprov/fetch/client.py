"""HTTP clients that choose a proxy for each request."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
from collections.abc import Collection
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from tfprov import __version__
from tfprov.fetch.names import Names
from tfprov.fetch.routes import Route
from tfprov.ladder.climb import TransferError
from tfprov.redact import redact

if TYPE_CHECKING:
    import httpx

# pip follows 30 and uv 10; a longer chain is a loop.
_MOST_REDIRECTS = 10
_LARGEST_REDIRECT = 64 << 10


def client(
    route: Route,
    context: ssl.SSLContext,
    *,
    names: Names,
    connect_timeout: float,
    idle_timeout: float,
    allow_http: Collection[str] = (),
) -> httpx.Client:
    """A new HTTP client for one thread. Close it.

    Each thread has its own, because the connection pool of the HTTP library may close a connection under a request of
    another thread (httpcore 1.0.9, its issue 1110).

    Args:
        route: to the servers.
        context: trusted certificates.
        names: looks up host names.
        connect_timeout: seconds to reach a server.
        idle_timeout: seconds without a byte.
        allow_http: hosts that an https address may lead to without encryption.
    """
    import httpx

    def check(response: httpx.Response) -> None:
        if response.has_redirect_location:
            location = response.headers["Location"]
            # Here this is an `httpx.InvalidURL`; when the library follows it, a connection that broke.
            _ = httpx.URL(location).host
            _refuse_downgrade(str(response.request.url), location, allow_http)
            _leave_body(response)

    return httpx.Client(
        event_hooks={"response": [check]},
        max_redirects=_MOST_REDIRECTS,
        transport=_routed(route, context, names),
        timeout=httpx.Timeout(idle_timeout, connect=connect_timeout),
        follow_redirects=True,
        trust_env=False,
        # Wheels are compressed already, and a transfer encoding would make offsets meaningless.
        headers={"User-Agent": f"tfprov/{__version__}", "Accept-Encoding": "identity"},
    )


def _leave_body(response: httpx.Response) -> None:
    """Take the body of a redirect, which nobody shows: the HTTP library would read and unpack any amount of it."""
    import httpx

    if isinstance(response.stream, httpx.SyncByteStream):
        with contextlib.closing(response.stream) as body:
            sizes = itertools.accumulate(map(len, body))
            any(size > _LARGEST_REDIRECT for size in sizes)  # read to its end, the connection serves another request
        response.stream = httpx.ByteStream(b"")


def _refuse_downgrade(url: str, location: str, allow_http: Collection[str]) -> None:
    """Refuse a redirect from https to http, which would let anyone on the path read and change the response.

    Raises:
        TransferError: `mirror-http-error`.
    """
    try:
        there = urlsplit(urljoin(url, location))
    except ValueError:
        return  # the HTTP library reports what is wrong with it
    if urlsplit(url).scheme != "https" or there.scheme != "http" or there.hostname in allow_http:
        return
    raise TransferError(
        "mirror-http-error",
        f"`{urlsplit(url).hostname}` redirects from https to http, to `{there.hostname}`",
        transient=False,
        stubborn=True,
        evidence=(redact(f"GET {url}"), redact(f"Location: {location}")),
        hint=hint_to_allow(there.hostname),
    )


def hint_to_allow(host: str | None) -> str:
    """The hint for a server that was refused because it is reached over http."""
    return f'if that host may be used without encryption, add `allow-http = ["{host}"]` to `[index]`'


def _routed(route: Route, context: ssl.SSLContext, names: Names) -> httpx.BaseTransport:
    import httpx

    class Routed(httpx.BaseTransport):
        """Chooses a proxy for each request: a redirect may lead to a host that NO_PROXY excludes."""

        def __init__(self) -> None:
            self._transports: dict[str | None, httpx.HTTPTransport] = {}
            self._sockets: list[socket.socket] = []

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            route.check(str(request.url))
            watch = request.extensions.get("watch")
            if watch is not None:
                request.extensions["trace"] = self._note
                watch.over(self._sockets)
            found = route.proxy_for(str(request.url))
            proxy = found.reveal() if found else None
            if proxy not in self._transports:
                # Only a proxy that is spoken to over TLS may be given certificates.
                trusted = context if proxy is not None and proxy.startswith("https://") else None
                through = None if proxy is None else httpx.Proxy(proxy, ssl_context=trusted)
                # Keep-alive for one: each client belongs to one thread.
                limits = httpx.Limits(max_connections=2, max_keepalive_connections=1)
                made = httpx.HTTPTransport(verify=context, trust_env=False, proxy=through, limits=limits)
                names.serve(made)
                self._transports[proxy] = made
            return self._transports[proxy].handle_request(request)

        def _note(self, event: str, info: dict[str, object]) -> None:
            if event.endswith(("connect_tcp.complete", "start_tls.complete")):
                found = getattr(info.get("return_value"), "get_extra_info", lambda _: None)("socket")
                # Only the latest few can be in use.
                self._sockets[:] = [*self._sockets[-3:], *([found] if found is not None else [])]

        def close(self) -> None:
            for transport in self._transports.values():
                transport.close()

    return Routed()
