"""Interprets HTTP responses: status, headers, web pages in place of files, and failed connections."""

from __future__ import annotations

import email.utils
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tfprov.errors import TfprovError
from tfprov.fetch.credentials import KEYRING_FAULT
from tfprov.fetch.routes import Route
from tfprov.index_address import NO_HOST_NAME, mistake_in
from tfprov.ladder.classify import classify_exception
from tfprov.ladder.climb import TransferError
from tfprov.redact import redact

if TYPE_CHECKING:
    import httpx

# No more digits than a file size can have: Python refuses to parse thousands of digits.
_NUMBER = re.compile(r"[0-9]{1,18}")
_CONTENT_RANGE = re.compile(r"bytes\s+(?:([0-9]{1,18})-([0-9]{1,18})|\*)/([0-9]{1,18}|\*)", re.IGNORECASE)
_FIRST_BYTES_OF_A_PAGE = re.compile(rb"^\s*(<!doctype html|<html|<head|<script)", re.IGNORECASE)


def name_in(url: str) -> str:
    """The last part of a URL's path: the name of a file, or of the project of an index page."""
    return urlsplit(url).path.rstrip("/").rpartition("/")[2]


def length_of(response: httpx.Response) -> int | None:
    """Bytes of the body; None when the response does not say."""
    value = response.headers.get("Content-Length", "")
    return int(value) if _NUMBER.fullmatch(value) else None


def range_of(response: httpx.Response) -> tuple[int | None, int | None]:
    """First byte and size of the whole file from Content-Range; None for each that it does not give."""
    found = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    if found is None:
        return None, None
    return None if found[1] is None else int(found[1]), None if found[3] == "*" else int(found[3])


def validator_of(response: httpx.Response) -> str | None:
    """A strong validator of the file for If-Range; None when the response has none."""
    etag: str | None = response.headers.get("ETag")
    # Some servers send other letters, which no request can send back.
    if etag and etag.isascii() and not etag.startswith("W/"):
        return etag
    # A date is a strong validator only when it is older than the response (RFC 9110, 8.8.2.2). A response without one
    # is trusted, because the hash decides in the end.
    modified: str | None = response.headers.get("Last-Modified")
    return modified if modified and modified.isascii() and modified != response.headers.get("Date") else None


def http_failures() -> tuple[type[Exception], ...]:
    """What a request may raise in the HTTP library; a `UnicodeError` for an `xn--…` that is not a name."""
    import httpx

    return httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, UnicodeError, OSError


def explained(cause: Exception, url: str, route: Route, *, only_way: bool) -> TfprovError:
    """The failure for an exception of the HTTP library on a route.

    A proxy that cannot be reached says nothing about the server: the failure is `net-proxy`, and worth another try only
    when there is no other route.

    Args:
        cause: the exception.
        url: the requested URL.
        route: the route that was used.
        only_way: whether there is no other route.
    """
    import httpx

    if isinstance(cause, TfprovError):
        return cause
    host = urlsplit(url).netloc.rpartition("@")[2]
    if isinstance(cause, (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError)):
        # Configured URLs are checked when they are read, so this one comes from a page or a redirect.
        invalid = "is not a valid host name" if mistake_in(url) == NO_HOST_NAME else "redirects to an invalid address"
        return TransferError(
            "mirror-http-error", f"`{host}` {invalid}", transient=False, evidence=(redact(str(cause)),)
        )
    error = classify_exception(cause)
    if route.proxy_for(url) is None:
        error.what = f"`{host}`: {error.what}"
    elif isinstance(cause, (httpx.ConnectError, httpx.ConnectTimeout)) and error.code.name != "net-tls-cert":
        return TransferError(
            "net-proxy",
            f"{route.words(url)} cannot be reached: {error.what}",
            transient=only_way,
            evidence=error.evidence,
        )
    else:
        error.what = f"`{host}` through {route.words(url)}: {error.what}"
    return error


def raise_for_status(response: httpx.Response, url: str) -> None:
    """Raise for any status other than 200 and 206.

    Raises:
        TransferError: with the failure code, and whether another try may help.
    """
    status = response.status_code
    if status in (200, 206):
        return
    host = urlsplit(str(response.url)).hostname
    line = f"{status} {response.reason_phrase}".strip()
    asked = (f"Retry-After: {response.headers['Retry-After']}",) if "Retry-After" in response.headers else ()
    fault = response.extensions.get(KEYRING_FAULT)
    unasked = (redact(f"the keyring could not be queried: {fault}"),) if fault else ()
    evidence = (f"{line} from `{host}`", redact(f"GET {response.url}"), *asked, *unasked)
    if status == 407:
        raise TransferError("net-proxy", "the proxy requires a login", evidence=evidence)
    if status == 511:
        raise TransferError("net-portal", "the network requires a login", evidence=evidence)
    mirrors = mirrors_key(name_in(url))
    hints = {
        401: "give credentials: `${NAME}` variables in the address, netrc, or a keyring",
        403: f"check the credentials, or name a mirror with `{mirrors}`",
        404: f"the file no longer exists there: name a mirror with `{mirrors}`, or renew the lock",
    }
    raise TransferError(
        "mirror-http-error",
        f"`{host}` answered {line} for `{name_in(url)}`",
        status=status,
        retry_after=retry_after_seconds(response.headers.get("Retry-After"), now=time.time()),
        evidence=evidence,
        hint=hints.get(status),
    )


def mirrors_key(filename: str) -> str:
    """The profile key that names mirrors for a file: conda packages have their own."""
    return "conda.mirrors" if filename.endswith((".conda", ".tar.bz2")) else "index.mirrors"


def refuse_page(first: bytes, response: httpx.Response, url: str) -> None:
    """Raise when the body is a web page instead of a file.

    Args:
        first: the first bytes of the body.
        response: of the server.
        url: the requested URL.

    Raises:
        TransferError: `net-portal`.
    """
    kind = response.headers.get("Content-Type", "")
    if _FIRST_BYTES_OF_A_PAGE.match(first) or (kind.startswith("text/html") and not first.startswith(b"PK")):
        raise TransferError(
            "net-portal",
            f"the server sent a web page instead of `{name_in(url)}`",
            evidence=(redact(f"from {response.url}"), f"Content-Type: {kind}", redact(page_title(first))),
        )


def page_title(page: bytes) -> str:
    """The title of a web page, as evidence."""
    found = re.search(rb"<title[^>]*>\s*(.{1,200}?)\s*</title>", page, re.IGNORECASE | re.DOTALL)
    return f"title: {found[1].decode('utf-8', 'replace')}" if found else "no title"


def retry_after_seconds(value: str | None, *, now: float) -> float | None:
    """Seconds to wait according to a Retry-After header, which holds a number or a date; None without a valid one.

    Args:
        value: the header.
        now: seconds since the epoch.
    """
    if value is None:
        return None
    if _NUMBER.fullmatch(value.strip()):
        return float(value.strip())
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
