"""The server of the relay: any user of the machine may connect to it, so who has not shown the token yet is limited."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
import time

_STRANGER_SECONDS = 10.0
"""How long a connection has to send the head of its first request; that of a resolver takes milliseconds."""
_MOST_STRANGERS = 200
_LOOK_SECONDS = 1.0


class RelayServer(http.server.ThreadingHTTPServer):
    """A server with a thread for each connection, which ends those that do not introduce themselves."""

    daemon_threads = True
    # uv opens up to 50 connections at once. With the default of 5 a busy machine drops some of them, which time out.
    request_queue_size = 128

    def __init__(
        self,
        handler: type[http.server.BaseHTTPRequestHandler],
        *,
        stranger_s: float = _STRANGER_SECONDS,
        most_strangers: int = _MOST_STRANGERS,
    ) -> None:
        """Listen on the loopback interface.

        Args:
            handler: of the requests; it calls `trust`.
            stranger_s: seconds after which a connection that is not trusted is ended, however much it sends.
            most_strangers: how many connections may be not trusted yet; one more ends the oldest of them.
        """
        self._stranger_s = stranger_s
        self._most_strangers = most_strangers
        self._strangers: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        self.timeout = min(_LOOK_SECONDS, stranger_s)
        super().__init__(("127.0.0.1", 0), handler)

    def trust(self, connection: socket.socket) -> None:
        """Let a connection last, because it has shown the token."""
        with self._lock:
            self._strangers.pop(connection, None)

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """Start a thread for a new connection, and end strangers that are due."""
        if isinstance(request, socket.socket):
            with self._lock:
                self._strangers[request] = time.monotonic()
        self.handle_timeout()
        super().process_request(request, client_address)

    def handle_timeout(self) -> None:
        """End strangers that are due; called each time that no connection came for a while."""
        latest = time.monotonic() - self._stranger_s
        with self._lock:
            surplus = len(self._strangers) - self._most_strangers
            due = [one for at, (one, since) in enumerate(self._strangers.items()) if at < surplus or since <= latest]
            for one in due:
                del self._strangers[one]
                # Its thread, which waits for more, finds the end and closes it.
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Close a connection that has ended."""
        if isinstance(request, socket.socket):
            self.trust(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Print no traceback when a resolver has ended without closing its connections."""
