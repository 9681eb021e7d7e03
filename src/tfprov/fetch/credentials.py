"""Credentials from addresses, netrc and the keyring."""

from __future__ import annotations

import base64
import importlib.util
import netrc
import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from tfprov.fetch.addresses import origin_of, server_of
from tfprov.secret import Secret

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """User and password for one origin (`https://host:port`)."""

    origin: str
    user: Secret
    password: Secret

    @classmethod
    def of(cls, origin: str, user: str, password: str) -> Login:
        """A login from any source. Without a password, the user is a token."""
        return cls(origin=origin, user=Secret(user, everywhere=not password), password=Secret(password))

    def as_header(self) -> str:
        """The value of an `Authorization` header."""
        login = f"{self.user.reveal()}:{self.password.reveal()}"
        return "Basic " + base64.b64encode(login.encode()).decode("ascii")


def login_in(url: str) -> Login | None:
    """The credentials in a URL, or None."""
    parts = urlsplit(url)
    if not parts.username:
        return None
    return Login.of(origin_of(url), unquote(parts.username), unquote(parts.password or ""))


def from_netrc(path: Path, url: str) -> Login | None:
    """User and password for the host of a URL from a netrc file; None when it has none or cannot be read."""
    host = urlsplit(url).hostname
    if not host:
        return None
    try:
        found = netrc.netrc(str(path)).authenticators(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None
    return None if found is None else Login.of(origin_of(url), found[0] or found[1] or "", found[2] or "")


KEYRING_FAULT = "tfprov.keyring-fault"
"""Key in a response's extensions: why the keyring could not be queried after the server refused the request."""


class Keyring:
    """The keyring of this user, through the `keyring` package, which is optional.

    Each service is queried once in a run, because a query may open a window. Safe for several threads.
    """

    def __init__(self) -> None:
        self._found: dict[str, Login | None] = {}
        self._faults: dict[str, str] = {}
        self._lock = threading.Lock()

    def known(self, url: str) -> Login | None:
        """The result of an earlier query for the server of a URL, or None."""
        return self._found.get(service_of(url))

    def ask(self, url: str) -> Login | None:
        """User and password for the server of a URL; None when the keyring has none or cannot be queried."""
        service = service_of(url)
        with self._lock:
            if service not in self._found:
                try:
                    self._found[service] = _from_keyring(service, origin_of(url))
                except Exception as error:  # keyring backends raise exceptions of any type
                    self._found[service] = None
                    self._faults[service] = f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
            return self._found[service]

    def fault(self, url: str) -> str | None:
        """Why the keyring could not be queried for the server of a URL; None when it was, or was not asked."""
        return self._faults.get(service_of(url))


def service_of(url: str) -> str:
    """The keyring service of a URL, as pip names it: `host` or `host:port`."""
    return server_of(url)


def basic_auth(known: Login | None, url: str, keyring: Keyring) -> httpx.Auth:
    """Basic authentication with known credentials, then with those of the keyring when the server refuses them."""
    import httpx

    class Credentials(httpx.Auth):
        def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
            first = known or keyring.known(url)
            if first is not None:
                request.headers["Authorization"] = first.as_header()
            response = yield request
            # A redirect may have led to another host, which must not get the credentials.
            if response.status_code != 401 or origin_of(str(response.url)) != origin_of(url):
                return
            found = keyring.ask(url)
            if fault := keyring.fault(url):
                response.extensions[KEYRING_FAULT] = fault
            if found is not None and found != first:
                request.headers["Authorization"] = found.as_header()
                yield request

    return Credentials()


def _from_keyring(service: str, origin: str) -> Login | None:
    if importlib.util.find_spec("keyring") is None:
        return None
    found = importlib.import_module("keyring").get_credential(service, None)
    return None if found is None else Login.of(origin, str(found.username), str(found.password))
