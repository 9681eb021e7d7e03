"""A package index on the loopback that misbehaves on request, and proxies in front of it.

Everything is real: sockets, HTTP/1.1 with keep-alive and ranges, TLS. What goes wrong is said by a `Faults` record. The
server counts what it sends, so that tests and benchmarks can compare bytes on the wire with bytes needed.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import datetime
import hashlib
import io
import ipaddress
import json
import os
import select
import shutil
import socket
import ssl
import struct
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from typing_extensions import Self

CHUNK = 64 * 1024
RESET = 1.5 if os.name == "nt" else 1.02
"""How often a file may be sent where connections are reset: Windows loses what came before and was not read yet."""
WINE = os.name == "nt" and hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong. The defaults are a good server. Offsets and sizes in bytes, times in seconds.

    Attributes:
        cut_every: end the connection after so many bytes of body on it.
        cut_with: how: a reset or a proper end.
        stall_after: fall silent for ever after so many bytes of body on a connection.
        stalls: on the first so many connections only; None for all.
        trickle: from `stall_after` on, send so many bytes a second instead of nothing.
        header_delay: wait so long before each answer.
        rate: bytes a second on each connection.
        total_rate: bytes a second over all connections.
        statuses: answer the first requests for files with these, in turn.
        always_status: answer every request for a file with this.
        retry_after: value of that header in such answers.
        truncate: claim and send so many bytes less than the file has (0: not at all).
        flips: offsets whose byte is sent inverted.
        flip_times: in the first so many responses that hold it; None for all.
        flips_cached: only in answers to requests without `Cache-Control: no-cache`.
        range_shift: answer a range so many bytes later than asked for, and say so.
        ignore_ranges: answer 200 with the whole file.
        chunked: send no length.
        etag: whether there is one; `flap` gives another one each time.
        changes_after: after so many requests for files, the file is `changed`, with another ETag.
        redirect: answer requests for files with a redirect to this base address.
        dead_for: reset every connection for so long after the first one.
        dead_first: reset the first so many connections.
        connections: more at one time are answered 503.
        portal: answer everything with a login page.
        json: serve index pages as PEP 691.
        sizes: whether PEP 691 pages name sizes.
        hashes: whether index pages name hashes.
        metadata: whether `.metadata` files are offered (PEP 658).
        login: `user:password` that is demanded.
        no_head: answer HEAD with 405.
        each: answer the first requests for every address, pages included, with these, in turn.
        header_trickle: seconds between the bytes of the headers.
        page_trickle: seconds between the bytes of index pages.
        cut_pages: of every index page, end the first so many answers in the middle.
        validators: give pages and metadata an ETag and some minutes of freshness, and answer 304.
        garbage_pages: of every index page, send something else in the first so many answers.
    """

    cut_every: int | None = None
    cut_with: Literal["reset", "end"] = "reset"
    stall_after: int | None = None
    stalls: int | None = None
    trickle: int = 0
    header_delay: float = 0.0
    rate: float | None = None
    total_rate: float | None = None
    statuses: tuple[int, ...] = ()
    always_status: int | None = None
    retry_after: str | None = None
    truncate: int = 0
    flips: tuple[int, ...] = ()
    flip_times: int | None = None
    flips_cached: bool = False
    range_shift: int = 0
    ignore_ranges: bool = False
    chunked: bool = False
    etag: Literal["yes", "no", "flap"] = "yes"
    changes_after: int | None = None
    redirect: str | None = None
    dead_for: float = 0.0
    dead_first: int = 0
    connections: int | None = None
    portal: bool = False
    json: bool = False
    sizes: bool = True
    hashes: bool = True
    metadata: bool = False
    login: str | None = None
    no_head: bool = False
    each: tuple[int, ...] = ()
    header_trickle: float = 0.0
    page_trickle: float = 0.0
    cut_pages: int = 0
    garbage_pages: int = 0
    validators: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request that arrived. Header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    connection: int


class _GoneError(Exception):
    """The connection is over."""


class _Listener:
    """A thread that accepts connections and gives each a thread of its own. Use it as a context manager."""

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port: int = self._socket.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._closing = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self.connections = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        self._thread.join(5)
        self._socket.close()
        with self._guard:
            for connection in tuple(self._open):
                _end(connection)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            if self._closing:
                connection.close()
                return
            with self._guard:
                self.connections += 1
                number = self.connections
                self._open.add(connection)
            threading.Thread(target=self._live, args=(connection, number), daemon=True).start()

    def _live(self, connection: socket.socket, number: int) -> None:
        try:
            self.handle(connection, number)
        except (_GoneError, OSError, ValueError):
            pass
        finally:
            with self._guard:
                self._open.discard(connection)
            with contextlib.suppress(OSError):
                connection.close()

    def handle(self, connection: socket.socket, number: int) -> None:
        raise NotImplementedError


class Index(_Listener):
    """A package index with files.

    Pages are below `/simple/`, files below `/files/`.
    """

    def __init__(
        self,
        files: Mapping[str, bytes | Path],
        faults: Faults = Faults(),  # frozen
        *,
        changed: bytes = b"",
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        super().__init__(port)
        self.files = dict(files)
        self.faults = faults
        self.changed = changed
        self._tls = tls
        self.seen: list[Seen] = []
        self.sent = 0
        self.answered = 0  # bytes of pages and metadata, which `sent` leaves out
        self._file_requests = 0
        self._flipped = 0
        self._stalled = 0
        self._busy = 0
        self._first: float | None = None
        self._bucket = _Bucket(faults.total_rate)
        self._hashes: dict[str, str] = {}
        self._asked: dict[str, int] = {}

    @property
    def origin(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def simple(self) -> str:
        return f"{self.origin}/simple"

    def url(self, filename: str) -> str:
        return f"{self.origin}/files/{filename}"

    def sha256(self, filename: str) -> str:
        if filename not in self._hashes:
            content = self.files[filename]
            digest = hashlib.sha256()
            if isinstance(content, bytes):
                digest.update(content)
            else:
                with content.open("rb") as stream:
                    while chunk := stream.read(1 << 20):
                        digest.update(chunk)
            self._hashes[filename] = digest.hexdigest()
        return self._hashes[filename]

    def size(self, filename: str) -> int:
        content = self.files[filename]
        return len(content) if isinstance(content, bytes) else content.stat().st_size

    def requests(self, ending: str = "", method: str = "GET") -> list[Seen]:
        return [seen for seen in self.seen if seen.path.endswith(ending) and seen.method == method]

    # -- connections ---------------------------------------------------------------------------------------------------

    def handle(self, connection: socket.socket, number: int) -> None:
        now = time.monotonic()
        self._first = self._first or now
        if now - self._first < self.faults.dead_for or number <= self.faults.dead_first:
            _reset(connection)
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is None:
            self._serve(connection, number)
            return
        connection.settimeout(10)
        with self._tls.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.settimeout(None)
            self._serve(wrapped, number)

    def _serve(self, connection: socket.socket, number: int) -> None:
        state = _Connection(connection, number)
        while (request := _read_request(connection, state)) is not None:
            self._answer(state, replace(request, connection=number))

    def _answer(self, state: _Connection, request: Seen) -> None:
        faults = self.faults
        with self._guard:
            self.seen.append(request)
        if faults.header_delay:
            time.sleep(faults.header_delay)
        path = urlsplit(request.path).path  # through a proxy, the whole address stands there
        if path == "/-/stats":
            body = json.dumps({"sent": self.sent, "connections": self.connections, "requests": len(self.seen)}).encode()
            self._send(state, request, 200, body, kind="application/json")
            return
        with self._guard:
            count = self._asked[path] = self._asked.get(path, 0) + 1
        if count <= len(faults.each):
            headers = {"Retry-After": faults.retry_after} if faults.retry_after else {}
            self._send(state, request, faults.each[count - 1], b"later", **headers)
            return
        if path.startswith("/simple/") and count <= faults.garbage_pages:
            self._send(state, request, 200, b"\x00\xff garbage" * 40)
            return
        if faults.portal:
            page = b"<html><head><title>Guest network</title></head><form action=/login><input name=user></form></html>"
            self._send(state, request, 200, page)
            return
        if faults.login is not None:
            token = base64.b64encode(faults.login.encode()).decode()
            if request.headers.get("authorization") != f"Basic {token}":
                self._send(state, request, 401, b"login", **{"WWW-Authenticate": 'Basic realm="index"'})
                return
        if path.startswith("/files/"):
            self._file(state, request, path.rpartition("/")[2])
        elif path.startswith("/simple/"):
            self._page(state, request, path.split("/")[2])
        else:
            self._other(state, request, path)

    def _other(self, state: _Connection, request: Seen, path: str) -> None:
        """Answer what is below neither `/simple/` nor `/files/`."""
        self._send(state, request, 404, b"nothing here")

    def _page(self, state: _Connection, request: Seen, project: str) -> None:
        names = [name for name in self.files if name.split("-")[0].replace("_", "-").lower() == project]
        if not names:
            self._send(state, request, 404, b"no such project")
            return
        faults = self.faults
        if faults.json:
            entries = [self.entry(name) for name in names]
            page = {"meta": {"api-version": "1.1"}, "name": project, "files": entries}
            self._send(state, request, 200, json.dumps(page).encode(), kind="application/vnd.pypi.simple.v1+json")
            return
        links = []
        for name in names:
            fragment = f"#sha256={self.sha256(name)}" if faults.hashes else ""
            extra = ' data-core-metadata="true" data-dist-info-metadata="true"' if faults.metadata else ""
            links.append(f'<a href="/files/{name}{fragment}"{extra}>{name}</a><br>')
        self._send(state, request, 200, ("<!DOCTYPE html><html><body>" + "\n".join(links) + "</body></html>").encode())

    def entry(self, name: str) -> dict[str, object]:
        """What a page in JSON says of a file."""
        hashes = {"sha256": self.sha256(name)} if self.faults.hashes else {}
        size = {"size": self.size(name)} if self.faults.sizes else {}
        return {"filename": name, "url": f"/files/{name}", "hashes": hashes, **size}

    def _send(
        self, state: _Connection, request: Seen, status: int, body: bytes, *, kind: str = "text/html", **headers: str
    ) -> None:
        if self.faults.validators and status == 200:
            headers = {**headers, "ETag": f'"{hashlib.sha256(body).hexdigest()[:16]}"', "Cache-Control": "max-age=600"}
            if request.headers.get("if-none-match") == headers["ETag"]:
                status, body = 304, b""
        fields = {"Content-Type": kind, "Content-Length": str(len(body)), **headers}
        self._head(state, status, fields)
        if request.method != "HEAD":
            path = urlsplit(request.path).path
            if path.startswith("/simple/") and self._asked.get(path, 0) <= self.faults.cut_pages:
                state.socket.sendall(body[: len(body) // 2])
                raise _GoneError
            with self._guard:
                self.answered += len(body)
            if path.startswith("/simple/") and self.faults.page_trickle:
                _drop_by_drop(state.socket, body, self.faults.page_trickle)
            else:
                state.socket.sendall(body)

    def _head(self, state: _Connection, status: int, fields: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}", f"Date: {formatdate(usegmt=True)}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        if self.faults.header_trickle:
            _drop_by_drop(state.socket, head, self.faults.header_trickle)
        else:
            state.socket.sendall(head)

    # -- files ---------------------------------------------------------------------------------------------------------

    def _file(self, state: _Connection, request: Seen, name: str) -> None:
        faults = self.faults
        if name.endswith(".metadata") and name.removesuffix(".metadata") in self.files:
            self._send(state, request, 200, _metadata(self.files[name.removesuffix(".metadata")]), kind="text/plain")
            return
        if name not in self.files:
            self._send(state, request, 404, b"no such file")
            return
        if request.method == "HEAD" and faults.no_head:
            self._send(state, request, 405, b"")
            return
        with self._guard:
            self._file_requests += 1
            count = self._file_requests
            self._busy += 1
            busy = self._busy
        try:
            status = faults.always_status
            if count <= len(faults.statuses):
                status = faults.statuses[count - 1]
            if faults.connections is not None and busy > faults.connections:
                status = 503
            if status is not None:
                headers = {"Retry-After": faults.retry_after} if faults.retry_after else {}
                self._send(state, request, status, b"later", **headers)
                return
            if faults.redirect is not None:
                self._send(state, request, 302, b"", Location=f"{faults.redirect}/files/{name}")
                return
            changed = faults.changes_after is not None and count > faults.changes_after
            self._content(state, request, self.changed if changed else self.files[name], changed=changed, count=count)
        finally:
            with self._guard:
                self._busy -= 1

    def _content(self, state: _Connection, request: Seen, content: bytes | Path, *, changed: bool, count: int) -> None:
        faults = self.faults
        size = (len(content) if isinstance(content, bytes) else content.stat().st_size) - faults.truncate
        etag = {"yes": f'"{"b" if changed else "a"}"', "flap": f'"{count}"'}.get(faults.etag)
        fields = {"Content-Type": "application/octet-stream"}
        if etag is not None:
            fields["ETag"] = etag
        start, end, status = 0, size, 200
        asked = request.headers.get("range", "")
        condition = request.headers.get("if-range")
        if asked.startswith("bytes=") and not faults.ignore_ranges and condition in (None, etag):
            first, _, last = asked[6:].partition("-")
            if not first:
                first, last = str(max(0, size - int(last))), ""
            start, end, status = int(first), min(int(last) + 1, size) if last else size, 206
            if start >= size:
                self._send(state, request, 416, b"", **{"Content-Range": f"bytes */{size}"})
                return
            start, end = start + faults.range_shift, min(end + faults.range_shift, size)
            fields["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        if not faults.ignore_ranges:
            fields["Accept-Ranges"] = "bytes"
        if faults.chunked:
            fields["Transfer-Encoding"] = "chunked"
        else:
            fields["Content-Length"] = str(end - start)
        self._head(state, status, fields)
        if request.method == "HEAD":
            return
        flips = tuple(offset for offset in faults.flips if start <= offset < end)
        if faults.flips_cached and "no-cache" in request.headers.get("cache-control", ""):
            flips = ()
        if flips and faults.flip_times is not None:
            with self._guard:
                self._flipped += 1
                flips = flips if self._flipped <= faults.flip_times else ()
        try:
            self._body(state, content, start, end, flips)
        except (OSError, _GoneError):
            raise _GoneError from None
        if faults.chunked:
            state.socket.sendall(b"0\r\n\r\n")

    def _body(self, state: _Connection, content: bytes | Path, start: int, end: int, flips: tuple[int, ...]) -> None:
        faults = self.faults
        plain = not (faults.rate or faults.total_rate or faults.chunked or flips or self._tls)
        plain = plain and hasattr(os, "sendfile") and faults.cut_every is None and faults.stall_after is None
        with contextlib.ExitStack() as stack:
            stream = None if isinstance(content, bytes) else stack.enter_context(content.open("rb"))
            bucket = _Bucket(faults.rate)
            while start < end:
                count = min(1 << 20 if plain else CHUNK, end - start)
                if faults.rate:
                    count = max(1, min(count, int(faults.rate / 20)))
                if faults.cut_every is not None:
                    if state.body >= faults.cut_every:
                        if faults.cut_with == "reset":
                            _drain(state.socket)
                            _reset(state.socket)
                        raise _GoneError
                    count = min(count, faults.cut_every - state.body)
                if faults.stall_after is not None and self._stalls(state):
                    count = min(count, self._stall(state))
                bucket.take(count)
                self._bucket.take(count)
                if plain and stream is not None:
                    sent = os.sendfile(state.socket.fileno(), stream.fileno(), start, count)
                else:
                    sent = self._piece(state, content, stream, start, count, flips)
                with self._guard:
                    self.sent += sent
                state.body += sent
                start += sent

    def _piece(
        self,
        state: _Connection,
        content: bytes | Path,
        stream: io.BufferedReader | None,
        start: int,
        count: int,
        flips: tuple[int, ...],
    ) -> int:
        if isinstance(content, bytes):
            data = content[start : start + count]
        else:
            assert stream is not None
            stream.seek(start)
            data = stream.read(count)
        hit = [offset - start for offset in flips if start <= offset < start + len(data)]
        if hit:
            changed = bytearray(data)
            for offset in hit:
                changed[offset] ^= 0xFF
            data = bytes(changed)
        state.socket.sendall(b"%x\r\n%s\r\n" % (len(data), data) if self.faults.chunked else data)
        return len(data)

    def _stalls(self, state: _Connection) -> bool:
        """Whether this connection is one that stalls."""
        if self.faults.stalls is None:
            return True
        with self._guard:
            if state.stalls is None:
                self._stalled += 1
                state.stalls = self._stalled <= self.faults.stalls
            return state.stalls

    def _stall(self, state: _Connection) -> int:
        """How much may still go out before the silence; does not return during it."""
        faults = self.faults
        left = (faults.stall_after or 0) - state.body
        if left > 0:
            return left
        if faults.trickle:
            time.sleep(1.0 / faults.trickle)
            return 1
        _wait_for_end(state.socket)
        raise _GoneError


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    number: int
    body: int = 0
    stalls: bool | None = None
    rest: bytes = b""


class _Bucket:
    """Lets so many bytes a second pass."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._next = time.monotonic()
        self._lock = threading.Lock()

    def take(self, count: int) -> None:
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next, now - 0.05) + count / self._rate
            wait = self._next - now
        if wait > 0:
            time.sleep(wait)


class Proxy(_Listener):
    """An HTTP proxy: CONNECT and plain requests."""

    def __init__(self, *, login: str | None = None, mode: Literal["good", "silent", "reset", "502"] = "good") -> None:
        super().__init__()
        self._login = login
        self._mode = mode
        self.seen: list[Seen] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def handle(self, connection: socket.socket, number: int) -> None:
        if self._mode == "reset":
            _reset(connection)
            return
        state = _Connection(connection, number)
        request = _read_request(connection, state)
        if request is None:
            return
        with self._guard:
            self.seen.append(request)
        if self._mode == "silent":
            _wait_for_end(connection)
            return
        if self._mode == "502":
            connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        if self._login is not None:
            token = base64.b64encode(self._login.encode()).decode()
            if request.headers.get("proxy-authorization") != f"Basic {token}":
                answer = b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="proxy"\r\n'
                connection.sendall(answer + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
                return
        if request.method == "CONNECT":
            host, _, port = request.path.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=10) as other:
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                _relay(connection, other)
            return
        _, _, rest = request.path.partition("://")
        authority, slash, path = rest.partition("/")
        host, _, port = authority.partition(":")
        fields = {name: value for name, value in request.headers.items() if not name.startswith("proxy-")}
        fields["connection"] = "close"
        head = [f"{request.method} {slash}{path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        with socket.create_connection((host, int(port or 80)), timeout=10) as other:
            other.sendall(("\r\n".join(head) + "\r\n\r\n").encode() + state.rest)
            _relay(connection, other)


class SocksProxy(_Listener):
    """A SOCKS 5 proxy, with or without a login."""

    def __init__(self, *, login: str | None = None) -> None:
        super().__init__()
        self._login = login
        self.targets: list[str] = []

    @property
    def url(self) -> str:
        return f"socks5h://127.0.0.1:{self.port}"

    def handle(self, connection: socket.socket, number: int) -> None:
        _, count = _exactly(connection, 2)
        methods = _exactly(connection, count)
        wanted = 0 if self._login is None else 2
        if wanted not in methods:
            connection.sendall(b"\x05\xff")
            return
        connection.sendall(bytes((5, wanted)))
        if self._login is not None:
            _exactly(connection, 1)
            user = _exactly(connection, _exactly(connection, 1)[0])
            password = _exactly(connection, _exactly(connection, 1)[0])
            good = f"{user.decode()}:{password.decode()}" == self._login
            connection.sendall(b"\x01\x00" if good else b"\x01\x01")
            if not good:
                return
        _, _, _, kind = _exactly(connection, 4)
        if kind == 1:
            host = str(ipaddress.ip_address(_exactly(connection, 4)))
        else:
            host = _exactly(connection, _exactly(connection, 1)[0]).decode()
        port = int.from_bytes(_exactly(connection, 2), "big")
        with self._guard:
            self.targets.append(f"{host}:{port}")
        with socket.create_connection((host, port), timeout=10) as other:
            connection.sendall(b"\x05\x00\x00\x01" + b"\x00" * 6)
            _relay(connection, other)


_REASONS = {
    200: "OK",
    206: "Partial Content",
    302: "Found",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    416: "Range Not Satisfiable",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


def _read_request(connection: socket.socket, state: _Connection) -> Seen | None:
    while b"\r\n\r\n" not in state.rest:
        data = connection.recv(65536)
        if not data:
            return None
        state.rest += data
    head, _, state.rest = state.rest.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Seen(method=method, path=path, headers=headers, connection=state.number)


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise _GoneError
        data += more
    return data


def _relay(one: socket.socket, other: socket.socket) -> None:
    one.settimeout(None)
    other.settimeout(None)
    peers = {one: other, other: one}
    while True:
        readable, _, _ = select.select(list(peers), [], [], 60)
        if not readable:
            return
        for source in readable:
            data = source.recv(1 << 18)
            if not data:
                return
            peers[source].sendall(data)


def _wait_for_end(connection: socket.socket) -> None:
    """Until the other side gives up."""
    with contextlib.suppress(OSError):
        while connection.recv(65536):
            continue


def _drop_by_drop(connection: socket.socket, content: bytes, seconds: float) -> None:
    """Send a byte at a time; does not return unless the other side has that much patience."""
    for offset in range(len(content)):
        time.sleep(seconds)
        connection.sendall(content[offset : offset + 1])


def _drain(connection: socket.socket) -> None:
    """Wait until the other side's system has everything: a reset throws away what is still held back here."""
    try:
        import fcntl
        import termios
    except ImportError:
        return
    waiting = bytearray(4)
    for _ in range(500):
        with contextlib.suppress(OSError):
            fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, waiting)
        if not any(waiting):
            return
        time.sleep(0.002)


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def unused_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


# -- content -----------------------------------------------------------------------------------------------------------


def wheel(
    name: str, version: str, *, size: int = 0, members: int = 1, seed: int = 0, requires: tuple[str, ...] = ()
) -> bytes:
    """A real, installable wheel with `size` bytes that hardly compress, in `members` files; always the same."""
    content = io.BytesIO()
    info = f"{name}-{version}.dist-info"
    records: list[str] = []
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(path: str, data: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            records.append(f"{path},sha256={digest},{len(data)}")

        add(f"{name}/__init__.py", f'__version__ = "{version}"\n'.encode())
        for number in range(members if size else 0):
            add(f"{name}/data{number}.bin", noise(size // members, seed=seed * 1000 + number))
        needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
        add(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}".encode())
        add(f"{info}/WHEEL", b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        record = "\n".join([*records, f"{info}/RECORD,,"]) + "\n"
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD", (2020, 1, 1, 0, 0, 0)), record)
    return content.getvalue()


def noise(size: int, *, seed: int = 0) -> bytes:
    """Bytes that look random and are always the same."""
    block = b"".join(hashlib.sha256(f"{seed}:{number}".encode()).digest() for number in range(2048))
    parts = []
    for number in range(size // len(block) + 1):
        # Every block differs from every other, so that bytes at a wrong place never happen to be right.
        parts.append(hashlib.sha256(f"{seed}/{number}".encode()).digest() + block[32:])
    return b"".join(parts)[:size]


def _metadata(content: bytes | Path) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content) if isinstance(content, bytes) else content) as archive:
        name = next(entry for entry in archive.namelist() if entry.endswith(".dist-info/METADATA"))
        return archive.read(name)


# -- certificates ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A certificate authority of its own, and what it signed for 127.0.0.1."""

    bundle: Path
    server: ssl.SSLContext = field(repr=False)


def authority(folder: Path, *, days: tuple[int, int] = (-30, 30), host: str = "127.0.0.1") -> Authority:
    """An authority and a server certificate, valid from and to so many days from now."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.datetime.now(datetime.timezone.utc)

    def certificate(
        name: str, issuer: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, *, ca: bool
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        issued_by = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)])
        begin, end = (-3650, 3650) if ca else days
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issued_by)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=begin))
            .not_valid_after(now + datetime.timedelta(days=end))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        )
        if ca:
            usage = x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            )
            builder = builder.add_extension(usage, critical=True)
        else:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(signer, hashes.SHA256())

    root_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate("Test Authority", "Test Authority", root_key, root_key, ca=True)
    leaf = certificate("loopback", "Test Authority", server_key, root_key, ca=False)
    pem = serialization.Encoding.PEM
    bundle, chain, key_file = folder / "ca.pem", folder / "server.pem", folder / "server.key"
    bundle.write_bytes(root.public_bytes(pem))
    chain.write_bytes(leaf.public_bytes(pem))
    key_file.write_bytes(server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key_file)
    return Authority(bundle=bundle, server=context)


@contextlib.contextmanager
def full_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of `size` bytes below `folder`; skips the test where one cannot be had."""
    import subprocess

    import pytest

    place = folder / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("no right to mount a small file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
