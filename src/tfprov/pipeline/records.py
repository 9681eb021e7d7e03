"""Records that the stages of a run pass on, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # `up` also makes an `Outcome` when there is nothing to do, and then these modules need not be loaded.
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
    """The plan, with the resolver's result that it is based on.

    Attributes:
        plan: the plan.
        resolved: PEP 751 document of the resolver, whose versions the lock keeps; None when nothing was resolved.
        resolved_for: the decision whose limits the document satisfies. The plan may have an older release, because
            the resolver chose within a range.
        instead: why it is taken instead of what the lock on disk holds, as a line; empty where that counts.
    """

    plan: Plan
    resolved: str | None = None
    resolved_for: Decision | None = None
    instead: str = ""

    def answers(self, interpreter: Interpreter) -> bool:
        """Whether the document can be locked as it is: resolved for this interpreter, with all limits of the plan."""
        decision, asked = self.plan.decision, self.resolved_for
        return (
            asked is not None
            and decision.python.path == interpreter.path
            and set(decision.constraints) <= set(asked.constraints)
            and set(decision.also) <= set(asked.also)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """The exact files of an environment, with the plan and interpreter that they are for.

    Attributes:
        plan: the plan that the lock was made for, or that follows an existing lock.
        interpreter: the one that the lock is for.
        lock: the files.
    """

    plan: Plan
    interpreter: Interpreter
    lock: Lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A generation with the locked files in it.

    Attributes:
        locked: the files.
        generation: the environment on disk.
        fetched: the result of the fetch; None when it was linked from an image or existed already.
        installer: what installed the wheels in this run; None when nothing was installed.
        ahead: the process that may still be compiling its modules during the smoke test; None for none.
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
        installation: what was proved.
        verdict: the result of the test.
        cures: the cures that it needs to pass, in order; empty when it passed as installed.
    """

    installation: Installation
    verdict: Verdict
    cures: tuple[Cure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of `up`.

    Attributes:
        environment: the profile's environment; its stable path leads to `generation`.
        generation: the active generation.
        stages: wall time in seconds by stage, in order.
        already: whether the environment was verified before, so that nothing had to be built or proved.
        decision: None when nothing had to be decided.
        verdict: None when nothing had to be proved; the seal of the generation has the last one.
        bytes_fetched: bytes that came over the network.
        bytes_reused: bytes that were in the store already.
        attempts: tries of rungs, in order.
        rolled_back: whether it stays at the target of a rollback, although profile and lock ask for something else.
        changes: changes to the environment that was in use before, as lines for users; None if there was none.
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
