"""Routes to a server: direct or through a proxy, from profile, environment and system settings."""

from __future__ import annotations

import ipaddress
import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from tfprov.fetch.addresses import expand
from tfprov.host.records import Proxies
from tfprov.index_address import NO_HOST_NAME, is_host_name
from tfprov.ladder.climb import TransferError
from tfprov.redact import redact, without_userinfo
from tfprov.secret import Secret, noticed
from tfprov.structured import whole_number

_SCHEMES = ("http", "https", "socks5", "socks5h")
_NO_HOST = re.compile(r"[\s<>\\^`{|}%:\"]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route to servers: direct or through a proxy.

    Attributes:
        name: for messages: `direct`, `environment`, `system`, or the address of the proxy without credentials.
        http: proxy for http:// addresses; None for none.
        https: proxy for https:// addresses; None for none.
        no_proxy: hosts that are reached without a proxy, in the notation of NO_PROXY.
    """

    name: str
    http: Secret | None = None
    https: Secret | None = None
    no_proxy: str | None = None

    @property
    def is_direct(self) -> bool:
        """Whether it has no proxy at all."""
        return self.http is None and self.https is None

    def proxy_for(self, url: str) -> Secret | None:
        """Address of the proxy for this URL, or None for a direct connection."""
        parts = urlsplit(url)
        proxy = self.https if parts.scheme == "https" else self.http
        if proxy is None or bypasses(self.no_proxy, parts.hostname or "", parts.port):
            return None
        return proxy

    @property
    def problem(self) -> str | None:
        """Why one of its proxy addresses is invalid, for messages; None when all are valid."""
        for proxy in dict.fromkeys(filter(None, (self.http, self.https))):
            found = problem_with(proxy)
            if found is not None:
                return f"`{proxy}`: {found}"
        return None

    def words(self, url: str) -> str:
        """The proxy for this URL, for messages: its address without credentials, and where it is configured."""
        by = {"environment": " of the environment", "system": " of the system settings"}.get(self.name, "")
        return f"the proxy `{self.proxy_for(url) or ''}`{by}"

    def check(self, url: str) -> None:
        """Check that the proxy for this URL has a valid address.

        Raises:
            TransferError: `net-proxy` when it does not.
        """
        proxy = self.proxy_for(url)
        problem = None if proxy is None else problem_with(proxy)
        if problem is not None:
            raise TransferError(
                "net-proxy",
                f"{self.words(url)} has an invalid address",
                evidence=(problem,),
                hint="correct `HTTP_PROXY` and `HTTPS_PROXY`, or unset them" if self.name == "environment" else None,
            )


def proxy_at(address: str) -> Secret:
    """The URL of a proxy, shown without its login."""
    return Secret(address, shown=redact(without_userinfo(noticed(address))), everywhere=False)


def problem_with(proxy: Secret) -> str | None:
    """Why this is not a valid URL of a proxy; None when it is."""
    try:
        parts = urlsplit(proxy.reveal())
        host = parts.hostname
    except ValueError:
        return "it is not a valid URL"
    try:
        _ = parts.port
    except ValueError:
        # The library's message would repeat the text: half of a password that contains a colon and a slash.
        return "its port is not a number up to 65535"
    if parts.scheme not in _SCHEMES:
        return f"its scheme `{parts.scheme}` is not one of {', '.join(_SCHEMES)}"
    if not host or (_NO_HOST.search(host) and "[" not in parts.netloc):
        return "it has no host"
    return None if ":" in host or is_host_name(host) else NO_HOST_NAME


DIRECT = Route(name="direct")


def bypasses(no_proxy: str | None, host: str, port: int | None) -> bool:
    """Whether NO_PROXY excludes this host: by `*`, name, domain, address or network, each with or without `:port`."""
    host = host.lower().strip("[]")
    for raw in (no_proxy or "").split(","):
        entry = raw.strip().lower()
        if not entry:
            continue
        if entry == "*":
            return True
        name, _, wanted = entry.rpartition(":")
        wanted_port = whole_number(wanted)
        if name and wanted_port is not None and (":" not in name or name.endswith("]")):
            if port is not None and wanted_port != port:
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
    """The routes of a profile, at least one.

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
            continue  # a placeholder in the documentation
        else:
            proxy = _scheme(expand(entry, environ))
            route = Route(name=proxy.shown, http=proxy, https=proxy, no_proxy=environment.no_proxy)
        if route is not None and all((route.http, route.https) != (known.http, known.https) for known in routes):
            routes.append(route)
    # Without a configured proxy, `environment` and `system` mean a direct connection, as in every other tool.
    return tuple(routes) or (DIRECT,)


def _scheme(proxy: str) -> Secret:
    """The proxy in the HTTP library's notation: with a scheme, and with names resolved by the proxy."""
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    # SOCKS4 has neither authentication nor host names; proxies that are named so today support SOCKS5 as well.
    return proxy_at(re.sub(r"^socks(4a?|5)?://", "socks5h://", proxy))


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
    """The proxies in the system settings of Windows and macOS; Linux has only the environment."""
    for name in ("getproxies_registry", "getproxies_macosx_sysconf"):
        read = getattr(urllib.request, name, None)
        found: dict[str, str] = read() if read is not None else {}
        if found.get("http") or found.get("https"):
            http, https = found.get("http"), found.get("https")
            return Route(name="system", http=_scheme(http) if http else None, https=_scheme(https) if https else None)
    return None
