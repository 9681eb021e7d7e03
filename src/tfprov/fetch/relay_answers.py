"""What the relay tells a resolver: pages with stand-ins for their links, and metadata read out of wheels."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from tfprov.fetch import stand_ins
from tfprov.fetch.answers import name_in, raise_for_status
from tfprov.fetch.bounded import body_of, response_to
from tfprov.fetch.index import kind_of_page, parse_html, refuse_no_index
from tfprov.fetch.store import Store
from tfprov.fetch.veil import Veil
from tfprov.fetch.ways import Ways
from tfprov.fetch.wheel_metadata import read_metadata
from tfprov.lock.records import LockedFile
from tfprov.redact import without_userinfo

if TYPE_CHECKING:
    import httpx

_TOLD = ("Content-Type", "ETag", "Last-Modified", "Cache-Control", "Date", "Age", "Expires", "Content-Range")
_TOLD_OF_METADATA = ("ETag", "Last-Modified", "Cache-Control", "Date", "Age", "Expires")
_FRESH = "max-age=600"
TOLD_OF_FILES = (*_TOLD, "Accept-Ranges")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayAnswer:
    """What the resolver is told.

    Attributes:
        size: bytes of a body that is not sent (HEAD), or not in `body` (it was streamed); None where `body` says it.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    size: int | None = None


def page_answer(
    client: httpx.Client, url: str, asked: Mapping[str, str], ways: Ways, veil: Veil
) -> tuple[RelayAnswer, Mapping[str, str]]:
    """A page of an index, or of links, with stand-ins for its links; and its signed links by their unsigned ones."""
    network, address = ways.network, without_userinfo(url)
    headers = {**asked, "Accept-Encoding": "gzip"}
    with response_to(client, address, headers=headers, auth=network.auth(url)) as response:
        if response.status_code in (304, 404, 410):
            return RelayAnswer(status=response.status_code, headers=headers_of(response, _TOLD)), {}
        raise_for_status(response, url)
        body, kind, base = body_of(response, url), kind_of_page(response), str(response.url)
    told, there = headers_of(response, _TOLD), stand_ins.Base(url=base, allow_http=network.allow_http, veil=veil)
    if kind.endswith("json"):
        page = stand_ins.json_page(body, there)
    else:
        text = body.decode("utf-8", "replace")
        if not parse_html(text, base):
            refuse_no_index(body, asked=address, answered=base)
        told["Content-Type"] = "text/html; charset=utf-8"
        page = stand_ins.html_page(text, there)
    for host in sorted(there.refused):
        what = f"`{urlsplit(base).hostname}` names files at `{host}` over http, which were left out"
        hint = f'if that host may be used without encryption, add `allow-http = ["{host}"]` to `[index]`'
        ways.note_once(f"{what}: {hint}")
    if there.signed:
        # A page that is kept would lead to addresses without their signatures.
        told = {**headers_of(response, ("Content-Type", "Date")), "Cache-Control": "no-store"}
    return RelayAnswer(status=200, headers=told, body=page), there.signed


def metadata_answer(ways: Ways, url: str, asked: Mapping[str, str], store: Store | None) -> RelayAnswer:
    """The METADATA of a wheel whose index has no copy of it."""
    conditions = {name: value for name, value in asked.items() if name.startswith("If-") and name != "If-Range"}

    def act(client: httpx.Client, address: str) -> RelayAnswer:
        plain, auth = without_userinfo(address), ways.network.auth(address)

        def ask(headers: Mapping[str, str]) -> contextlib.AbstractContextManager[httpx.Response]:
            return response_to(client, plain, headers={"Accept-Encoding": "identity", **headers}, auth=auth)

        def receive(chunks: Iterable[bytes]) -> contextlib.AbstractContextManager[IO[bytes]]:
            return _received(chunks, name_in(url), store)

        found = read_metadata(address, ask, conditions=conditions, receive=receive)
        # The file of a release does not change, whether its server says so or not.
        told = {"Cache-Control": _FRESH, **headers_of(found.response, _TOLD_OF_METADATA)}
        return RelayAnswer(status=304 if found.unchanged else 200, headers=told, body=found.content)

    return ways.read(url, act)


@contextlib.contextmanager
def _received(chunks: Iterable[bytes], filename: str, store: Store | None) -> Iterator[IO[bytes]]:
    """A whole wheel, which goes into the store: the download finds it there."""
    folder = None if store is None else store.folder("partial")
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        digest, size = hashlib.sha256(), 0
        for chunk in chunks:
            digest.update(chunk)
            size += file.write(chunk)
        file.flush()
        yield file
        if store is not None:
            sha256 = digest.hexdigest()
            found = LockedFile(
                name=filename.partition("-")[0], version="", filename=filename, url="", sha256=sha256, size=size
            )
            with store.lock(sha256) as alone:
                store.adopt(found, Path(file.name), alone=alone)


def headers_of(response: httpx.Response, names: Sequence[str]) -> dict[str, str]:
    """Those of the headers that a response has."""
    return {name: response.headers[name] for name in names if name in response.headers}
