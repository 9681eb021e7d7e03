"""What goes wrong in benchmarks/network.py, and what a right answer to it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from loopback import Faults

MB = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What goes wrong, and what a right answer is.

    Attributes:
        code: None when the file can be had; else the failure code that tfprov must end with.
        needed: bytes that a perfect client needs, as a multiple of the file.
        mirror: faults of a second index with the same file; None for no second index.
        proxy: mode of a proxy in the environment; None for none.
        direct: whether the direct way works too.
        disk: bytes of free space; None for plenty.
        kill: kill -9 when so much of the file has arrived, then run again.
        alone: whether seconds matter, so that nothing may run beside it.
        together: whether all tools run it at one time, because the server sets the pace, and nothing beside them.
        long: whether some tools use the whole limit; such scenarios are begun first.
    """

    name: str
    faults: Faults
    code: str | None = None
    needed: float = 1.0
    mirror: Faults | None = None
    proxy: str | None = None
    login: str | None = None
    tls: str | None = None
    dead_redirect: bool = False
    disk: int | None = None
    kill: float | None = None
    alone: bool = False
    together: bool = False
    long: bool = False


def scenarios(wheel: Path) -> tuple[Scenario, ...]:
    """Every scenario for this file."""
    size = wheel.stat().st_size
    middle = size // 2
    good = Faults()
    return (
        Scenario(name="clean", faults=good, alone=True),
        Scenario(name="clean-1-gbit", faults=Faults(total_rate=125e6), alone=True),
        Scenario(name="slow-per-connection", faults=Faults(rate=5e6), together=True),
        Scenario(name="few-connections", faults=Faults(rate=8e6, connections=2), together=True),
        Scenario(name="kill-9-at-half", faults=Faults(total_rate=60e6), kill=0.5, alone=True),
        Scenario(name="cut-8mb-reset", long=True, faults=Faults(cut_every=8 * MB)),
        Scenario(name="cut-30mb-end", long=True, faults=Faults(cut_every=30 * MB, cut_with="end")),
        Scenario(name="stall-once", faults=Faults(stall_after=size // 3, stalls=1)),
        Scenario(name="stall-three-times", long=True, faults=Faults(stall_after=20 * MB, stalls=3)),
        Scenario(name="trickle-once", long=True, faults=Faults(stall_after=middle, stalls=1, trickle=1)),
        Scenario(name="trickle-after-40mb", long=True, faults=Faults(stall_after=40 * MB, trickle=1)),
        Scenario(name="trickle-always", long=True, faults=Faults(stall_after=0, trickle=1), code="net-timeout"),
        Scenario(name="503-three-times", faults=Faults(statuses=(503, 503, 503))),
        Scenario(name="429-retry-after-seconds", faults=Faults(statuses=(429, 429), retry_after="3")),
        Scenario(name="503-retry-after-date", faults=Faults(statuses=(503, 503), retry_after="date")),
        Scenario(name="503-always", long=True, faults=Faults(always_status=503), code="mirror-http-error"),
        Scenario(name="403-always", faults=Faults(always_status=403), code="mirror-http-error"),
        Scenario(name="truncated", long=True, faults=Faults(truncate=1000), code="hash-mismatch"),
        Scenario(name="byte-flipped-once", faults=Faults(flips=(size // 3,), flip_times=1)),
        Scenario(name="byte-flipped-in-cache", faults=Faults(flips=(size // 3,), flips_cached=True)),
        Scenario(name="byte-flipped-mirror-good", faults=Faults(flips=(size // 3,)), mirror=good),
        Scenario(name="byte-flipped-always", faults=Faults(flips=(size // 3,)), code="hash-mismatch"),
        Scenario(name="no-ranges", faults=Faults(ignore_ranges=True)),
        Scenario(
            name="no-ranges-cut-once",
            long=True,
            faults=Faults(ignore_ranges=True, stall_after=middle, stalls=1),
            needed=1.5,
        ),
        Scenario(name="wrong-ranges", long=True, faults=Faults(range_shift=1000, stall_after=30 * MB, stalls=1)),
        Scenario(name="file-changes", faults=Faults(changes_after=1, stall_after=30 * MB, stalls=1)),
        Scenario(name="etag-flaps-and-cuts", long=True, faults=Faults(etag="flap", cut_every=30 * MB)),
        Scenario(name="no-length-no-etag", faults=Faults(chunked=True, ignore_ranges=True, etag="no")),
        Scenario(name="redirect-to-dead-host", faults=good, dead_redirect=True, mirror=good),
        Scenario(name="dead-for-15-s", long=True, faults=Faults(dead_for=15.0)),
        Scenario(name="proxy-dead", long=True, faults=good, proxy="dead"),
        Scenario(name="proxy-silent", long=True, faults=good, proxy="silent"),
        Scenario(name="proxy-with-login", faults=good, proxy="good", login="user:secret"),
        Scenario(name="proxy-407", faults=good, proxy="refuses", login="user:secret", code="net-proxy"),
        Scenario(name="certificate-expired", long=True, faults=good, tls="expired", code="net-tls-cert"),
        Scenario(name="login-page", faults=Faults(portal=True), code="net-portal"),
        Scenario(name="disk-full", faults=good, disk=100 * MB, code="disk-full"),
    )
