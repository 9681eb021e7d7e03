"""Stand-ins: URLs that a resolver is given in place of the real ones, and index pages rewritten to link to them.

A resolver caches what it reads under the URL that it read. So a stand-in is computed from the real URL alone: it is the
same in every run, contains neither a port nor a token of the relay, and the real URL can be read from it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from html import escape
from typing import Literal
from urllib.parse import quote, unquote, urljoin, urlsplit

from tfprov.fetch.file_names import spare_sources
from tfprov.fetch.index import anchors, not_an_index
from tfprov.fetch.veil import NOTHING, Veil, as_template
from tfprov.redact import without_signature, without_userinfo
from tfprov.structured import json_of

HOST = "tfprov.invalid"
"""A host name that cannot exist (RFC 2606): a request that does not go through the relay fails."""

Kind = Literal["index", "links", "file", "wheel", "channel"]
"""What a URL leads to. For a `wheel` the relay reads the metadata, because the index has no copy of them."""

WHEELS_FIRST = "wheels-first-"
"""The kind of an index, with a system behind it, whose pages have no sources of versions that have a wheel for it."""
_ADDRESS = re.compile(
    rf"http://{re.escape(HOST)}/(?:index|wheels-first-[a-z]+|links|file|wheel|channel)/(?P<scheme>https?)/(?P<netloc>[^/\s\"'`<>]+)(?P<rest>[^\s\"'`<>]*)"
)
_DIRECT = re.compile(
    r"(?P<before>^[\w.-]+\s*(?:\[[^\]]*\])?\s*@\s*)(?P<url>https?://(?:\$\{[A-Za-z_]\w*\}|[^\s$])+)(?=\s|$)",
    re.IGNORECASE,
)
# A link as nearly every index writes it: absolute, not escaped, without a login, and to the same server on all the
# page.
_LINK = re.compile(rb'("url"\s*:\s*")(https?)://([A-Za-z0-9.:-]+/)')
_METADATA_KEY = b'-metadata"'
# A page can spell the name of a key, or a `$`, as an escape. In these forms, only a parser finds its links.
_ESCAPED = re.compile(rb"\\(?:/|u00(?:24|6[cC]|7[25]))")


def stand_in(url: str, kind: Kind | str, veil: Veil = NOTHING) -> str:
    """The stand-in for a URL; a URL that is not http or https is returned unchanged.

    Args:
        url: the real URL, which may contain `${NAME}`.
        kind: what it leads to.
        veil: replaces values of variables after the host by their names.
    """
    parts = urlsplit(without_userinfo(url))
    if parts.scheme not in ("http", "https"):
        return url
    rest = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    rest += f"#{parts.fragment}" if parts.fragment else ""
    return f"http://{HOST}/{kind}/{parts.scheme}/{quote(parts.netloc, safe=':')}{veil.cover(rest)}"


def real(address: str, veil: Veil = NOTHING) -> tuple[str, str] | None:
    """Kind and real URL of a stand-in, in which names of variables stand for their values; None for any other URL."""
    if _ADDRESS.match(address) is None:
        return None
    kind = address[len(f"http://{HOST}/") :].partition("/")[0]
    return kind, veil.uncover(truthful(address))


def meant(address: str, veil: Veil, listed: Collection[str]) -> tuple[str, str] | None:
    """Kind and real URL of a stand-in that was requested, with the values of variables that its server is meant to get.

    Args:
        address: the stand-in.
        veil: has the values.
        listed: URLs on the pages of this run; see `Base.signed`.

    Returns:
        None for any other URL, and where it names another variable. A channel, whose own index names its files, gets
        none in this way.
    """
    found, named = real(address, veil), real(address)
    if found is None or named is None or named[0] == "channel":
        return named
    return found if veil.is_due(named[1]) or found[1].removesuffix(".metadata") in listed else None


def truthful(text: str) -> str:
    """The text with real URLs in place of stand-ins; values of variables remain as `${NAME}`."""
    return _ADDRESS.sub(
        lambda found: f"{found['scheme']}://{unquote(found['netloc'])}{as_template(found['rest'])}", text
    )


def direct_address(line: str) -> str | None:
    """The http or https URL of a direct reference (`name @ https://…`); None for any other requirement."""
    found = _DIRECT.search(line)
    return found["url"] if found else None


def disguised(line: str) -> str:
    """A direct reference with a stand-in for its URL; any other requirement unchanged."""
    return _DIRECT.sub(lambda found: found["before"] + stand_in(found["url"], "file", NOTHING), line)


@dataclass(slots=True, kw_only=True)
class Base:
    """Base of the links on a page, and what was learnt while reading them.

    Attributes:
        url: of the page.
        allow_http: hosts that an https page may link to over http.
        veil: replaces values of variables in links by their names.
        wheels_first: system for which to leave out `spare_sources`; empty for none.
        refused: other hosts that it links to over http; filled while links are read.
        signed: signed URLs by their form without signatures, which no cache may keep; filled likewise. So are URLs with
            values of variables on servers that no address of the run names with them.
    """

    url: str
    allow_http: Collection[str] = ()
    veil: Veil = NOTHING
    wheels_first: str = ""
    refused: set[str] = field(default_factory=set)
    signed: dict[str, str] = field(default_factory=dict)

    def may_lead_to(self, scheme: str, host: str) -> bool:
        """Whether a link to this scheme and host is allowed; records the host when it is not."""
        if scheme != "http" or host in self.allow_http or urlsplit(self.url).scheme != "https":
            return True
        self.refused.add(host)
        return False


def json_page(body: bytes, base: Base) -> bytes:
    """A PEP 691 page with stand-ins for its links. Invalid and refused links are left out.

    Raises:
        TransferError: `mirror-http-error` when it is not one.
    """
    try:
        if base.wheels_first:
            body = _without_spare(body, base.wheels_first)
        if (plain := _plainly(body, base)) is not None:
            return plain
        page = json_of(body)
        has_metadata = _METADATA_KEY in body
        files = []
        for entry in page["files"]:
            link = _link(str(entry["url"]), base, has_metadata=has_metadata)
            if link is not None:
                more = {} if has_metadata or not str(entry["filename"]).endswith(".whl") else {"core-metadata": True}
                files.append({**entry, "url": link, **more})
        return json.dumps({**page, "files": files}).encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise not_an_index(error, base.url) from error


def _without_spare(body: bytes, system: str) -> bytes:
    """A PEP 691 page without the source distributions of versions that have a wheel for a system."""
    page = json_of(body)
    spare = spare_sources([(str(entry["filename"]), bool(entry.get("yanked"))) for entry in page["files"]], system)
    if not spare:
        return body
    return json.dumps({**page, "files": [entry for entry in page["files"] if entry["filename"] not in spare]}).encode()


def _plainly(body: bytes, base: Base) -> bytes | None:
    """A page whose links have the usual form, rewritten without parsing; None for any other page.

    Parsing a page of some megabytes and writing it again takes longer than downloading it.
    """
    found = _LINK.search(body)
    if found is None or _ESCAPED.search(body) or body.count(found[0]) != body.count(b'"url"'):
        return None
    # A query may be a signature, and a `$` the beginning of a variable.
    if body.rstrip()[-1:] != b"}" or b"?" in body or b"$" in body or base.veil.is_in(body):
        return None
    if found[2] == b"http" and urlsplit(base.url).scheme == "https":
        return None
    kind, more = (b"file", b"") if _METADATA_KEY in body else (b"wheel", b'"core-metadata":true,')
    before, scheme, host = found.groups()
    return body.replace(found[0], b"%b%bhttp://%b/%b/%b/%b" % (more, before, HOST.encode(), kind, scheme, host))


def html_page(text: str, base: Base) -> bytes:
    """A page of links (PEP 503) with stand-ins for them. Invalid and refused links are left out."""
    lines = ["<!DOCTYPE html><html><body>"]
    found = anchors(text, base.url)
    has_metadata = any(name.endswith("-metadata") for _, attributes in found for name in attributes)
    names = [unquote(urlsplit(url).path.rpartition("/")[2]) for url, _ in found]
    listed = [(name, "data-yanked" in attributes) for name, (_, attributes) in zip(names, found, strict=True)]
    spare = spare_sources(listed, base.wheels_first) if base.wheels_first else frozenset()
    for name, (url, attributes) in zip(names, found, strict=True):
        link = None if name in spare else _link(url, base, has_metadata=has_metadata)
        if link is None:
            continue
        told = {key: value for key, value in attributes.items() if key.startswith("data-")}
        if not has_metadata and urlsplit(url).path.endswith(".whl"):
            told["data-core-metadata"] = told["data-dist-info-metadata"] = "true"
        more = "".join(f' {key}="{escape(value or "")}"' for key, value in told.items())
        lines.append(f'<a href="{escape(link)}"{more}>{escape(name)}</a>')
    return "\n".join([*lines, "</body></html>"]).encode()


def _link(url: str, base: Base, *, has_metadata: bool) -> str | None:
    try:
        # A link names no variable: the value would go to whoever wrote the page.
        absolute = urljoin(base.url, url).replace("$", "%24")
        parts = urlsplit(absolute)
        kind: Kind = "wheel" if not has_metadata and parts.path.endswith(".whl") else "file"
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
        if not base.may_lead_to(parts.scheme, parts.hostname):
            return None
        return _recorded(absolute, kind, base)
    except ValueError:
        return None


def _recorded(url: str, kind: Kind, base: Base) -> str:
    """The stand-in for a link on a page. What a later run could not read from the stand-in is recorded."""
    plain = without_signature(url)
    link = stand_in(plain, kind, base.veil)
    # A value may stand in the page itself, in a link to another server than that of the index.
    if plain != url or not base.veil.is_due(truthful(link)):
        base.signed[plain.partition("#")[0]] = url.partition("#")[0]
    return link
