"""Where bytes come from and how to get there: indexes, mirrors, routes through proxies, certificates, credentials."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import ipaddress
import netrc
import re
import ssl
import threading
import urllib.request
import zipimport
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from tfprov import __version__, paths
from tfprov.errors import TfprovError
from tfprov.host.records import Facts, IndexConfig, Proxies
from tfprov.profile.records import Profile
from tfprov.redact import redact, without_userinfo

if TYPE_CHECKING:
    import httpx

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}")
_CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
_DEFAULT_PORTS = {"http": 80, "https": 443}


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


class Login(NamedTuple):
    """User and password for one origin (`https://host:port`)."""

    origin: str
    user: str
    password: str


@dataclass(slots=True)
class Health:
    """What a run has learnt about its routes and sources, so that a dead one costs one time-out and not one per file.

    Safe to use from several threads.
    """

    _bad: dict[str, TfprovError] = field(default_factory=dict)
    _good: set[str] = field(default_factory=set)
    _caps: dict[str, int] = field(default_factory=dict)
    _distrusted: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def worked(self, name: str) -> None:
        """It delivered."""
        with self._lock:
            self._good.add(name)
            self._bad.pop(name, None)

    def failed(self, name: str, error: TfprovError) -> None:
        """It failed for good; one failure is enough unless it had worked before."""
        with self._lock:
            if name in self._good:
                self._good.discard(name)
            else:
                self._bad[name] = error

    def cap(self, host: str) -> int:
        """Most connections that this server has shown to bear."""
        with self._lock:
            return self._caps.get(host, 64)

    def limit(self, host: str, count: int) -> None:
        """The server minds more than so many connections."""
        with self._lock:
            self._caps[host] = min(count, self._caps.get(host, count))

    def distrust_validators(self, host: str) -> None:
        """The server names the same content differently from answer to answer."""
        with self._lock:
            self._distrusted.add(f"validators of {host}")

    def trusts_validators(self, host: str) -> bool:
        """Whether another validator means another file there."""
        with self._lock:
            return f"validators of {host}" not in self._distrusted

    def distrust_ranges(self, host: str) -> None:
        """The server answers with other parts than it is asked for."""
        with self._lock:
            self._distrusted.add(host)

    def trusts_ranges(self, host: str) -> bool:
        """Whether parts may be asked for there."""
        with self._lock:
            return host not in self._distrusted

    def problem(self, name: str) -> TfprovError | None:
        """Why it is avoided, or None."""
        with self._lock:
            return self._bad.get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Everything about reaching sources.

    Attributes:
        index_url: the index, with credentials if it has any; None when the tools' own default holds.
        extra: further indexes to resolve from.
        merged: whether a project is taken from all indexes (pip) instead of the first that has it (uv).
        mirrors: indexes with the same files.
        find_links: folders (absolute paths) and pages (URLs).
        routes: in the order to try them; at least one.
        connections: how many at a time.
        connect_timeout: seconds to reach a server.
        idle_timeout: seconds without a byte.
        deadline: seconds for the whole run, or None.
        certificates: PEM files to trust beside those of the system.
        logins: credentials by origin.
        netrc: file with more credentials, or None.
        folder: where files for child processes may be written.
        health: what this run has learnt.
    """

    index_url: str | None = field(repr=False)
    extra: tuple[str, ...] = field(default=(), repr=False)
    merged: bool = False
    mirrors: tuple[str, ...] = field(default=(), repr=False)
    find_links: tuple[str, ...] = field(default=(), repr=False)
    routes: tuple[Route, ...] = (DIRECT,)
    connections: int = 8
    connect_timeout: float = 15.0
    idle_timeout: float = 30.0
    deadline: float | None = None
    certificates: tuple[Path, ...] = ()
    logins: tuple[Login, ...] = field(default=(), repr=False)
    netrc: Path | None = None
    folder: Path | None = None
    health: Health = field(default_factory=Health, compare=False, repr=False)

    @property
    def simple_url(self) -> str:
        """The index to read: the configured one, or the public default of pip and uv."""
        return self.index_url or default_index()

    def ordered_routes(self) -> tuple[Route, ...]:
        """The routes, those that failed in this run last."""
        return tuple(sorted(self.routes, key=lambda route: self.health.problem(route.name) is not None))

    def login(self, url: str) -> tuple[str, str] | None:
        """User and password for this URL: from the configured addresses, else from netrc."""
        origin = _origin(url)
        for login in self.logins:
            if login.origin == origin:
                return login.user, login.password
        host = urlsplit(url).hostname
        if self.netrc is not None and host:
            try:
                found = netrc.netrc(str(self.netrc)).authenticators(host)
            except (OSError, netrc.NetrcParseError):
                found = None
            if found is not None:
                return found[0] or found[1] or "", found[2] or ""
        return None

    def auth(self, url: str) -> httpx.Auth:
        """Credentials for requests to this URL, as the HTTP library takes them.

        A keyring is asked only after the server has refused: asking may bring up a window.
        """
        return _auth(self.login(url), urlsplit(url).netloc.rpartition("@")[2])

    def client(
        self, route: Route, *, connect_timeout: float | None = None, idle_timeout: float | None = None
    ) -> Client:
        """A new HTTP client for one thread. Close it.

        One for each thread, because the connection pool of the HTTP library may close a connection under a request of
        another thread (httpcore 1.0.9, its issue 1110).
        """
        import httpx

        timeout = httpx.Timeout(idle_timeout or self.idle_timeout, connect=connect_timeout or self.connect_timeout)
        return httpx.Client(
            transport=_routed(route, tls_context(self.certificates)),
            timeout=timeout,
            follow_redirects=True,
            trust_env=False,
            # Wheels are compressed already, and a transfer encoding would make offsets meaningless.
            headers={"User-Agent": f"tfprov/{__version__}", "Accept-Encoding": "identity"},
        )

    def tool_environment(self, route: Route) -> dict[str, str]:
        """Variables for a child process that reaches the network itself (uv, pip) on this route.

        They override what is inherited: on the direct route the proxies of the environment are taken out.
        """
        proxies = {
            "HTTP_PROXY": route.http or "",
            "HTTPS_PROXY": route.https or "",
            "ALL_PROXY": "",
            "NO_PROXY": "*" if route.is_direct else route.no_proxy or "",
        }
        variables = {**proxies, **{name.lower(): value for name, value in proxies.items()}}
        # uv trusts a list of its own by default; the machine's store is where an organisation puts its authority.
        variables["UV_SYSTEM_CERTS"] = "1"
        if self.certificates:
            bundle = str(self._bundle())
            variables.update({"SSL_CERT_FILE": bundle, "PIP_CERT": bundle, "REQUESTS_CA_BUNDLE": bundle})
        if self.netrc is not None:
            variables["NETRC"] = str(self.netrc)
        return variables

    def _bundle(self) -> Path:
        """One PEM file with the system's certificates and the additional ones: the tools take a single file."""
        found = ssl.get_default_verify_paths()
        system = [Path(name) for name in (found.cafile, *_SYSTEM_BUNDLES) if name]
        parts = [next((path for path in system if path.is_file()), None), *self.certificates]
        content = b"\n".join(dict.fromkeys(path.read_bytes().strip() for path in parts if path is not None)) + b"\n"
        if self.folder is None:
            return self.certificates[0]
        target = self.folder / f"{hashlib.sha256(content).hexdigest()[:16]}.pem"
        if not target.is_file():
            paths.write_atomic(target, content)
        return target


# Where Linux distributions keep the system's certificates when the ssl module was built for another place.
_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)

if TYPE_CHECKING:
    Client = httpx.Client


def network(profile: Profile, folder: Path, facts: Facts, environ: Mapping[str, str]) -> Network:
    """How to reach the sources of a profile from this machine.

    An index that the profile names replaces what the machine is configured with, further indexes and folders included,
    so that the profile means the same everywhere.

    Args:
        profile: what is asked.
        folder: what relative paths of the profile are relative to.
        facts: the machine's own index, proxies and certificates.
        environ: for `${NAME}` in addresses, netrc and certificates.

    Raises:
        TfprovError: `profile-invalid` for a variable that is not set or a certificate file that is not there.
    """
    machine = facts.index.value if profile.index.url is None else IndexConfig(url=None)
    index_url = profile.index.url or machine.url
    urls = {
        "index_url": (index_url,) if index_url else (),
        "extra": (*profile.index.extra, *machine.extra),
        "mirrors": profile.index.mirrors,
    }
    expanded = {key: tuple(expand(url, environ) for url in values) for key, values in urls.items()}
    find_links = (*profile.index.find_links, *machine.find_links)
    every = (*expanded["index_url"], *expanded["extra"], *expanded["mirrors"])
    home = environ.get("HOME") or environ.get("USERPROFILE")
    candidates = [Path(environ["NETRC"])] if environ.get("NETRC") else []
    candidates += [Path(home) / name for name in (".netrc", "_netrc")] if home else []
    return Network(
        index_url=next(iter(expanded["index_url"]), None),
        extra=expanded["extra"],
        merged=machine.merged,
        mirrors=expanded["mirrors"],
        find_links=tuple(_place(expand(entry, environ), folder) for entry in find_links),
        routes=_routes(profile.network.proxies, facts.proxies.value, environ),
        connections=profile.network.connections,
        connect_timeout=profile.network.connect_timeout,
        idle_timeout=profile.network.idle_timeout,
        deadline=profile.network.deadline,
        certificates=_certificates(profile, folder, facts, environ),
        logins=tuple(login for login in map(_login_in, every) if login is not None),
        netrc=next((path for path in candidates if path.is_file()), None),
        folder=paths.home(environ).cache / "certificates",
    )


def expand(text: str, environ: Mapping[str, str]) -> str:
    """The text with `${NAME}` replaced.

    Raises:
        TfprovError: `profile-invalid` when a variable is not set.
    """

    def value(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in environ:
            raise TfprovError(
                "profile-invalid",
                f"`{redact(text)}` needs the variable `{name}`, which is not set",
                hint=f"set `{name}` in the environment of this command",
            )
        return environ[name]

    return _VARIABLE.sub(value, text)


def _place(entry: str, folder: Path) -> str:
    if re.match(r"^[a-z]+://", entry):
        return entry
    return str((folder / Path(entry).expanduser()).absolute())


def _routes(wanted: tuple[str, ...], environment: Proxies, environ: Mapping[str, str]) -> tuple[Route, ...]:
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


def _certificates(profile: Profile, folder: Path, facts: Facts, environ: Mapping[str, str]) -> tuple[Path, ...]:
    found: list[Path] = []
    if profile.network.ca_bundle is not None:
        bundle = (folder / Path(expand(profile.network.ca_bundle, environ)).expanduser()).absolute()
        if not bundle.is_file():
            raise TfprovError("profile-invalid", f"`network.ca-bundle` names `{bundle}`, which is no file")
        found.append(bundle)
    named = [environ.get(name) for name in _CERTIFICATE_VARIABLES]
    for name in (*named, facts.certificates.value):
        # What the machine's own tools are told to trust. A variable that names no file is no reason to stop.
        if name and Path(name).is_file() and Path(name) not in found:
            found.append(Path(name))
    return tuple(found)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


def _login_in(url: str) -> Login | None:
    parts = urlsplit(url)
    if not parts.username:
        return None
    return Login(_origin(url), unquote(parts.username), unquote(parts.password or ""))


@lru_cache(maxsize=8)
def tls_context(certificates: tuple[Path, ...]) -> ssl.SSLContext:
    """A TLS context that trusts the system's store and these files. Shared: loading the store takes a while.

    Raises:
        TfprovError: `net-tls-cert` when a file holds no certificate.
    """
    import truststore

    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for path in certificates:
        try:
            context.load_verify_locations(cafile=str(path))
        except ssl.SSLError as error:
            raise TfprovError(
                "net-tls-cert", f"`{path}` holds no certificate in PEM form", evidence=(str(error),)
            ) from error
    return context


def _routed(route: Route, context: ssl.SSLContext) -> httpx.BaseTransport:
    import httpx

    class Routed(httpx.BaseTransport):
        """Chooses the proxy for each request: a redirect may lead to a host that NO_PROXY takes out."""

        def __init__(self) -> None:
            self._transports: dict[str | None, httpx.HTTPTransport] = {}

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            proxy = route.proxy_for(str(request.url))
            if proxy not in self._transports:
                through = None if proxy is None else httpx.Proxy(proxy, ssl_context=_proxy_context(proxy, context))
                # Keep-alive for one: each client belongs to one thread.
                limits = httpx.Limits(max_connections=2, max_keepalive_connections=1)
                self._transports[proxy] = httpx.HTTPTransport(
                    verify=context, trust_env=False, proxy=through, limits=limits
                )
            return self._transports[proxy].handle_request(request)

        def close(self) -> None:
            for transport in self._transports.values():
                transport.close()

    return Routed()


def _auth(known: tuple[str, str] | None, service: str) -> httpx.Auth:
    import httpx

    class Credentials(httpx.Auth):
        """Basic authentication with what is known, and with what the keyring has when that does not do."""

        def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
            if known is not None:
                request.headers["Authorization"] = _basic(known)
            response = yield request
            if response.status_code != 401 or response.url.host != request.url.host:
                return
            found = _from_keyring(service)
            if found is not None and found != known:
                request.headers["Authorization"] = _basic(found)
                yield request

    return Credentials()


def _basic(login: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(login).encode()).decode("ascii")


def _from_keyring(service: str) -> tuple[str, str] | None:
    """Credentials that the keyring of this user holds; None without the `keyring` package, which is optional."""
    if importlib.util.find_spec("keyring") is None:
        return None
    keyring = importlib.import_module("keyring")
    try:
        found = keyring.get_credential(service, None)
    except Exception:  # backends raise whatever they like; without an answer there are no credentials
        return None
    return None if found is None else (str(found.username), str(found.password))


def _proxy_context(proxy: str, context: ssl.SSLContext) -> ssl.SSLContext | None:
    return context if proxy.startswith("https://") else None


@lru_cache(maxsize=1)
def default_index() -> str:
    """The public index that pip and uv use when nothing is configured, read from pip's own code.

    pip comes as a wheel inside virtualenv, whose job is to seed environments with it. One module of it, which imports
    nothing but urllib, names the index; it is loaded straight from the wheel under a name of its own, so that no `pip`
    appears among our modules.

    Raises:
        TfprovError: `internal` when that pip is built differently.
    """
    from virtualenv.seed.wheels.embed import BUNDLE_SUPPORT, get_embed_wheel

    try:
        wheel = get_embed_wheel("pip", next(iter(BUNDLE_SUPPORT)))
        finder = zipimport.zipimporter(f"{wheel.path if wheel else ''}/pip/_internal/models")
        spec = finder.find_spec("index")
        module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]  # None fails with AttributeError below
        finder.exec_module(module)
        return str(module.PyPI.simple_url)
    except (AttributeError, ImportError, StopIteration) as error:
        raise TfprovError(
            "internal",
            "the address of the public index cannot be read from the pip that virtualenv brings",
            evidence=(f"{type(error).__name__}: {error}",),
            hint="set `index.url` in the profile",
        ) from error
