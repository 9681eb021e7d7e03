"""Files so big that they are read straight from the socket: through a pipe of the system, and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from hurry import HURRY
from loopback import Faults, Index, wheel
from tfprov.fetch import pipes
from tfprov.fetch.fetch import fetch
from tfprov.fetch.pipes import Pipe
from tfprov.fetch.sources import Network
from tfprov.fetch.store import Store
from tfprov.lock.records import LockedFile

MB = 1024 * 1024
NAME = "thing-1.0-py3-none-any.whl"
CONTENT = wheel("thing", "1.0", size=60 * MB, members=7)
SIZE = len(CONTENT)

CURABLE = {
    "nothing": (Faults(), 1.0),
    "reset every 17 MB": (Faults(cut_every=17 * MB), 1.1),
    "end every 21 MB": (Faults(cut_every=21 * MB, cut_with="end"), 1.02),
    "one connection goes silent": (Faults(stall_after=25 * MB, stalls=1), 1.1),
    "one connection trickles": (Faults(stall_after=25 * MB, stalls=1, trickle=5), 1.1),
    "one damaged byte, once": (Faults(flips=(30 * MB,), flip_times=1), 1.2),
    "no ranges": (Faults(ignore_ranges=True), 1.0),
    "no ranges, and silent in the middle once": (Faults(ignore_ranges=True, stall_after=40 * MB, stalls=1), 1.8),
    "no length": (Faults(chunked=True, ignore_ranges=True), 1.0),
    "slow": (Faults(rate=40e6), 1.02),
}


@pytest.mark.parametrize("piped", [True, False])
@pytest.mark.parametrize("name", CURABLE)
def test_what_is_read_straight_arrives_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, piped: bool
) -> None:
    faults, most = CURABLE[name]
    held: list[int] = []
    drain = Pipe.drain

    def counted(pipe: Pipe, file: int, offset: int) -> None:
        held.append(len(pipe))
        drain(pipe, file, offset)

    monkeypatch.setattr(Pipe, "drain", counted)
    if not piped:
        monkeypatch.setattr(pipes, "AVAILABLE", False)
    with Index({NAME: CONTENT}, faults) as index:
        file = LockedFile(
            name="thing", version="1.0", filename=NAME, url=index.url(NAME), sha256=index.sha256(NAME), size=SIZE
        )
        network = Network(index_url=index.simple, connect_timeout=3.0, idle_timeout=1.0)
        fetched = fetch([file], store=Store(tmp_path), network=network, emit=lambda event: None, patience=HURRY)
        fetched.flusher.wait()
        assert fetched.paths[file.sha256].read_bytes() == CONTENT
        assert index.sent <= most * SIZE
    assert list((tmp_path / "partial").iterdir()) == []
    straight = faults.chunked is False and faults.rate is None
    if straight and pipes.AVAILABLE:
        assert sum(held) > 16 * MB
    if not piped:
        assert held == []
