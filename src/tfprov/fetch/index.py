"""Reading package indexes, remote and local: PEP 691 JSON and PEP 503 HTML."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from packaging.utils import canonicalize_name, parse_wheel_filename

from tfprov.contents import content_of
from tfprov.events import Emit, ignore
from tfprov.fetch.answers import length_of, page_title, raise_for_status, range_of
from tfprov.fetch.bounded import body_of, response_to
from tfprov.fetch.sources import Network
from tfprov.fetch.ways import Clients, Ways
from tfprov.index_address import local_path
from tfprov.ladder.climb import TransferError
from tfprov.lock.records import LockedFile
from tfprov.plan.records import IndexFile, Listing
from tfprov.redact import redact, without_userinfo
from tfprov.structured import json_of, string_of
from tfprov.times import is_moment

if TYPE_CHECKING:
    import httpx

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1, */*;q=0.01"
_DISTRIBUTION = re.compile(r"\.(whl|tar\.gz|zip|tgz|tar\.bz2|egg)$", re.IGNORECASE)
_LOGIN_PAGE = re.compile(rb"<form|<input|http-equiv=[\"']?refresh|location\.(href|replace|assign)", re.IGNORECASE)
_SIZE_SECONDS = 10.0
_A_PAGE = re.compile(rb"<(!doctype|html|head|body|a|title|h1)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A file on an index page.

    Attributes:
        url: absolute, without a fragment.
        sha256: None when the page has none.
        uploaded: RFC 3339 time (PEP 700); None when the page has none.
        provenance: where its attestations are (PEP 740); None when the page names no place.
    """

    filename: str
    url: str
    sha256: str | None = None
    requires_python: str | None = None
    size: int | None = None
    yanked: bool = False
    uploaded: str | None = None
    provenance: str | None = None


def listing(
    projects: Sequence[str], network: Network, *, emit: Emit, with_sources: bool = False, deadline: float | None = None
) -> Listing:
    """The wheels of some projects on the indexes.

    As in uv, a project is taken from the first index that has it, `extra` before the main one, and the files from
    find-links are added. Where the machine's pip configuration names the extra indexes, all indexes count, as in pip. A
    project of `index.only` is taken from its own index. One that no index has maps to an empty tuple.

    Args:
        projects: names, normalised or not.
        network: the indexes, and how to reach them.
        emit: receives an `Attempt` for every try.
        with_sources: whether to list source distributions, too.
        deadline: time on the monotonic clock after which nothing is waited for; None for no limit.

    Raises:
        TfprovError: `net-…` or `mirror-http-error` when an index cannot be read; `net-portal` for a login page.
    """
    kinds = (".whl", ".tar.gz", ".zip") if with_sources else (".whl",)
    names = tuple(dict.fromkeys(canonicalize_name(project) for project in projects))
    with contextlib.closing(Clients(network)) as clients:
        found = _files(names, kinds, Ways(network=network, emit=emit, clients=clients, deadline=deadline))
    sources = [*network.further, network.simple_url, *network.find_links]
    return Listing(files=found, source=", ".join(without_userinfo(source) for source in sources))


def _files(names: Sequence[str], kinds: tuple[str, ...], ways: Ways) -> dict[str, tuple[IndexFile, ...]]:
    """The files with these suffixes, by project."""
    network = ways.network
    flat = [link for place in network.find_links for link in _read_place(place, ways)]
    own = frozenset(link.url for link in flat)

    def files(name: str) -> tuple[IndexFile, ...]:
        links = [link for link in flat if _project_of(link.filename) == name]
        for url in network.indexes_of(name):
            listed = _project(url, name, ways)
            if listed is not None:
                links += listed
                if not network.merged:
                    break
        unique = {link.filename: link for link in reversed(links) if link.filename.endswith(kinds)}
        return tuple(
            IndexFile(
                filename=link.filename,
                requires_python=link.requires_python,
                size=link.size,
                yanked=link.yanked,
                uploaded=link.uploaded,
                url=link.url,
                is_own=link.url in own,
            )
            for link in sorted(unique.values(), key=lambda link: link.filename)
        )

    found: dict[str, tuple[IndexFile, ...]] = {}
    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="index") as pool:
        # The first project alone, so that an index that fails is tried once.
        for some in (names[:1], names[1:]):
            found.update(zip(some, pool.map(files, some), strict=True))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Offering:
    """A project and the indexes that have it, in the order of preference; at least one."""

    project: str
    indexes: tuple[str, ...]


def offerings(
    projects: Sequence[str],
    network: Network,
    *,
    emit: Emit,
    deadline: float | None = None,
    known: Callable[[str], bool] = lambda _: False,
    only_further: bool = False,
) -> tuple[Offering, ...]:
    """The indexes that have each of some projects; projects that no index has are left out.

    Args:
        projects: normalised names.
        network: the indexes, and how to reach them.
        emit: receives an `Attempt` for every try.
        deadline: time on the monotonic clock after which nothing is waited for; None for no limit.
        known: whether the page at a URL was read in this run, so that it need not be requested again.
        only_further: whether to return only projects on another index than the last one, which is the one with
            everything. Then that is not asked for the others.

    Raises:
        TfprovError: an index cannot be read.
    """
    of = {project: network.indexes_of(project) for project in projects}
    with (
        contextlib.closing(Clients(network)) as clients,
        ThreadPoolExecutor(max_workers=network.connections, thread_name_prefix="index") as pool,
    ):
        ways = Ways(network=network, emit=emit, clients=clients, deadline=deadline)

        def ask(pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bool]:
            return dict(zip(pairs, pool.map(lambda pair: _has(pair[1], pair[0], ways, known), pairs), strict=True))

        has = ask([(project, index) for project in projects for index in of[project][:-1]])
        others = [each for each in projects if not only_further or any(has[each, index] for index in of[each][:-1])]
        has |= ask([(project, of[project][-1]) for project in others])
    found = ((project, tuple(index for index in of[project] if has.get((project, index)))) for project in projects)
    return tuple(
        Offering(project=project, indexes=there)
        for project, there in found
        if there and not (only_further and there == of[project][-1:])
    )


def find_file(file: LockedFile, index_url: str, network: Network, *, emit: Emit = ignore) -> str | None:
    """The URL of a file on an index, found by hash, or by name where the page has no hashes; None if absent.

    Raises:
        TfprovError: the index cannot be read.
    """
    link = find_link(file, index_url, Ways(network=network, emit=emit))
    return link.url if link else None


def find_link(file: LockedFile, index_url: str, ways: Ways) -> Link | None:
    """What an index says of a file, as `find_file` looks for it.

    Raises:
        TfprovError: the index cannot be read.
    """
    links = _project(index_url, canonicalize_name(file.name), ways) or ()
    named = [link for link in links if link.filename == file.filename and link.sha256 in (None, file.sha256)]
    same = [link for link in links if link.sha256 == file.sha256]
    return next(iter((*same, *named)), None)


def remote_size(url: str, network: Network) -> int | None:
    """Bytes of a remote file; None when that cannot be determined. At most two requests per route, without waiting."""
    for route in network.ordered_routes():
        if network.health.problem(route.name) is not None:
            continue
        with (
            contextlib.suppress(Exception),
            network.client(route, connect_timeout=5, idle_timeout=_SIZE_SECONDS) as client,
        ):
            address, login = without_userinfo(url), network.auth(url)
            with response_to(client, address, method="HEAD", headers={}, auth=login) as answer:
                length = length_of(answer)
                if answer.status_code == 200 and length:
                    return length
            # Some servers forbid HEAD or omit the length; Content-Range of the first byte has the whole size.
            with response_to(client, address, headers={"Range": "bytes=0-0"}, auth=login) as part:
                total = range_of(part)[1]
                if part.status_code == 206 and total is not None:
                    return total
                if part.status_code == 200:
                    return length_of(part)
    return None


def _project(index_url: str, name: str, ways: Ways) -> list[Link] | None:
    """The links of a project on one index; None when the index does not have it."""
    local = local_path(index_url)
    if local is not None:
        folder = local / name
        page = folder / "index.html"
        if page.is_file():
            return parse_html(content_of(page).decode("utf-8", "replace"), page.as_uri())
        return _links_in(folder) if folder.is_dir() else None
    own, *mirrors = _pages(index_url, name, ways.network)
    return ways.read(own, partial(_read_page, ways=ways), elsewhere=mirrors)


def _has(index_url: str, name: str, ways: Ways, known: Callable[[str], bool]) -> bool:
    """Whether an index has a project. Pages are not read for that: those of big projects have megabytes."""
    if local_path(index_url) is not None:
        return _project(index_url, name, ways) is not None
    own, *mirrors = _pages(index_url, name, ways.network)
    return known(own) or ways.read(own, partial(_has_page, ways=ways), elsewhere=mirrors)


def _pages(index_url: str, name: str, network: Network) -> list[str]:
    """The page of a project on an index, and on mirrors of it."""
    return [
        f"{url.rstrip('/')}/{name}/"
        for url in (index_url, *(network.mirrors if index_url == network.simple_url else ()))
        if local_path(url) is None
    ]


def _read_place(place: str, ways: Ways) -> list[Link]:
    """The links of one find-links entry: a folder, a local page or a remote page."""
    path = local_path(place)
    if path is None and "://" in place:
        return ways.read(place, partial(_read_page, ways=ways)) or []
    path = path or Path(place)
    if path.is_file():
        return parse_html(content_of(path).decode("utf-8", "replace"), path.as_uri())
    # A folder that does not exist has no links, as in uv and pip.
    return _links_in(path) if path.is_dir() else []


def _has_page(client: httpx.Client, url: str, ways: Ways) -> bool:
    headers, auth = {"Accept": ACCEPT}, ways.network.auth(url)
    with response_to(client, without_userinfo(url), method="HEAD", headers=headers, auth=auth) as response:
        if ways.is_absent(response.status_code, url):
            return False
        if response.status_code == 200:
            return True
    # Some servers do not support HEAD; for any other error, the page itself gives the reason.
    return _read_page(client, url, ways) is not None


def _read_page(client: httpx.Client, url: str, ways: Ways) -> list[Link] | None:
    headers = {"Accept": ACCEPT, "Accept-Encoding": "gzip"}
    with response_to(client, without_userinfo(url), headers=headers, auth=ways.network.auth(url)) as response:
        if ways.is_absent(response.status_code, url):
            return None
        raise_for_status(response, url)
        body = body_of(response, url)
        kind = kind_of_page(response)
        base = str(response.url)
    if kind.endswith("json"):
        return parse_json(body, base)
    links = parse_html(body.decode("utf-8", "replace"), base)
    if not any(_DISTRIBUTION.search(link.filename) for link in links):
        refuse_no_index(body, asked=without_userinfo(url), answered=base)
    return links


def kind_of_page(response: httpx.Response) -> str:
    """The media type of a response, without parameters."""
    kind: str = response.headers.get("Content-Type", "")
    return kind.partition(";")[0].strip().lower()


def refuse_no_index(body: bytes, *, asked: str, answered: str) -> None:
    """Raise when a page without files is not that of an empty project, but a captive portal's login page, or garbage.

    Raises:
        TransferError: `net-portal`, or `mirror-http-error` for a body that is not a web page.
    """
    if not _A_PAGE.search(body[:65536]):
        raise TransferError(
            "mirror-http-error",
            f"`{urlsplit(answered).hostname}` sent something that is not a package index",
            transient=True,
            stubborn=True,
            evidence=(f"{len(body):,} bytes, which begin with {body[:40]!r}", redact(answered)),
        )
    elsewhere = urlsplit(asked).hostname != urlsplit(answered).hostname
    if elsewhere or _LOGIN_PAGE.search(body):
        raise TransferError(
            "net-portal",
            "the network sent a web page instead of the package index",
            evidence=(redact(f"asked {asked}"), redact(f"answered by {answered}"), redact(page_title(body))),
        )


def parse_json(body: bytes, base: str) -> list[Link]:
    """Links of a PEP 691 page.

    Raises:
        TransferError: `mirror-http-error` when it is not one.
    """
    try:
        page = json_of(body)
        return [
            Link(
                filename=str(entry["filename"]),
                url=urljoin(base, str(entry["url"])),
                sha256=string_of(entry.get("hashes", {}).get("sha256")) or None,
                requires_python=string_of(entry.get("requires-python")) or None,
                size=size if type(size := entry.get("size")) is int and size > 0 else None,
                yanked=bool(entry.get("yanked")),
                uploaded=at if isinstance(at := entry.get("upload-time"), str) and is_moment(at) else None,
                provenance=urljoin(base, place) if (place := string_of(entry.get("provenance"))) else None,
            )
            for entry in page["files"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise not_an_index(error, base) from error


def not_an_index(error: Exception, base: str) -> TransferError:
    """The failure for JSON that is not an index page; it may be temporary."""
    return TransferError(
        "mirror-http-error",
        f"`{urlsplit(base).hostname}` sent JSON that is not a package index",
        transient=True,
        stubborn=True,
        evidence=(f"{type(error).__name__}: {str(error)[:200]}", redact(base)),
    )


def parse_html(text: str, base: str) -> list[Link]:
    """Links of a PEP 503 page."""
    links: list[Link] = []
    for address, attributes in anchors(text, base):
        url, fragment = urldefrag(address)
        filename = unquote(urlsplit(url).path.rpartition("/")[2])
        if not filename:
            continue
        found = re.search(r"(?:^|&)sha256=([0-9a-fA-F]{64})", fragment)
        provenance = None
        with contextlib.suppress(ValueError):
            provenance = urljoin(base, place) if (place := attributes.get("data-provenance")) else None
        links.append(
            Link(
                filename=filename,
                url=url,
                sha256=found[1].lower() if found else None,
                requires_python=attributes.get("data-requires-python") or None,
                yanked="data-yanked" in attributes,
                provenance=provenance,
            )
        )
    return links


def anchors(text: str, base: str) -> list[tuple[str, dict[str, str | None]]]:
    """The links on a page as absolute URLs, with their attributes; invalid URLs are left out."""
    parser = _Anchors()
    with contextlib.suppress(AssertionError):
        # html.parser raises this for an unterminated declaration; the links before it are good.
        parser.feed(text)
    found: list[tuple[str, dict[str, str | None]]] = []
    for attributes in parser.anchors:
        with contextlib.suppress(ValueError):
            root = urljoin(base, parser.base) if parser.base else base
            found.append((urljoin(root, attributes["href"] or ""), attributes))
    return found


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.anchors: list[dict[str, str | None]] = []
        self.base: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "a" and attributes.get("href"):
            self.anchors.append(attributes)
        elif tag == "base" and self.base is None:
            self.base = attributes.get("href")


def _links_in(folder: Path) -> list[Link]:
    return [
        Link(filename=path.name, url=path.as_uri(), size=path.stat().st_size)
        for path in _sorted(folder.iterdir())
        if path.is_file() and _DISTRIBUTION.search(path.name)
    ]


def _sorted(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: path.name)


def _project_of(filename: str) -> str | None:
    try:
        return parse_wheel_filename(filename)[0]
    except ValueError:
        return None
