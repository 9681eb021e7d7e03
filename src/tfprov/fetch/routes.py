"""Ways to a server: straight or through a proxy, as profile, environment and system name them."""

from __future__ import annotations

import ipaddress
import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tfprov.fetch.addresses import expand
from tfprov.host.records import Proxies
from tfprov.ladder.climb import TransferError
from tfprov.redact import redact, without_userinfo

_SCHEMES = ("http", "https", "socks5", "socks5h")
_NO_HOST = re.compile(r"[\s<>\\^`{|}%:\"]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A way to a server: through a proxy or straight.

    Attributes:
        name: for people: `direct`, `environment`, or the address of the proxy without credentials.
        http: proxy for http:// addresses; None for none.
        https: likewise for https:// addresses.
        no_proxy: hosts that are reached straight, as NO_PROXY writes them.
    """

    name: str
    # Addresses may hold passwords: they do not show when the record is printed.
    http: str | None = field(default=None, repr=False)
    https: str | None = field(default=None, repr=False)
    no_proxy: str | None = None

    @property
    def is_direct(self) -> bool:
        """Whether no address at all goes through a proxy."""
        return self.http is None and self.https is None

    def proxy_for(self, url: str) -> str | None:
        """Address of the proxy for this URL, or None for straight."""
        parts = urlsplit(url)
        proxy = self.https if parts.scheme == "https" else self.http
        if proxy is None or bypasses(self.no_proxy, parts.hostname or "", parts.port):
            return None
        return proxy

    @property
    def problem(self) -> str | None:
        """Why one of its addresses cannot be that of a proxy, for people; None when they can."""
        for proxy in dict.fromkeys(filter(None, (self.http, self.https))):
            found = problem_with(proxy)
            if found is not None:
                return f"`{redact(without_userinfo(proxy))}`: {found}"
        return None

    def words(self, url: str) -> str:
        """The proxy for this URL, for people: its address without credentials, and who named it."""
        address = redact(without_userinfo(self.proxy_for(url) or ""))
        by = {"environment": " of the environment", "system": " of the system's settings"}.get(self.name, "")
        return f"the proxy `{address}`{by}"

    def check(self, url: str) -> None:
        """Nothing for a route that can be tried.

        Raises:
            TransferError: `net-proxy` when the proxy for this URL is no address at all.
        """
        proxy = self.proxy_for(url)
        problem = None if proxy is None else problem_with(proxy)
        if problem is not None:
            raise TransferError(
                "net-proxy",
                f"{self.words(url)} is no address of a proxy",
                evidence=(problem,),
                hint="correct `HTTP_PROXY` and `HTTPS_PROXY`, or unset them" if self.name == "environment" else None,
            )


def problem_with(proxy: str) -> str | None:
    """Why this cannot be the address of a proxy, or None."""
    try:
        parts = urlsplit(proxy)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in _SCHEMES:
        return f"`{parts.scheme}` is none of {', '.join(_SCHEMES)}"
    if not host or (_NO_HOST.search(host) and "[" not in parts.netloc):
        return "it names no host"
    return None


DIRECT = Route(name="direct")


def bypasses(no_proxy: str | None, host: str, port: int | None) -> bool:
    """Whether NO_PROXY takes this host out: by `*`, name, domain, address or network, each with or without `:port`."""
    host = host.lower().strip("[]")
    for raw in (no_proxy or "").split(","):
        entry = raw.strip().lower()
        if not entry:
            continue
        if entry == "*":
            return True
        name, _, wanted = entry.rpartition(":")
        if name and wanted.isdigit() and (":" not in name or name.endswith("]")):
            if port is not None and int(wanted) != port:
                continue
            entry = name
        entry = entry.strip("[]")
        if "/" in entry:
            if _in_network(host, entry):
                return True
            continue
        entry = entry.removeprefix("*").lstrip(".")
        if host == entry or host.endswith(f".{entry}"):
            return True
    return False


def _in_network(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def routes_of(wanted: tuple[str, ...], environment: Proxies, environ: Mapping[str, str]) -> tuple[Route, ...]:
    """The routes that a profile wants, at least one.

    Args:
        wanted: entries of `network.proxies`.
        environment: the proxies that the machine is configured with.
        environ: for `${NAME}` in addresses.

    Raises:
        TfprovError: `profile-invalid` for a variable that is not set.
    """
    routes: list[Route] = []
    for entry in wanted:
        if entry in ("environment", "system"):
            route = _from_environment(environment) if entry == "environment" else _from_system()
        elif entry == "direct":
            route = DIRECT
        elif entry == "profile-proxy":
            continue  # a place-holder of the documentation
        else:
            proxy = _scheme(expand(entry, environ))
            route = Route(name=without_userinfo(proxy), http=proxy, https=proxy, no_proxy=environment.no_proxy)
        if route is not None and all((route.http, route.https) != (known.http, known.https) for known in routes):
            routes.append(route)
    # Without any proxy to find, `environment` and `system` mean what they mean to every other tool: go straight.
    return tuple(routes) or (DIRECT,)


def _scheme(proxy: str) -> str:
    """The proxy as the HTTP library spells it: a scheme is there, and names are resolved by the proxy."""
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    # socks4 has no authentication and no names; what calls itself so today serves 5 as well.
    return re.sub(r"^socks(4a?|5)?://", "socks5h://", proxy)


def _from_environment(proxies: Proxies) -> Route | None:
    http, https = proxies.http or proxies.all, proxies.https or proxies.all
    if not http and not https:
        return None
    return Route(
        name="environment",
        http=_scheme(http) if http else None,
        https=_scheme(https) if https else None,
        no_proxy=proxies.no_proxy,
    )


def _from_system() -> Route | None:
    """The proxies of the operating system's settings: Windows and macOS have some, Linux has only the environment."""
    for name in ("getproxies_registry", "getproxies_macosx_sysconf"):
        read = getattr(urllib.request, name, None)
        found: dict[str, str] = read() if read is not None else {}
        if found.get("http") or found.get("https"):
            http, https = found.get("http"), found.get("https")
            return Route(name="system", http=_scheme(http) if http else None, https=_scheme(https) if https else None)
    return None
