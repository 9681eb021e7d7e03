from __future__ import annotations

import gzip
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tfprov.fetch.bounded import PAGE, Limits, body_of, response_to
from tfprov.fetch.routes import DIRECT
from tfprov.fetch.sources import Network
from tfprov.ladder.climb import TransferError

SMALL = replace(PAGE, wire=100_000, unpacked=1_000_000, window=0.2)
Act = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def server(act: Act) -> Iterator[str]:
    """A server that does the same for every request; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                act(self)
            except OSError:
                self.close_connection = True

        def log_message(self, *told: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        made.daemon_threads = True
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}/simple/thing/"
        made.shutdown()


def get(url: str, limits: Limits = SMALL, *, idle: float = 3.0) -> bytes:
    headers = {"Accept-Encoding": "gzip"}
    client = Network(index_url=None, idle_timeout=idle).client(DIRECT)
    with client, response_to(client, url, headers=headers) as response:
        return body_of(response, url, limits)


def sending(body: bytes, **headers: str) -> Act:
    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return act


def refused(act: Act, **more: float) -> TransferError:
    with server(act) as url, pytest.raises(TransferError) as caught:
        get(url, **more)  # type: ignore[arg-type]  # by name
    return caught.value


TEXT = b"a page " * 1000


PAGES = {
    "plain": (TEXT, ""),
    "identity": (TEXT, "identity"),
    "packed": (gzip.compress(TEXT, mtime=0), "gzip"),
    "packed in parts": (gzip.compress(TEXT[:100], mtime=0) * 2, "x-gzip"),
    "empty": (b"", "gzip"),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_unpacked(name: str) -> None:
    body, encoding = PAGES[name]
    with server(sending(body, Content_Encoding=encoding)) as url:
        assert get(url) == (gzip.decompress(body) if body and "gzip" in encoding else body)


BOMB = gzip.compress(bytes(50 << 20))
BOMBS = {
    "an endless one": (sending(b"x" * 200_000), "mirror-http-error", "does not end"),
    "one that unpacks to gigabytes": (
        sending(BOMB, Content_Encoding="gzip"),
        "mirror-http-error",
        "does not end",
    ),
    "one packed twice": (sending(b"x", Content_Encoding="gzip, gzip"), "mirror-http-error", "not requested"),
    "one packed in another way": (sending(b"x", Content_Encoding="br"), "mirror-http-error", "not requested"),
    "a packed one that is cut": (sending(gzip.compress(TEXT)[:-9], Content_Encoding="gzip"), "net-reset", "damaged"),
    "garbage that claims to be packed": (sending(b"garbage", Content_Encoding="gzip"), "net-reset", "damaged"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bad_page_is_refused(name: str) -> None:
    act, code, words = BOMBS[name]
    error = refused(act)
    assert error.code.name == code
    assert words in error.what


def drops(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(1000):
        handler.wfile.write(b"x")
        time.sleep(0.02)


def header_drops(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(1000):
        handler.wfile.write(b"x")
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("act", "words"), [(drops, "sends almost nothing"), (header_drops, "did not complete its headers")]
)
def test_what_trickles_is_given_up_for_good(act: Act, words: str) -> None:
    error = refused(act, idle=0.3)
    assert error.code.name == "net-timeout"
    assert words in error.what
    assert error.stubborn
    assert not error.transient


def endlessly(handler: BaseHTTPRequestHandler) -> None:
    for _ in range(4000):
        handler.wfile.write(b"x" * (1 << 20))


REDIRECTS = {"an endless one": ("identity", endlessly), "a bomb": ("gzip", lambda handler: handler.wfile.write(BOMB))}


@pytest.mark.parametrize("name", REDIRECTS)
def test_the_body_of_a_redirect_is_neither_read_nor_unpacked(name: str) -> None:
    encoding, body = REDIRECTS[name]

    def act(handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/there":
            return sending(b"a page", Content_Length="6")(handler)
        handler.send_response(302)
        handler.send_header("Location", "/there")
        handler.send_header("Content-Encoding", encoding)
        handler.end_headers()
        return body(handler)

    tracemalloc.start()
    try:
        with server(act) as url:
            assert get(url) == b"a page"
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_redirects_in_a_circle_end() -> None:
    def act(handler: BaseHTTPRequestHandler) -> None:
        count.append(1)
        handler.send_response(302)
        handler.send_header("Location", f"/again/{len(count)}")
        handler.end_headers()

    import httpx

    count: list[int] = []
    with server(act) as url, pytest.raises(httpx.TooManyRedirects):
        get(url)
    assert len(count) == 11
