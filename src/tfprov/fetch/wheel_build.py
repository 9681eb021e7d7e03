"""Reads a small member of a remote wheel, such as its build information, through range requests."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING

from tfprov.archives import damage
from tfprov.contents import regular
from tfprov.fetch.answers import range_of
from tfprov.fetch.bounded import response_to
from tfprov.fetch.ways import Ways
from tfprov.fetch.wheel_metadata import remote_file
from tfprov.index_address import local_path
from tfprov.redact import without_userinfo

if TYPE_CHECKING:
    import httpx

_MOST = 64 << 10


def member_of(url: str, name: str, ways: Ways) -> str | None:
    """The text of a small member of a wheel; None where it is missing or the wheel cannot be read in parts.

    Raises:
        TfprovError: the server cannot be reached.
    """
    path = local_path(url)
    if path is None:
        return ways.read(url, lambda client, address: _remote(client, address, name, ways))
    try:
        with regular(path) as stream:
            return _text(stream, name)
    except OSError:
        return None


def _remote(client: httpx.Client, url: str, name: str, ways: Ways) -> str | None:
    address, login = without_userinfo(url), ways.network.auth(url)

    @contextlib.contextmanager
    def ask(headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        with response_to(client, address, headers=dict(headers), auth=login) as response:
            yield response

    with ask({"Range": "bytes=0-0"}) as response:
        total = range_of(response)[1] if response.status_code == 206 else None
    return None if total is None else _text(remote_file(url, ask, total), name)


def _text(file: IO[bytes], name: str) -> str | None:
    try:
        with zipfile.ZipFile(file) as archive:
            if archive.getinfo(name).file_size > _MOST:
                return None
            return archive.read(name).decode("utf-8", "replace")
    except damage():
        return None
