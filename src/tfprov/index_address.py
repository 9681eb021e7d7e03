"""Checks the URL of an index or of a page of links, with messages that repeat no part of it.

A URL that cannot be parsed often contains a password, in a place where no pattern would find it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_ENCODE = "in a user name or a password `#` is written `%23`, `/` `%2F`, `?` `%3F`, `@` `%40`, `[` `%5B`, a space `%20`"
_LONGEST_LABEL = 63


NO_HOST_NAME = (
    f"its host has an empty part between dots, one of more than {_LONGEST_LABEL} characters, or an invalid "
    "international one"
)
"""Message for a URL whose host is not an `is_host_name`."""
UNREADABLE = "its brackets do not enclose an IP address"
"""Message for a URL that is not `readable`."""


def readable(address: str) -> bool:
    """Whether a URL can be parsed at all: `http://[x` cannot."""
    try:
        _ = urlsplit(address).hostname
    except ValueError:
        return False
    return True


def is_host_name(host: str) -> bool:
    """Whether a name of a host can be looked up: no empty or too long part, and no `xn--` that stands for nothing."""
    parts = host.removesuffix(".").split(".")
    return all(0 < len(part) <= _LONGEST_LABEL and _is_international(part) for part in parts)


def _is_international(part: str) -> bool:
    """Whether a part of a name is plain ASCII, or a valid name in another script, written out or as `xn--…`."""
    if part.isascii() and not part.lower().startswith("xn--"):
        return True
    import idna

    try:
        idna.encode(part.lower())
    except UnicodeError:
        return False
    return True


def mistake_in(address: str, *, windows: bool = os.name == "nt") -> str | None:
    """Why a URL cannot be used; None when it can.

    Args:
        address: the URL; should begin with `https://`, `http://` or `file://`, and may contain `${NAME}`.
        windows: whether a file may lie on another host (`file://host/share/folder`).
    """
    text = _VARIABLE.sub("1", address)
    scheme = text.partition("://")[0].lower() if "://" in text else ""
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        return f"it contains white space: {_ENCODE}"
    if scheme not in ("http", "https", "file"):
        return (
            f"`{scheme}` is not `https`, `http` or `file`" if scheme.isalnum() else "it does not begin with `https://`"
        )
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return f"{UNREADABLE}: {_ENCODE}"
    if scheme == "file":
        # A variable may hold the whole path.
        elsewhere = host not in (None, "", "localhost") and not address[len("file://") :].startswith("${")
        if elsewhere and not (windows and ":" not in parts.netloc):
            return "a path begins with a third slash (`file:///folder`); what follows two is the name of a host"
        return None if parts.path else "it has no path"
    return _mistake_in_host(parts, host) if host else "it has no host"


def _mistake_in_host(parts: SplitResult, host: str) -> str | None:
    if ":" not in host and not is_host_name(host):
        return NO_HOST_NAME
    try:
        _ = parts.port
    except ValueError:
        return f"its port is not a number: {_ENCODE}"
    # An `@` in the first part of the path, where the host has a `:`, is nearly always that of a login whose password
    # has a `/`.
    early = "@" in parts.path.split("/", 2)[1:2][0] if parts.path.startswith("/") else "@" in parts.query
    if parts.fragment or ("@" in parts.query and "@" not in parts.netloc) or (early and ":" in parts.netloc):
        return f"a `#`, `/` or `?` ends the host early: {_ENCODE}"
    return None


def path_in(url: str) -> str | None:
    """The path in a `file:` URL, decoded; None for any other URL. On another host, it is a share of Windows.

    Raises:
        ValueError: the URL cannot be parsed.
    """
    parts = urlsplit(url)
    if parts.scheme != "file":
        return None
    path = unquote(parts.path)
    if parts.netloc.lower() not in ("", "localhost"):
        return f"//{parts.netloc}{path}"
    # Not `url2pathname`, whose module imports half of the standard library's network code. Before the letter of a drive
    # of Windows the URL has a slash that is not part of the path.
    return re.sub(r"^/(?=[A-Za-z]:)", "", path)


def local_path(url: str, *, windows: bool = os.name == "nt") -> Path | None:
    """The path on this system of a `file:` URL; None for any other URL.

    Raises:
        ValueError: the URL cannot be parsed.
    """
    path = path_in(url)
    if path is None:
        return None
    return Path(path if windows else unquote(urlsplit(url).path))
