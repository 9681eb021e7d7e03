"""Whether a server still has the bytes that are here."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tfprov.fetch.connections import TransferOptions
from tfprov.fetch.exchange import RemoteFile
from tfprov.fetch.partial import Partial
from tfprov.fetch.routes import DIRECT
from tfprov.fetch.sources import Network

HERE = b"0123456789" * 10
MOST = 64 << 20


@contextlib.contextmanager
def server(body: bytes, *, endless: bool) -> Iterator[tuple[str, list[int]]]:
    """Address of a server that answers a range with this body, and how many bytes it sent."""
    sent: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(206)
            start = self.headers["Range"].removeprefix("bytes=").partition("-")[0]
            self.send_header("Content-Range", f"bytes {start}-{len(HERE) - 1}/{MOST}")
            self.end_headers()
            with contextlib.suppress(OSError):
                sent.append(self.wfile.write(body))
                while endless and sum(sent) < MOST:
                    sent.append(self.wfile.write(b"x" * (1 << 20)))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is that of the base class
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{made.server_port}/file.whl", sent
    finally:
        made.shutdown()
        made.server_close()


@pytest.mark.parametrize(
    ("body", "endless", "same"), [(HERE, False, True), (HERE[:-1] + b"x", False, False), (HERE, True, False)]
)
def test_the_last_bytes_are_compared_and_no_more_is_read(
    tmp_path: Path, body: bytes, endless: bool, same: bool
) -> None:
    with server(body, endless=endless) as (url, sent), Partial(tmp_path / "a.part") as partial:
        partial.write(0, HERE)
        file = RemoteFile(
            url=url,
            partial=partial,
            size=None,
            network=Network(index_url=None),
            route=DIRECT,
            options=TransferOptions(),
            received=lambda _: None,
        )
        assert file.overlaps() is same
    assert sum(sent) < MOST // 2
