"""What the pipeline ends with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # An outcome is also made when there was nothing to do; then nothing behind these needs to be loaded.
    from tfprov.envs.generations import Environment
    from tfprov.envs.records import Generation
    from tfprov.events import Attempt
    from tfprov.plan.records import Decision
    from tfprov.smoke.records import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What `up` ended with.

    Attributes:
        environment: the profile's environment; its stable path leads to `generation`.
        decision: None when nothing had to be decided.
        verdict: None when nothing had to be proved; then the seal of the generation holds the last one.
        stages: wall time in seconds by stage, in order.
        bytes_fetched: moved over the network.
        bytes_reused: found in the store.
        already: True when the environment was verified before and nothing had to be done.
    """

    environment: Environment
    generation: Generation
    stages: tuple[tuple[str, float], ...]
    already: bool
    decision: Decision | None = None
    verdict: Verdict | None = None
    bytes_fetched: int = 0
    bytes_reused: int = 0
    attempts: tuple[Attempt, ...] = ()
