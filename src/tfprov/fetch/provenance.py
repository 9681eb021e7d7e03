"""The provenance objects that indexes have of files (PEP 740)."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tfprov.events import Emit
from tfprov.fetch.answers import raise_for_status
from tfprov.fetch.bounded import METADATA, body_of, response_to
from tfprov.fetch.index import find_link
from tfprov.fetch.sources import Network
from tfprov.fetch.ways import Clients, Ways
from tfprov.lock.records import LockedFile
from tfprov.redact import without_userinfo

if TYPE_CHECKING:
    import httpx

_ACCEPT = "application/vnd.pypi.integrity.v1+json, application/json;q=0.5"


def provenance_of(
    files: Sequence[LockedFile], network: Network, *, emit: Emit, deadline: float | None = None
) -> tuple[bytes | None, ...]:
    """What the first index that has a file has as its provenance, for each file; None where it has none.

    Args:
        files: to ask for.
        network: the indexes, and how to reach them.
        emit: receives an `Attempt` for every try.
        deadline: time on the monotonic clock after which nothing is waited for; None for no limit.

    Raises:
        TfprovError: an index cannot be read, or does not give what its page names.
    """
    with (
        contextlib.closing(Clients(network)) as clients,
        ThreadPoolExecutor(max_workers=network.connections, thread_name_prefix="provenance") as pool,
    ):
        ways = Ways(network=network, emit=emit, clients=clients, deadline=deadline)
        return tuple(pool.map(lambda file: _provenance(file, ways), files))


def _provenance(file: LockedFile, ways: Ways) -> bytes | None:
    network = ways.network

    def read(client: httpx.Client, url: str) -> bytes:
        address, login = without_userinfo(url), network.auth(url)
        with response_to(client, address, headers={"Accept": _ACCEPT}, auth=login) as response:
            raise_for_status(response, url)
            return body_of(response, url, METADATA)

    for index in network.indexes_of(file.name):
        link = find_link(file, index, ways)
        if link is not None:
            return ways.read(link.provenance, read) if link.provenance else None
    return None
