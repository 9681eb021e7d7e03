"""Credentials from addresses, netrc and the keyring."""

from __future__ import annotations

import base64
import importlib.util
import netrc
import threading
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from tfprov.fetch.addresses import origin_of

if TYPE_CHECKING:
    import httpx


class Login(NamedTuple):
    """User and password for one origin (`https://host:port`)."""

    origin: str
    user: str
    password: str


def login_in(url: str) -> Login | None:
    """The credentials in a URL, or None."""
    parts = urlsplit(url)
    if not parts.username:
        return None
    return Login(origin_of(url), unquote(parts.username), unquote(parts.password or ""))


def with_login(url: str, login: tuple[str, str]) -> str:
    """The URL with these credentials in it, for the environment of a child process."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    user, password = (quote(part, safe="") for part in login)
    return f"{scheme}://{user}:{password}@{host.rpartition('@')[2]}{slash}{path}"


def from_netrc(path: Path, host: str) -> tuple[str, str] | None:
    """User and password for a host from a netrc file; None when it has none or cannot be read."""
    try:
        found = netrc.netrc(str(path)).authenticators(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None
    return None if found is None else (found[0] or found[1] or "", found[2] or "")


class Keyring:
    """The keyring of this user, through the `keyring` package, which is optional.

    Each service is queried once in a run, because a query may open a window. Safe for several threads.
    """

    def __init__(self) -> None:
        """Query nothing yet."""
        self._found: dict[str, tuple[str, str] | None] = {}
        self._lock = threading.Lock()

    def known(self, service: str) -> tuple[str, str] | None:
        """The result of an earlier query, or None."""
        return self._found.get(service)

    def ask(self, service: str) -> tuple[str, str] | None:
        """User and password for a service (`host` or `host:port`); None when it has none or cannot be queried."""
        with self._lock:
            if service not in self._found:
                self._found[service] = _from_keyring(service)
            return self._found[service]


def service_of(url: str) -> str:
    """The keyring service of a URL, as pip names it: `host` or `host:port`."""
    return urlsplit(url).netloc.rpartition("@")[2]


def basic_auth(known: tuple[str, str] | None, url: str, keyring: Keyring) -> httpx.Auth:
    """Basic authentication with known credentials, then with those of the keyring when the server refuses them."""
    import httpx

    service = service_of(url)

    class Credentials(httpx.Auth):
        def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
            first = known or keyring.known(service)
            if first is not None:
                request.headers["Authorization"] = _basic(first)
            response = yield request
            # A redirect may have led to another host, which must not get the credentials.
            if response.status_code != 401 or origin_of(str(response.url)) != origin_of(url):
                return
            found = keyring.ask(service)
            if found is not None and found != first:
                request.headers["Authorization"] = _basic(found)
                yield request

    return Credentials()


def _basic(login: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(login).encode()).decode("ascii")


def _from_keyring(service: str) -> tuple[str, str] | None:
    if importlib.util.find_spec("keyring") is None:
        return None
    try:
        found = importlib.import_module("keyring").get_credential(service, None)
        return None if found is None else (str(found.username), str(found.password))
    except Exception:  # keyring backends raise exceptions of any type; without a result there are no credentials
        return None
