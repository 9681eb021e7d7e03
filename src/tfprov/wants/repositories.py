"""Addresses of git repositories, as people and other tools write them."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

_ARCHIVE_OF = re.compile(r"/(?P<name>[^/]+)/(?:-/)?(?:archive|zipball|tarball)/")
# `git@host:path`, and the same behind a scheme, where the part after the colon is no port.
_SHORT_SSH = re.compile(r"^git\+(?:(?:git\+)?ssh://)?(?P<login>[\w.-]+@[\w.-]+):/*(?P<path>(?!\d+(?:/|$))\S.*)$")
_UNENCRYPTED = "git+git://"


def repository_of(address: str) -> str:
    """The name of the repository in its address, or in that of an archive of it; empty where it has none."""
    path = unquote(urlsplit(address.removeprefix("git+")).path)
    archive = _ARCHIVE_OF.search(path)
    last = archive["name"] if archive else path.rstrip("/").rpartition("/")[2].partition("@")[0].removesuffix(".git")
    if not (archive or address.startswith("git+")):
        return ""
    try:
        canonicalize_name(last, validate=True)
    except ValueError:
        return ""
    return last


def usual(address: str) -> tuple[str, str]:
    """The address of a repository in the form that a resolver reads, and why it is another; that is empty if not.

    Args:
        address: begins with `git+`.
    """
    if short := _SHORT_SSH.match(address):
        return f"git+ssh://{short['login']}/{short['path']}", "the path of an ssh address stands behind a slash"
    if address.startswith(_UNENCRYPTED):
        return f"git+https://{address.removeprefix(_UNENCRYPTED)}", "git's own protocol is not encrypted"
    return address, ""
