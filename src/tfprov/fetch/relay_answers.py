"""The relay's responses: pages with stand-ins for their links, and metadata read out of wheels."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, cast
from urllib.parse import urlsplit

from tfprov.fetch import stand_ins
from tfprov.fetch.answers import name_in, raise_for_status
from tfprov.fetch.bounded import body_of, response_to, within_disk
from tfprov.fetch.client import hint_to_allow
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
_FRESH_SECONDS = 600
_FRESH = f"max-age={_FRESH_SECONDS}"
_OWN = '"tfprov-'
TOLD_OF_FILES = (*_TOLD, "Accept-Ranges")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayAnswer:
    """A response of the relay.

    Attributes:
        size: bytes of a body that is not in `body`, because it is not sent (HEAD) or was streamed; None to use `body`.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    size: int | None = None


class Pages:
    """The pages that were read in a run, with their validators, and the metadata of wheels.

    An index that sets no cache lifetime gets a request for every page from every resolver of a run, and without
    validators it also sends them all again. With this cache each page is read once in ten minutes, and has a validator.

    A resolver asks again for the metadata of a wheel that it finds on another index, as that with fewer sources is.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, float]] = {}
        self._metadata: dict[str, bytes] = {}

    def unchanged(self, address: str, asked: Mapping[str, str]) -> RelayAnswer | None:
        """A 304 for a resolver that has the page as it was read in this run; None for any other request."""
        if any("no-cache" in asked.get(name, "") for name in ("Cache-Control", "Pragma")):
            return None
        state, until = self._known.get(address, ("", 0.0))
        if not state or state != _state_in(asked) or time.monotonic() >= until:
            return None
        return RelayAnswer(status=304, headers={"ETag": state} if "If-None-Match" in asked else {})

    def metadata(self, url: str) -> RelayAnswer | None:
        """The metadata at a URL as they were read in this run; None if they were not."""
        packed = self._metadata.get(url)
        return (
            None
            if packed is None
            else RelayAnswer(status=200, headers={"Cache-Control": _FRESH}, body=zlib.decompress(packed))
        )

    def keep_metadata(self, url: str, answer: RelayAnswer) -> None:
        """Remember metadata that were read, unless the response is something else."""
        if answer.status == 200 and answer.body:
            self._metadata[url] = zlib.compress(answer.body, 1)

    def has(self, address: str) -> bool:
        """Whether a page was found at a URL in this run."""
        return address in self._known

    def told(self, address: str, asked: Mapping[str, str], answer: RelayAnswer) -> RelayAnswer:
        """A response of the index, with a validator added if it has none; remembers the page."""
        headers, state = dict(answer.headers), _state_in(asked)
        if answer.status == 200:
            if "no-store" in headers.get("Cache-Control", ""):
                return answer
            if "ETag" not in headers and "Last-Modified" not in headers:
                headers["ETag"] = f'{_OWN}{hashlib.sha256(answer.body).hexdigest()[:32]}"'
            if headers.get("ETag") == state:
                answer = replace(answer, status=304, body=b"")
            state = headers.get("ETag") or headers["Last-Modified"]
        elif answer.status != 304:
            return answer
        self._known[address] = (state, time.monotonic() + _FRESH_SECONDS)
        return replace(answer, headers=headers)


def _state_in(asked: Mapping[str, str]) -> str:
    """The validator of the page that a resolver has; empty when it has none."""
    return asked.get("If-None-Match") or asked.get("If-Modified-Since") or ""


def page_answer(
    client: httpx.Client, url: str, asked: Mapping[str, str], ways: Ways, veil: Veil, *, wheels_first: str = ""
) -> tuple[RelayAnswer, Mapping[str, str]]:
    """A page with stand-ins for its links; and its signed links by their form without signatures.

    Args:
        client: of the route to take.
        url: of the page, with credentials.
        asked: headers of uv's request that are passed on.
        ways: provides the network, and is told of links that were ignored.
        veil: hides secrets in the links.
        wheels_first: system whose wheels make the source distributions of their versions be left out; empty for none.
    """
    network, address = ways.network, without_userinfo(url)
    headers = {**asked, "Accept-Encoding": "gzip"}
    if headers.get("If-None-Match", "").startswith(_OWN):
        # This validator is the relay's own, which the index does not know.
        del headers["If-None-Match"]
    with response_to(client, address, headers=headers, auth=network.auth(url)) as response:
        if response.status_code == 304 or ways.is_absent(response.status_code, url):
            status = 304 if response.status_code == 304 else 404
            return RelayAnswer(status=status, headers=headers_of(response, _TOLD)), {}
        raise_for_status(response, url)
        body, kind, base = body_of(response, url), kind_of_page(response), str(response.url)
    told, there = (
        headers_of(response, _TOLD),
        stand_ins.Base(url=base, allow_http=network.allow_http, veil=veil, wheels_first=wheels_first),
    )
    if kind.endswith("json"):
        page = stand_ins.json_page(body, there)
    else:
        text = body.decode("utf-8", "replace")
        if not parse_html(text, base):
            refuse_no_index(body, asked=address, answered=base)
        told["Content-Type"] = "text/html; charset=utf-8"
        page = stand_ins.html_page(text, there)
    for host in sorted(there.refused):
        what = f"`{urlsplit(base).hostname}` links to files at `{host}` over http, which were ignored"
        ways.note_once(f"{what}: {hint_to_allow(host)}")
    if there.signed:
        # A cached page would later lead to URLs without their signatures.
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
        # The file of a release never changes, whether its server says so or not.
        told = {"Cache-Control": _FRESH, **headers_of(found.response, _TOLD_OF_METADATA)}
        return RelayAnswer(status=304 if found.unchanged else 200, headers=told, body=found.content)

    return ways.read(url, act)


@contextlib.contextmanager
def _received(chunks: Iterable[bytes], filename: str, store: Store | None) -> Iterator[IO[bytes]]:
    """A wheel that was fetched whole; it is put into the store, where the download will find it."""
    folder = None if store is None else store.folder("partial")
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        digest, size = hashlib.sha256(), 0
        for chunk in within_disk(chunks, filename, Path(file.name).parent):
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
                # Not by its name: on Windows, a temporary file cannot be opened a second time.
                file.seek(0)
                store.take(found, cast("BinaryIO", file.file), source=filename, alone=alone)


def headers_of(response: httpx.Response, names: Sequence[str]) -> dict[str, str]:
    """The headers of a response with these names, as far as it has them, without those that HTTP cannot carry on."""
    found = {name: response.headers.get(name, "") for name in names}
    return {name: value for name, value in found.items() if value and value.isascii()}
