"""Checks that projects which must come from one index (`index.only`) do."""

from __future__ import annotations

from collections.abc import Iterator

import tomlkit
from packaging.utils import canonicalize_name

from tfprov.errors import TfprovError
from tfprov.fetch.index import find_file
from tfprov.fetch.sources import Network
from tfprov.index_address import local_path
from tfprov.lock.records import LockedFile
from tfprov.redact import without_userinfo


def require_own_index(resolved: str, network: Network) -> None:
    """Check the files that the relay cannot withhold: uv reads folders itself, and any page of links has any project.

    Args:
        resolved: a whole PEP 751 document.
        network: of the run.

    Raises:
        TfprovError: `index-setting-invalid` when a project comes from another place than its index; the index cannot
            be read.
    """
    places = (network.simple_url, *network.further)
    if not network.only or not (network.find_links or any(local_path(place) is not None for place in places)):
        return
    for file in _files(resolved):
        own = network.only.get(file.name)
        if own is not None and not _is_from(file, own, network):
            shown, found = without_userinfo(own), without_userinfo(file.url)
            raise TfprovError(
                "index-setting-invalid",
                f"`{file.name}` must come from `{shown}` (`index.only`), and uv took it from elsewhere",
                evidence=(f"uv took `{found}`", "folders and pages of links are searched for every project"),
                hint=f"remove `{file.name}` from that place, or name that place in `index.only`",
            )


def _is_from(file: LockedFile, own: str, network: Network) -> bool:
    is_remote = local_path(own) is None
    if is_remote and local_path(file.url) is not None:
        return False
    # Without the network, uv had only pages of that index that an earlier run read.
    return (is_remote and network.offline) or find_file(file, own, network) is not None


def _files(resolved: str) -> Iterator[LockedFile]:
    """The wheels and source distributions in a document; what a requirement names by its address is not among them."""
    for package in tomlkit.parse(resolved).unwrap().get("packages", ()):
        for file in (*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())):
            url = str(file.get("url", ""))
            yield LockedFile(
                name=canonicalize_name(package["name"]),
                version=package.get("version", ""),
                filename=file.get("name") or url.partition("#")[0].rpartition("/")[2],
                url=url,
                sha256=file["hashes"].get("sha256", ""),
            )
