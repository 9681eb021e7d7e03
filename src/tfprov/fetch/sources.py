"""Sources of files, and how to reach them: indexes, mirrors, routes, certificates, credentials."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from tfprov import paths
from tfprov.default_index import default_index, is_default
from tfprov.errors import TfprovError
from tfprov.fetch.addresses import expand, origin_of, place, variable
from tfprov.fetch.certificates import bundle, certificates_of, tls_context
from tfprov.fetch.client import client
from tfprov.fetch.credentials import Keyring, Login, basic_auth, from_netrc, login_in
from tfprov.fetch.health import Health
from tfprov.fetch.names import Names
from tfprov.fetch.routes import DIRECT, Route, routes_of
from tfprov.fetch.veil import behind_host, names_in
from tfprov.host.records import Facts, IndexConfig
from tfprov.index_address import local_path, mistake_in
from tfprov.profile.records import Profile
from tfprov.redact import redact, without_userinfo
from tfprov.secret import Secret

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPages:
    """Stand-ins of indexes and pages that a resolver may have cached in an earlier run.

    Attributes:
        index: of the main index.
        extra: of further indexes.
        find_links: of pages of links.
    """

    index: str
    extra: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The sources of a run, and everything needed to reach them.

    Attributes:
        index_url: the index, with credentials if it has any; None for the default of the tools.
        extra: further indexes to resolve from.
        only: projects that must come from one index, by normalised name, each with that index.
        merged: whether a project is taken from all indexes (as in pip) or from the first that has it (as in uv).
        mirrors: indexes with the same files.
        find_links: folders (absolute paths) and pages (URLs).
        optional: servers (host and port) that the run can do without, so that they are not waited for.
        routes: in the order to try; at least one.
        connections: maximum number at a time.
        connect_timeout: seconds to reach a server.
        idle_timeout: seconds without a byte.
        deadline: seconds for the whole run; None for no limit.
        certificates: PEM files to trust beside those of the system.
        logins: credentials by origin.
        variables: names and values of the variables that are used in index URLs after the host.
        netrc: file with more credentials, or None.
        folder: for files that child processes need.
        allow_http: hosts that an https URL may redirect or link to without encryption.
        offline: whether no server may be contacted.
        kept: cached pages of servers that may be used offline; None when there are none.
        refusing: indexes that refused a page in this run and are taken not to have it.
        health: what this run has learnt about routes and servers.
        keyring: credentials that the user's keyring gave in this run.
        names: host addresses resolved in this run.
    """

    index_url: str | None = field(repr=False)
    extra: tuple[str, ...] = field(default=(), repr=False)
    only: Mapping[str, str] = field(default_factory=dict, repr=False)
    merged: bool = False
    mirrors: tuple[str, ...] = field(default=(), repr=False)
    find_links: tuple[str, ...] = field(default=(), repr=False)
    optional: frozenset[str] = frozenset()
    routes: tuple[Route, ...] = (DIRECT,)
    connections: int = 8
    connect_timeout: float = 15.0
    idle_timeout: float = 30.0
    deadline: float | None = None
    certificates: tuple[Path, ...] = ()
    logins: tuple[Login, ...] = ()
    variables: tuple[tuple[str, Secret], ...] = ()
    netrc: Path | None = None
    folder: Path | None = None
    allow_http: tuple[str, ...] = ()
    offline: bool = False
    kept: KeptPages | None = None
    refusing: set[str] = field(default_factory=set, compare=False, repr=False)
    health: Health = field(default_factory=Health, compare=False, repr=False)
    keyring: Keyring = field(default_factory=Keyring, compare=False, repr=False)
    names: Names = field(default_factory=Names, compare=False, repr=False)

    @property
    def simple_url(self) -> str:
        """The configured index, or the public default of pip and uv."""
        return self.index_url or default_index()

    @property
    def further(self) -> tuple[str, ...]:
        """All indexes other than the main one, in the order to ask them."""
        return tuple(dict.fromkeys((*self.extra, *(url for url in self.only.values() if url != self.simple_url))))

    def optional_index(self, url: str) -> str | None:
        """The further index of a page, if the newest version on any index is taken, as in pip; else None."""
        page = without_userinfo(url)
        found = (without_userinfo(place) for place in self.extra if self.merged)
        return next((place for place in found if page.startswith(f"{place.partition('?')[0].rstrip('/')}/")), None)

    def indexes_of(self, project: str) -> tuple[str, ...]:
        """The indexes that may serve a project, in the order to ask them."""
        own = self.only.get(canonicalize_name(project))
        return (*self.extra, self.simple_url) if own is None else (own,)

    @property
    def has_pages(self) -> bool:
        """Whether there is anything to resolve from."""
        return not self.offline or bool(self.index_url or self.find_links or self.kept)

    @property
    def places(self) -> tuple[str, ...]:
        """The entries of `find_links` that exist: the tools reject missing folders."""
        return tuple(entry for entry in self.find_links if not _is_missing(entry))

    @property
    def notes(self) -> tuple[str, ...]:
        """The configured routes and folders that are ignored because they cannot work, one line each."""
        routes = (route for route in self.routes if route.problem is not None)
        return (
            *(f"the proxy of `{route.name}` cannot be used: {route.problem}" for route in routes),
            *(f"find-links: `{entry}` does not exist" for entry in self.find_links if _is_missing(entry)),
        )

    def ordered_routes(self) -> tuple[Route, ...]:
        """The routes; those that failed in this run or cannot work come last."""

        def rank(route: Route) -> int:
            return 2 if route.problem else int(self.health.problem(route.name) is not None)

        return tuple(sorted(self.routes, key=rank))

    def login(self, url: str) -> Login | None:
        """User and password for this URL: from the configured addresses, else from netrc."""
        origin = origin_of(url)
        for login in self.logins:
            if login.origin == origin:
                return login
        return None if self.netrc is None else from_netrc(self.netrc, url)

    def auth(self, url: str) -> httpx.Auth:
        """Credentials for requests to this URL, as the HTTP library takes them.

        The keyring is queried only after the server has refused, because a query may open a window.
        """
        return basic_auth(self.login(url), url, self.keyring)

    def client(
        self, route: Route, *, connect_timeout: float | None = None, idle_timeout: float | None = None
    ) -> httpx.Client:
        """A new HTTP client for one thread. Close it."""
        return client(
            route,
            tls_context(self.certificates),
            names=self.names,
            connect_timeout=connect_timeout or self.connect_timeout,
            idle_timeout=idle_timeout or self.idle_timeout,
            allow_http=self.allow_http,
        )

    def tool_environment(self, route: Route) -> dict[str, str]:
        """Environment variables for a child process that uses the network itself (uv, pip) on this route.

        They override inherited ones: on the direct route they remove the proxies of the environment.
        """
        proxies = {
            "HTTP_PROXY": route.http.reveal() if route.http else "",
            "HTTPS_PROXY": route.https.reveal() if route.https else "",
            "ALL_PROXY": "",
            "NO_PROXY": "*" if route.is_direct else route.no_proxy or "",
        }
        variables = {**proxies, **{name.lower(): value for name, value in proxies.items()}}
        # By default uv trusts only its own list; an organisation's own CA is in the system's store.
        variables["UV_SYSTEM_CERTS"] = "1"
        if self.certificates:
            pem = str(bundle(self.certificates, self.folder))
            variables.update({"SSL_CERT_FILE": pem, "PIP_CERT": pem, "REQUESTS_CA_BUNDLE": pem})
        if self.netrc is not None:
            variables["NETRC"] = str(self.netrc)
        return variables


def _address(text: str, environ: Mapping[str, str]) -> str:
    """A URL with its `${NAME}` replaced.

    Raises:
        TfprovError: `profile-invalid`, or `index-setting-invalid` when the result is not a valid URL.
    """
    url = expand(text, environ)
    mistake = mistake_in(url) if "://" in url else None
    if mistake is not None:
        raise TfprovError("index-setting-invalid", f"`{redact(text)}` cannot be used: {mistake}")
    return url


def _is_missing(entry: str) -> bool:
    path = local_path(entry) if "://" in entry else Path(entry)
    return path is not None and not path.exists()


def network(profile: Profile, folder: Path, facts: Facts, environ: Mapping[str, str]) -> Network:
    """The sources of a profile on this machine.

    An index in the profile replaces all indexes and folders that the machine is configured with, so that the profile
    means the same everywhere.

    Args:
        profile: the profile.
        folder: base of the profile's relative paths.
        facts: the machine's own index, proxies and certificates.
        environ: for `${NAME}` in addresses, netrc and certificates.

    Raises:
        TfprovError: `profile-invalid` for a variable that is not set or a certificate file that does not exist;
            `index-setting-invalid` for an address that cannot be used.
    """
    machine = facts.index.value if profile.index.url is None else IndexConfig(url=None)
    if machine.invalid:
        first, *others = machine.invalid
        what = f"{first}, and no other index is used instead"
        raise TfprovError("index-setting-invalid", what, evidence=tuple(others))
    index_url = profile.index.url or machine.url
    urls = {
        "index_url": (index_url,) if index_url else (),
        "extra": (*profile.index.extra, *machine.extra),
        "mirrors": profile.index.mirrors,
        "only": tuple(profile.index.only.values()),
    }
    expanded = {key: tuple(_address(url, environ) for url in values) for key, values in urls.items()}
    find_links = (*profile.index.find_links, *machine.find_links)
    every = (*expanded["index_url"], *expanded["extra"], *expanded["mirrors"], *expanded["only"])
    home = environ.get("HOME") or environ.get("USERPROFILE")
    candidates = [Path(environ["NETRC"])] if environ.get("NETRC") else []
    candidates += [Path(home) / name for name in (".netrc", "_netrc")] if home else []
    templates = (*(url for values in urls.values() for url in values), *find_links)
    names = names_in(map(behind_host, templates))
    variables = tuple((name, variable(name, environ)) for name in names if name in environ)
    return Network(
        variables=variables,
        index_url=next(iter(expanded["index_url"]), None),
        extra=expanded["extra"],
        only={
            canonicalize_name(name): next(iter(expanded["index_url"]), default_index()) if is_default(url) else url
            for name, url in zip(profile.index.only, expanded["only"], strict=True)
        },
        merged=machine.merged or profile.index.strategy == "best",
        mirrors=expanded["mirrors"],
        find_links=tuple(place(_address(entry, environ), folder) for entry in find_links),
        routes=routes_of(profile.network.proxies, facts.proxies.value, environ),
        connections=profile.network.connections,
        connect_timeout=profile.network.connect_timeout,
        idle_timeout=profile.network.idle_timeout,
        deadline=profile.network.deadline,
        certificates=certificates_of(profile, folder, facts, environ),
        logins=tuple(login for login in map(login_in, every) if login is not None),
        # os.path.isfile rather than Path.is_file, which raises in a home directory without read permission.
        netrc=next((path for path in candidates if os.path.isfile(path)), None),  # noqa: PTH113 - False, too, where this user may not look
        folder=paths.home(environ).cache / "certificates",
        allow_http=tuple(host.lower() for host in profile.index.allow_http),
    )
