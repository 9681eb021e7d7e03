"""What the stages of a run hand on, and what it ends with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # An outcome is also made when there was nothing to do; then nothing behind these needs to be loaded.
    from tfprov.envs.generations import Environment
    from tfprov.envs.records import Cure, Generation
    from tfprov.events import Attempt
    from tfprov.fetch.fetch import Fetched
    from tfprov.host.records import Interpreter
    from tfprov.install.ahead import Ahead
    from tfprov.lock.records import Lock
    from tfprov.plan.records import Decision, Plan
    from tfprov.smoke.records import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The plan, and what was resolved on the way to it.

    Attributes:
        resolved: the document of the resolver, whose versions the lock takes; None when the plan needed none.
        resolved_for: the decision whose limits that document keeps; the resolver may have taken an older one.
    """

    plan: Plan
    resolved: str | None = None
    resolved_for: Decision | None = None

    def answers(self, interpreter: Interpreter) -> bool:
        """Whether the document is the lock's own: made with all limits of the plan's decision, on that interpreter."""
        decision, asked = self.plan.decision, self.resolved_for
        return (
            asked is not None
            and decision.python.path == interpreter.path
            and set(decision.constraints) <= set(asked.constraints)
            and set(decision.also) <= set(asked.also)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """The exact files of an environment, and what they are for.

    Attributes:
        plan: that the lock was made for, or that was bound to it.
        interpreter: as the lock fixes it.
    """

    plan: Plan
    interpreter: Interpreter
    lock: Lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A generation with the locked files in it.

    Attributes:
        fetched: what was brought for it; None when it was linked from an image, or was there already.
        installer: what installed it in this run; None when nothing did.
        ahead: what may still compile its modules, beside the smoke test.
    """

    locked: Locked
    generation: Generation
    fetched: Fetched | None = None
    installer: str | None = None
    ahead: Ahead | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """An installation that passed its smoke test.

    Attributes:
        cures: what it was given for that; nothing when it passed as it was installed.
    """

    installation: Installation
    verdict: Verdict
    cures: tuple[Cure, ...] = ()


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
        rolled_back: True when it stays where a rollback led to, although profile and lock ask for something else.
        changes: what changed in the environment that was in use, as people write it; None where there was none.
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
    rolled_back: bool = False
    changes: tuple[str, ...] | None = None
