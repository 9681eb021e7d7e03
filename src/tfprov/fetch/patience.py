"""How long each kind of rung is repeated before the next one is tried."""

from __future__ import annotations

from dataclasses import dataclass, field

from tfprov.ladder.climb import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long each kind of rung is repeated without progress; any progress starts the count again.

    Attributes:
        normal: for all rungs but one.
        patient: for `Rung.PATIENT`; long enough for a link that is down for a while.
    """

    normal: Policy = field(default=Policy(tries=3, seconds=60.0, first_wait=0.25, longest_wait=10.0))
    patient: Policy = field(default=Policy(tries=7, seconds=60.0, first_wait=1.0, longest_wait=30.0))


PAGES = Patience(
    normal=Policy(tries=4, seconds=60.0, first_wait=0.25, longest_wait=10.0),
    # A server that refuses connections or is overloaded may be starting at the same time.
    patient=Policy(tries=8, seconds=30.0, first_wait=1.0, longest_wait=8.0),
)
"""For index pages and other small responses, of which a resolve needs many in sequence."""
