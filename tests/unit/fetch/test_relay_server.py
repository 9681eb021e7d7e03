"""Strangers cannot hold the relay: real sockets on the loopback."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from collections.abc import Iterator

import pytest

from tfprov.fetch.relay_server import RelayServer


class Greeter(http.server.BaseHTTPRequestHandler):
    """Trusts whoever asks for /known."""

    server: RelayServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/known":
            self.server.trust(self.connection)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is that of the base class
        """Print nothing."""


@contextlib.contextmanager
def serving(server: RelayServer) -> Iterator[int]:
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            server.handle_request()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        ended.set()
        thread.join(5)
        server.server_close()


def connected(port: int, head: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    connection.sendall(head)
    return connection


def is_ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("head", [b"", b"G", b"GET http://x/ HTTP/1.1\r\nA: ", b"GET /other HTTP/1.1\r\n\r\nG"])
def test_who_does_not_show_the_token_is_soon_ended(head: bytes) -> None:
    with serving(RelayServer(Greeter, stranger_s=0.05)) as port, connected(port, head) as connection:
        while not is_ended(connection):
            pass


def test_bytes_that_trickle_give_no_more_time() -> None:
    server = RelayServer(Greeter, stranger_s=0.1)
    with serving(server) as port, connected(port, b"GET /") as connection, pytest.raises(ConnectionError):
        while True:
            connection.sendall(b"x")
            threading.Event().wait(0.01)


def test_one_stranger_too_many_ends_the_oldest_and_nobody_who_is_trusted() -> None:
    known = b"GET /known HTTP/1.1\r\n\r\n"
    with serving(RelayServer(Greeter, stranger_s=60, most_strangers=3)) as port, contextlib.ExitStack() as opened:
        friend = opened.enter_context(connected(port, known))
        said = friend.recv(1)
        strangers = [opened.enter_context(connected(port, b"G")) for _ in range(5)]
        assert [is_ended(one) for one in strangers[:2]] == [True, True]
        for one in strangers[2:]:
            one.settimeout(0.02)
            with pytest.raises(TimeoutError):
                one.recv(1)
        friend.sendall(known)
        while said.count(b"HTTP/1.1 200") < 2:
            more = friend.recv(4096)
            assert more, "its connection was ended"
            said += more
