"""One address to one verified file: resumed, watched, checked."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tfprov.errors import TfprovError
from tfprov.fetch.partial import Origin, Partial
from tfprov.fetch.sources import Network, Route
from tfprov.ladder.classify import classify_exception
from tfprov.ladder.climb import TransferError
from tfprov.redact import redact, without_userinfo

if TYPE_CHECKING:
    import httpx

_CHUNK = 256 * 1024
_CONTENT_RANGE = re.compile(r"bytes\s+(?:(\d+)-(\d+)|\*)/(\d+|\*)", re.IGNORECASE)
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524})
_FIRST_BYTES_OF_A_PAGE = re.compile(rb"^\s*(<!doctype html|<html|<head|<script)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a download is carried out; rungs differ in it.

    Attributes:
        connect_timeout: seconds to reach the server.
        idle_timeout: seconds without a byte.
        minimum_speed: bytes a second, below which a connection is given up; measured over `idle_timeout`.
        uncached: ask caches on the way for a fresh answer.
    """

    connect_timeout: float = 15.0
    idle_timeout: float = 30.0
    minimum_speed: float = 512.0
    uncached: bool = False


def download(
    url: str,
    partial: Partial,
    *,
    size: int | None,
    network: Network,
    route: Route,
    manner: Manner,
    arrived: Callable[[int], None],
    check: Callable[[], None],
) -> None:
    """One round: fetch what is missing until everything is here or the connection fails.

    Args:
        url: http or https.
        partial: what is here already; receives the rest.
        size: size of the file if it is known beforehand.
        network: certificates and credentials.
        route: the way.
        manner: time-outs.
        arrived: called with the number of bytes of each piece that came over the wire.
        check: called between pieces; raises to stop (deadline, interruption).

    Raises:
        TransferError: the network's or the server's failure; what arrived is kept.
        TfprovError: `disk-full` and the like.
    """
    import httpx

    if partial.total is None and size is not None:
        partial.total = size
    with network.client(route, connect_timeout=manner.connect_timeout, idle_timeout=manner.idle_timeout) as client:
        try:
            while partial.total is None or partial.missing():
                _exchange(client, url, partial, network=network, manner=manner, arrived=arrived, check=check)
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise _transfer_error(error, url, partial, route) from error
        finally:
            partial.checkpoint()


def _exchange(
    client: httpx.Client,
    url: str,
    partial: Partial,
    *,
    network: Network,
    manner: Manner,
    arrived: Callable[[int], None],
    check: Callable[[], None],
) -> None:
    start, end = partial.missing()[0] if partial.total is not None else (0, None)
    headers = {}
    if start > 0 or (end is not None and end != partial.total):
        headers["Range"] = f"bytes={start}-{'' if end is None or end == partial.total else end - 1}"
        if partial.origin is not None and partial.origin.validator and partial.origin.url == without_userinfo(url):
            headers["If-Range"] = partial.origin.validator
    if manner.uncached:
        headers.update({"Cache-Control": "no-cache", "Pragma": "no-cache"})
    with client.stream("GET", without_userinfo(url), headers=headers, auth=network.login(url)) as response:
        position = accept(response, url, partial, start=start)
        window = _Window(manner)
        for chunk in response.iter_raw():
            check()
            if position == 0:
                refuse_page(chunk, response, url)
            arrived(len(chunk))
            # A server that ignores the range sends from the beginning again: what is here already is read past.
            skip = max(0, start - position)
            if skip < len(chunk):
                partial.write(position + skip, chunk[skip:])
            position += len(chunk)
            partial.checkpoint()
            window.add(len(chunk))
    if partial.total is None:
        # Neither a length nor a size beforehand: the end of the stream is the end of the file, and the hash decides.
        partial.total = position
    elif position < (partial.total if end is None else min(end, partial.total)):
        raise TransferError(
            "net-reset",
            f"the server ended `{_name(url)}` early",
            transient=True,
            evidence=(f"byte {position} of {partial.total}",),
        )


def accept(response: httpx.Response, url: str, partial: Partial, *, start: int) -> int:
    """Check an answer against what was asked, and give the offset that its body begins at.

    Sets the partial file's total and origin, and empties it when the server has another file now.

    Raises:
        TransferError: the answer cannot be used.
    """
    raise_for_status(response, url)
    origin = Origin(without_userinfo(url), _validator(response))
    if response.headers.get("Content-Encoding", "identity").lower() not in ("identity", ""):
        raise TransferError(
            "mirror-http-error",
            f"the server compresses `{_name(url)}` although it was asked not to",
            transient=False,
            evidence=(f"Content-Encoding: {response.headers['Content-Encoding']}",),
        )
    if response.status_code == 206:
        first, total = _content_range(response)
        if first is None or first > start:
            raise TransferError(
                "mirror-http-error",
                f"the server sent another part of `{_name(url)}` than was asked for",
                transient=False,
                evidence=(f"asked for bytes from {start}", f"Content-Range: {response.headers.get('Content-Range')}"),
            )
    else:
        first, total = 0, _length(response)
    _same_file(partial, origin, total, url)
    partial.origin = origin
    if partial.total is None:
        partial.total = total
    return first


def _same_file(partial: Partial, origin: Origin, total: int | None, url: str) -> None:
    known = partial.origin
    changed = total is not None and partial.total is not None and total != partial.total
    if known is not None and known.url == origin.url and None not in (known.validator, origin.validator):
        changed = changed or known.validator != origin.validator
    if not changed:
        return
    evidence = (f"expected {partial.total} bytes, the server has {total}",)
    if partial.arrived:
        partial.reset(total=partial.total)
        raise TransferError(
            "net-reset", f"`{_name(url)}` changed on the server; it begins anew", transient=True, evidence=evidence
        )
    raise TransferError("hash-mismatch", f"the server has another `{_name(url)}`", transient=False, evidence=evidence)


def raise_for_status(response: httpx.Response, url: str) -> None:
    """Nothing for 200 and 206.

    Raises:
        TransferError: with the code, and whether another try may help.
    """
    status = response.status_code
    if status in (200, 206):
        return
    host = urlsplit(str(response.url)).hostname
    line = f"{status} {response.reason_phrase}".strip()
    evidence = (f"{line} from `{host}`", redact(f"GET {response.url}"))
    if status == 407:
        raise TransferError("net-proxy", "the proxy wants a login", transient=False, evidence=evidence)
    if status == 511:
        raise TransferError("net-portal", "the network wants a login", transient=False, evidence=evidence)
    hints = {
        401: "give credentials: `${NAME}` variables in the address, or netrc",
        403: "check the credentials, or name a mirror with `index.mirrors`",
        404: "the file is gone there: name a mirror with `index.mirrors`, or renew the lock",
    }
    raise TransferError(
        "mirror-http-error",
        f"`{host}` answers `{_name(url)}` with {line}",
        transient=status in _TRANSIENT_STATUS,
        retry_after=retry_after_seconds(response.headers.get("Retry-After"), now=time.time()),
        evidence=evidence,
        hint=hints.get(status),
    )


def refuse_page(first: bytes, response: httpx.Response, url: str) -> None:
    """Nothing for a wheel.

    Raises:
        TransferError: `net-portal` when the body is a web page.
    """
    kind = response.headers.get("Content-Type", "")
    if _FIRST_BYTES_OF_A_PAGE.match(first) or (kind.startswith("text/html") and not first.startswith(b"PK")):
        raise TransferError(
            "net-portal",
            f"a web page came instead of `{_name(url)}`",
            transient=False,
            evidence=(redact(f"from {response.url}"), f"Content-Type: {kind}", redact(page_title(first))),
        )


def page_title(page: bytes) -> str:
    """What a web page calls itself, for evidence."""
    found = re.search(rb"<title[^>]*>\s*(.{1,200}?)\s*</title>", page, re.IGNORECASE | re.DOTALL)
    return f"title: {found[1].decode('utf-8', 'replace')}" if found else "no title"


def retry_after_seconds(value: str | None, *, now: float) -> float | None:
    """Seconds that a Retry-After header asks for, given as a number or as a date; None when it says nothing.

    Args:
        value: the header.
        now: seconds since the epoch.
    """
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value.strip())
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return max(0.0, moment.timestamp() - now)


class _Window:
    """Bytes of the last while, to notice a trickle: a read time-out only notices silence."""

    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self._since = time.monotonic()
        self._bytes = 0

    def add(self, count: int) -> None:
        self._bytes += count
        seconds = time.monotonic() - self._since
        if seconds < self._manner.idle_timeout:
            return
        if self._bytes < seconds * self._manner.minimum_speed:
            raise TransferError(
                "net-timeout",
                "the connection is too slow to be of use",
                transient=True,
                evidence=(f"{self._bytes} bytes in {seconds:.0f} s",),
            )
        self._since, self._bytes = time.monotonic(), 0


def _transfer_error(error: Exception, url: str, partial: Partial, route: Route) -> TfprovError:
    found = classify_exception(error)
    where = f"`{urlsplit(url).hostname}`" + ("" if route.is_direct else f" through `{redact(route.name)}`")
    arrived = f"{partial.arrived} of {partial.total if partial.total is not None else 'unknown'} bytes are here"
    found.what = f"{where}: {found.what}"
    found.evidence = (*found.evidence, arrived)
    return found


def _validator(response: httpx.Response) -> str | None:
    etag: str | None = response.headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    # A date is a strong validator only when it is older than the answer (RFC 9110, 8.8.2.2); servers that give no date
    # of the answer are believed, because the hash has the last word.
    modified: str | None = response.headers.get("Last-Modified")
    return modified if modified and modified != response.headers.get("Date") else None


def _length(response: httpx.Response) -> int | None:
    value = response.headers.get("Content-Length", "")
    return int(value) if value.isdigit() else None


def _content_range(response: httpx.Response) -> tuple[int | None, int | None]:
    found = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    if found is None or found[1] is None:
        return None, None
    return int(found[1]), None if found[3] == "*" else int(found[3])


def _name(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]
