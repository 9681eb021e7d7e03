"""The sources of an offline run: indexes and folders on this machine, and pages cached by earlier runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from tfprov.errors import TfprovError
from tfprov.fetch.sources import KeptPages, Network, network
from tfprov.fetch.stand_ins import stand_in
from tfprov.fetch.veil import Veil
from tfprov.host.records import Facts
from tfprov.profile.records import Profile


def local_network(profile: Profile, folder: Path, facts: Facts, environ: Mapping[str, str]) -> Network:
    """The sources of a profile that need no server: indexes and folders on this machine.

    Args:
        profile: the profile. URLs of servers are dropped before their `${NAME}` are expanded.
        folder: base of the profile's relative paths.
        facts: the machine's own index.
        environ: for `${NAME}` in paths.
    """
    index = profile.index
    local = index.model_copy(
        update={
            "url": next(iter(_local((index.url or "",))), None),
            "mirrors": (),
            "extra": _local(index.extra),
            "only": {name: url for name, url in index.only.items() if _local((url,))},
            "find_links": _folders(index.find_links),
        }
    )
    # Servers in the machine's settings are not used, so mistakes in those settings do not matter.
    quiet = replace(facts, index=replace(facts.index, value=replace(facts.index.value, invalid=())))
    found = network(profile.model_copy(update={"index": local}), folder, quiet, environ)
    return replace(
        found,
        index_url=next(iter(_local((found.index_url or "",))), None),
        extra=_local(found.extra),
        find_links=_folders(found.find_links),
        mirrors=(),
        offline=True,
        kept=_kept_pages(profile, folder, facts, environ),
    )


def _kept_pages(profile: Profile, folder: Path, facts: Facts, environ: Mapping[str, str]) -> KeptPages | None:
    """The pages that an online run would have requested; None where they cannot be determined."""
    try:
        known = network(profile, folder, facts, environ)
    except TfprovError:
        # A variable that is not set or a setting that cannot be read matters only to an online run.
        return None
    veil = Veil(dict(known.variables))
    links = (place for place in known.find_links if "://" in place and place not in _folders((place,)))
    return KeptPages(
        index=stand_in(known.simple_url, "index", veil),
        extra=tuple(stand_in(url, "index", veil) for url in known.further),
        find_links=tuple(stand_in(place, "links", veil) for place in links),
    )


def _local(urls: Iterable[str]) -> tuple[str, ...]:
    return tuple(url for url in urls if url.startswith("file://"))


def _folders(places: Iterable[str]) -> tuple[str, ...]:
    return tuple(place for place in places if "://" not in place or place.startswith("file://"))
