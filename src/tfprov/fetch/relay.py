"""A local index server for a resolver, backed by tfprov's own client with its retries, routes, mirrors and logins.

A resolver has only a few retries, one route and no mirrors. So it is pointed at this relay, as an HTTP proxy that needs
a login, and requests stand-ins of the real URLs. It gets pages, metadata, ranges of wheels and whole files over every
route and mirror of the network; it sees no credentials, and the relay keeps the failure of what it could not get.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import http.server
import secrets
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from tfprov.errors import TfprovError
from tfprov.events import Attempt, Emit, Event, Note
from tfprov.fetch import stand_ins
from tfprov.fetch.addresses import variable
from tfprov.fetch.answers import length_of, raise_for_status, range_of, validator_of
from tfprov.fetch.bounded import METADATA, PAGE, body_of, chunks_of, response_to, within_disk
from tfprov.fetch.credentials import login_in
from tfprov.fetch.promised import Promised
from tfprov.fetch.relay_answers import TOLD_OF_FILES, Pages, RelayAnswer, headers_of, metadata_answer, page_answer
from tfprov.fetch.relay_server import RelayServer
from tfprov.fetch.routes import Route, bypasses
from tfprov.fetch.store import Store
from tfprov.fetch.veil import Veil, names_in
from tfprov.fetch.ways import Clients, Ways
from tfprov.ladder.classify import classify_exception
from tfprov.ladder.climb import TransferError
from tfprov.redact import without_userinfo
from tfprov.temporary import temporary_root

if TYPE_CHECKING:
    import httpx

_USER = "tfprov"
_ASKED = ("Accept", "Cache-Control", "Pragma", "If-None-Match", "If-Modified-Since", "Range", "If-Range")
# Deliberate answers of an index or a file server, which the resolver can interpret itself.
_PASSED_ON = frozenset({304, 400, 403, 404, 405, 410, 412, 416, 501})
_BUFFERED = 4 << 20


class _GoneError(Exception):
    """The resolver has closed its connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayedChannel:
    """A conda channel that the relay serves.

    Attributes:
        address: without token and login; stand-ins are made from it.
        own: URL to read it from, with its token.
        mirrors: URLs with the same files.
    """

    address: str
    own: str = field(repr=False)
    mirrors: tuple[str, ...] = ()


class Relay:
    """The relay. Use it as a context manager; it ends with this process in any case.

    Attributes:
        failure: the first failure to get something over any route or mirror; None when there was none.
        signed: signed URLs on the pages that were read, by their form without signatures; see `stand_ins.Base`.
    """

    def __init__(
        self,
        ways: Ways,
        *,
        direct: Sequence[str] = (),
        environ: Mapping[str, str] = MappingProxyType({}),
        store: Store | None = None,
        promised: Promised | None = None,
        channels: Sequence[RelayedChannel] = (),
        pages: Pages | None = None,
    ) -> None:
        """Listen on the loopback interface.

        Args:
            ways: how indexes and pages of links are read; the relay adds logins and connections of its own. `emit`
                may be called from several threads.
            direct: requirements, some of which may be direct references.
            environ: for `${NAME}` in the URLs in `direct`.
            store: keeps wheels that had to be fetched whole; None to discard them.
            promised: keeps the metadata that the index gives for wheels; None to discard them.
            channels: conda channels to serve.
            pages: pages read by other relays of the run; shared and extended.
        """
        self.store = store
        self._channels = tuple(channels)
        self.promised = promised
        self.pages = pages or Pages()
        network = ways.network
        templates = tuple(filter(None, map(stand_ins.direct_address, direct)))
        known = {name: variable(name, environ) for name in names_in(templates) if name in environ}
        self.signed: dict[str, str] = {}
        places = (network.simple_url, *network.mirrors, *network.further, *network.find_links, *templates)
        self.veil = Veil({**dict(network.variables), **known}, (place for place in places if "://" in place))
        addresses = map(Veil(known).uncover, templates)
        logins = (login for login in map(login_in, addresses) if login is not None)
        self.network = replace(network, logins=(*network.logins, *logins))
        self.failure: TfprovError | None = None
        self._token = secrets.token_urlsafe(24)
        self._clients = Clients(self.network)
        self.ways = replace(ways, network=self.network, emit=_quietly(ways.emit), clients=self._clients)
        self._lock = threading.Lock()
        self._server = _server(self)
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="relay", daemon=True)

    def __enter__(self) -> Relay:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            # Wakes the thread that waits for a connection.
            socket.create_connection(("127.0.0.1", self._server.server_port), timeout=5).close()
        self._thread.join(5)
        self._server.server_close()
        self._clients.close()

    def environment(self, route: Route, index: str | None = None, *, wheels_first: str = "") -> dict[str, str]:
        """Environment variables that make a resolver use this relay instead of an index.

        They override those of `Network.tool_environment`; https requests to other servers than an index (git) take the
        route.

        Args:
            route: for requests that do not go through the relay.
            index: a main index other than the network's.
            wheels_first: system for which the indexes keep back the source distributions of versions that have a
                wheel; empty for none.
        """
        main = index or self.network.simple_url
        kind = f"{stand_ins.WHEELS_FIRST}{wheels_first}" if wheels_first else "index"
        extra = [stand_ins.stand_in(url, kind, self.veil) for url in self.network.further]
        variables = {
            "UV_DEFAULT_INDEX": stand_ins.stand_in(main, kind, self.veil),
            # All retries and waits happen here.
            "UV_HTTP_RETRIES": "0",
            "UV_HTTP_TIMEOUT": "1800",
            **({"UV_INDEX": " ".join(extra)} if extra else {}),
        }
        # A `*` in NO_PROXY would bypass the relay; since it means no proxy at all, the route counts as direct.
        direct = route.is_direct or bypasses(route.no_proxy, stand_ins.HOST, 80)
        proxies = {
            "HTTP_PROXY": f"http://{_USER}:{self._token}@127.0.0.1:{self._server.server_port}",
            "HTTPS_PROXY": "" if direct or route.https is None else route.https.reveal(),
            "NO_PROXY": "" if direct else route.no_proxy or "",
        }
        return {**variables, **proxies, **{name.lower(): value for name, value in proxies.items()}}

    @property
    def find_links(self) -> tuple[str, ...]:
        """The folders and pages of links, for the resolver's arguments."""
        return tuple(
            stand_ins.stand_in(place, "links", self.veil) if "://" in place else place for place in self.network.places
        )

    def admits(self, header: str | None) -> bool:
        """Whether a `Proxy-Authorization` header is that of a child of this run."""
        wanted = base64.b64encode(f"{_USER}:{self._token}".encode()).decode()
        return hmac.compare_digest((header or "").encode(), f"Basic {wanted}".encode())

    def forget(self) -> None:
        """Forget the failure, before another resolve."""
        with self._lock:
            self.failure = None

    def failed(self, error: TfprovError) -> None:
        """Keep a failure, unless there is one already."""
        with self._lock:
            self.failure = self.failure or error

    def elsewhere(self, kind: str, url: str) -> tuple[str, tuple[str, ...]] | None:
        """URL of a page with its index's credentials, and its URLs on mirrors; None for a page outside this run.

        In that of a channel, names of variables stand for their values.

        The URL is empty for a project that must come from another index, or that this one is not asked for.
        """
        network = self.network
        if kind == "channel":
            for channel in self._channels:
                named = self.veil.template(channel.address)
                if url.startswith(f"{named}/"):
                    rest = url[len(named) :]
                    return channel.own + rest, tuple(mirror + rest for mirror in channel.mirrors)
            return None
        if kind == "links":
            own = next((place for place in network.find_links if _same(place, url)), None)
            return None if own is None else (own, ())
        places = (network.simple_url, *network.mirrors, *network.further)
        bases = {f"{without_userinfo(place).partition('?')[0].rstrip('/')}/": place for place in reversed(places)}
        # An index may lie below another one.
        base = max((base for base in bases if url.startswith(base)), key=len, default=None)
        if base is None:
            return None
        place, rest = bases[base], url[len(base) :]
        if (network.simple_url if place in network.mirrors else place) not in network.indexes_of(rest.strip("/")):
            return "", ()
        # The mirrors are those of the main index; other indexes have none.
        mirrors = network.mirrors if place == network.simple_url else ()
        return f"{place.rstrip('/')}/{rest}", tuple(f"{mirror.rstrip('/')}/{rest}" for mirror in mirrors)

    def _serve(self) -> None:
        while not self._closing:
            self._server.handle_request()


def _same(place: str, url: str) -> bool:
    return stand_ins.stand_in(place, "links") == stand_ins.stand_in(url, "links")


def _quietly(emit: Emit) -> Emit:
    """A listener that receives the failed tries of single pages as notes of level `detail`."""

    def quietly(event: Event) -> None:
        if isinstance(event, Attempt):
            if event.code is not None:
                emit(Note(text=f"{event.stage}: {event.what}", level="detail"))
            return
        emit(event)

    return quietly


def _server(relay: Relay) -> RelayServer:
    class Handler(_Handler):
        pass

    Handler.relay = relay
    return RelayServer(Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection of the resolver."""

    relay: Relay
    server: RelayServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    _sent: _Stream | None = None

    def do_GET(self) -> None:
        """Answer a request."""
        try:
            self._answer(self._obtain())
        except (_GoneError, ConnectionError):
            self.close_connection = True
        except TfprovError as error:
            self._fail(error)
        except Exception as error:  # one request must neither end the relay nor print a traceback to the terminal
            self._fail(classify_exception(error))

    do_HEAD = do_GET  # noqa: N815 - the name is that of the base class

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is that of the base class
        """Print nothing."""

    def _fail(self, error: TfprovError) -> None:
        self.relay.failed(error)
        if self._sent is not None and self._sent.begun:
            # Part of the body was sent already, so only closing the connection can tell that the rest is missing.
            self.close_connection = True
            return
        with contextlib.suppress(OSError):
            self._answer(RelayAnswer(status=502, headers={"Content-Type": "text/plain"}, body=error.what.encode()))

    def _answer(self, answer: RelayAnswer) -> None:
        if self._sent is not None and self._sent.begun:
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 304:
            size = len(answer.body) if answer.size is None else answer.size
            self.send_header("Content-Length", str(size))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _obtain(self) -> RelayAnswer:
        self._sent = None
        if not self.relay.admits(self.headers.get("Proxy-Authorization")):
            self.close_connection = True
            return RelayAnswer(status=407, headers={"Proxy-Authenticate": 'Basic realm="tfprov"'})
        self.server.trust(self.connection)
        found = stand_ins.meant(self.path, self.relay.veil, self.relay.signed)
        if found is None:
            return RelayAnswer(status=403, body=b"this relay serves the indexes of one run only")
        kind, url = found
        asked = {name: self.headers[name] for name in _ASKED if name in self.headers}
        if kind in ("file", "wheel"):
            if url.endswith(".metadata"):
                return self._metadata(kind, url, asked)
            return self._file(self.relay.signed.get(url, url), asked)
        known = self.relay.elsewhere(kind, url)
        if known is None or not known[0]:
            return RelayAnswer(status=404 if known else 403, body=b"this index does not serve it in this run")
        system = kind.partition(stand_ins.WHEELS_FIRST)[2]
        read = self._file if kind == "channel" else partial(self._page, wheels_first=system)
        return read(known[0], asked, elsewhere=known[1])

    def _metadata(self, kind: str, url: str, asked: Mapping[str, str]) -> RelayAnswer:
        """The metadata of a wheel, which are read out of it if the index has no copy of them."""
        relay, wheel = self.relay, url.removesuffix(".metadata")
        if self.command == "GET" and (known := relay.pages.metadata(url)) is not None:
            return known
        if kind == "wheel":
            answer = metadata_answer(relay.ways, relay.signed.get(wheel, wheel), asked, relay.store)
        else:
            answer = self._file(relay.signed.get(url, url), asked)
        relay.pages.keep_metadata(url, answer)
        return answer

    def _page(
        self, address: str, asked: Mapping[str, str], *, elsewhere: Sequence[str], wheels_first: str
    ) -> RelayAnswer:
        """A page of an index, or of links."""
        ways, veil, pages = self.relay.ways, self.relay.veil, self.relay.pages
        kept_as = f"{wheels_first} {address}" if wheels_first else address
        if (known := pages.unchanged(kept_as, asked)) is not None:
            return known

        def act(client: httpx.Client, page: str) -> tuple[RelayAnswer, Mapping[str, str]]:
            return page_answer(client, page, asked, ways, veil, wheels_first=wheels_first)

        answer, signed = ways.read(address, act, elsewhere=elsewhere)
        self.relay.signed.update(signed)
        return pages.told(kept_as, asked, answer)

    def _file(self, url: str, asked: Mapping[str, str], *, elsewhere: Sequence[str] = ()) -> RelayAnswer:
        """A file, or the index's copy of its metadata."""
        stream = self._sent = _Stream(self)

        def act(client: httpx.Client, address: str) -> RelayAnswer:
            return self._part(client, address, asked, stream)

        answer = self.relay.ways.read(url, act, elsewhere=elsewhere, progress=lambda: stream.sent >> 16)
        if self.relay.promised is not None and answer.status == 200 and url.endswith(".whl.metadata") and answer.body:
            self.relay.promised.keep(url.removesuffix(".metadata"), answer.body)
        return answer

    def _part(self, client: httpx.Client, url: str, asked: Mapping[str, str], stream: _Stream) -> RelayAnswer:
        """A file or a range of one; small ones are buffered, others are streamed."""
        limits = METADATA if url.partition("?")[0].endswith(".metadata") else PAGE
        headers = {**asked, "Accept-Encoding": "identity", **stream.resumed}
        address, auth = without_userinfo(url), self.relay.network.auth(url)
        with response_to(client, address, method=self.command, headers=headers, auth=auth) as response:
            told = headers_of(response, TOLD_OF_FILES)
            if response.status_code in _PASSED_ON and not stream.begun:
                return RelayAnswer(status=response.status_code, headers=told)
            raise_for_status(response, url)
            size = length_of(response)
            if self.command == "HEAD":
                return RelayAnswer(status=response.status_code, headers=told, size=size or 0)
            if not stream.begun and size is not None and size <= _BUFFERED:
                return RelayAnswer(status=response.status_code, headers=told, body=body_of(response, url, limits))
            stream.carry(response, told)
            return RelayAnswer(status=response.status_code)


class _Stream:
    """A large body that is being streamed to the resolver. After a cut it continues where it was."""

    def __init__(self, handler: _Handler) -> None:
        self.sent = 0
        self.begun = False
        self._handler = handler
        self._first = 0
        self._total: int | None = None
        self._validator: str | None = None

    @property
    def resumed(self) -> dict[str, str]:
        """Headers that request the rest; none for a body that was not begun."""
        if not self.begun:
            return {}
        last = "" if self._total is None else str(self._first + self._total - 1)
        condition = {} if self._validator is None else {"If-Range": self._validator}
        return {"Range": f"bytes={self._first + self.sent}-{last}", **condition}

    def carry(self, response: httpx.Response, told: Mapping[str, str]) -> None:
        """Stream a body as it arrives.

        Raises:
            _GoneError: the resolver has closed its connection.
            TransferError: `hash-mismatch` when the rest is that of another file.
        """
        start = range_of(response)[0] or 0
        skip = 0
        if not self.begun:
            self._begin(response, told, start)
        elif self._validator != validator_of(response) or start > self._first + self.sent:
            raise TransferError("hash-mismatch", "the file changed while it was read", evidence=(str(response.url),))
        else:
            skip = self._first + self.sent - start
        url, store = str(response.url), self._handler.relay.store
        chunks = chunks_of(response, url)
        if self._total is None:
            # The resolver keeps it beside the store.
            chunks = within_disk(chunks, url, temporary_root() if store is None else store.root)
        for chunk in chunks:
            data = memoryview(chunk)[skip:]
            skip = max(0, skip - len(chunk))
            try:
                self._handler.wfile.write(data)
            except OSError as error:
                raise _GoneError from error
            self.sent += len(data)

    def _begin(self, response: httpx.Response, told: Mapping[str, str], start: int) -> None:
        self._first, self._total, self._validator = start, length_of(response), validator_of(response)
        handler = self._handler
        handler.send_response(response.status_code)
        for name, value in told.items():
            handler.send_header(name, value)
        if self._total is None:
            handler.send_header("Connection", "close")
            handler.close_connection = True
        else:
            handler.send_header("Content-Length", str(self._total))
        handler.end_headers()
        self.begun = True
