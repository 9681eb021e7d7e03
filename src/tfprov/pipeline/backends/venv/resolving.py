"""Asking uv for a document of wheels and sources, over every way that leads to the index."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from tfprov.errors import Group, TfprovError
from tfprov.events import Attempt, Emit, Event, Note
from tfprov.host.records import Facts, Interpreter
from tfprov.ladder.climb import InapplicableError, Policy, Step, TransferError, climb
from tfprov.ladder.rungs import Rung
from tfprov.lock.question import RESOLVE_SECONDS, Buildable, Builds, Pinned, Question, Resolver
from tfprov.lock.renew import renew
from tfprov.pipeline.access import IndexAccess, index_access
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.pipeline.uv import uv_executable
from tfprov.plan.offers import is_dated, moment
from tfprov.plan.records import Decision
from tfprov.plan.tags import supported_tags
from tfprov.plan.versions import bounds_of_time

_ONLY_HERE = "the network may not be used: only folders, and pages that were read before, were looked at"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Provided:
    """What conda packages bring to an environment that gets wheels as well.

    Attributes:
        python: full version of the interpreter; it is not on this machine yet.
        projects: versions of Python projects by name.
        has_tensorflow: whether TensorFlow is among them.
    """

    python: str
    projects: Mapping[str, str]
    has_tensorflow: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What wheels are resolved for.

    Attributes:
        facts: of the machine that they are for.
        interpreter: that resolves; without a path it is not on this machine, and uv resolves for its version.
        constraints: of the profile.
        bounds: constraints beside those and the decision's.
        platform: what uv calls a platform that is not the interpreter's own; None for that one.
        provided: what conda packages bring; None for none.
        build: what may be built. Beside conda packages nothing: they are not there yet to build with.
    """

    decision: Decision
    facts: Facts
    interpreter: Interpreter
    constraints: tuple[str, ...]
    bounds: tuple[str, ...] = ()
    platform: str | None = None
    provided: Provided | None = None
    build: Buildable = "never"


def ask_resolver(
    context: Context,
    machine: Machine,
    selection: Selection,
    lines: tuple[str, ...],
    *,
    prefer: Pinned,
    once: bool = False,
    alone: bool = False,
    builds: Builds = "all",
    built: tuple[str, ...] = (),
) -> str:
    """The PEP 751 document for requirements.

    Args:
        context: of the run.
        machine: gives the way to the index.
        selection: what to resolve for.
        lines: PEP 508 requirements, TensorFlow among them; what comes first is rather kept in its newest version.
        prefer: versions that are kept where they still fit.
        once: whether a conflict ends it, without a look at mirrors or fresh pages, and without a line for each try.
        alone: whether each requirement stands for itself, without what it depends on.
        builds: which packages that are not among `built` may be built, where wheels give no answer.
        built: names of what is to be built in any case.

    Raises:
        TfprovError: what the resolver said.
    """
    decision, provided, interpreter = selection.decision, selection.provided, selection.interpreter
    absent = provided is not None or not interpreter.path
    folders = context.loaded.folders
    newest = context.loaded.profile.index.exclude_newer
    # uv leaves out every file of which an index does not say when it came; the table says it of the important ones.
    is_undated = newest is not None and machine.offers is not None and not is_dated(machine.offers)
    in_time = bounds_of_time(moment(newest)) if newest is not None and is_undated else ()
    python = provided.python if provided else interpreter.version
    question = Question(
        requirements=(*lines, *(also.requirement for also in decision.also)),
        constraints=(
            *(known.requirement for known in decision.constraints),
            *selection.constraints,
            *selection.bounds,
            *in_time,
        ),
        overrides=context.loaded.profile.packages.overrides,
        exclude=(*context.loaded.profile.packages.exclude, *(each.requirement for each in decision.without)),
        hashes=MappingProxyType({}) if alone else context.loaded.hashes,
        python=Path(sys.executable if absent else interpreter.path),
        python_version=python if absent else None,
        provided=provided.projects if provided else MappingProxyType({}),
        exclude_newer=None if is_undated else newest,
        platform=selection.platform,
        prefer=prefer,
        dependencies=not alone,
        build=selection.build,
        built=built,
        builds=builds,
        folders=() if alone else tuple(folder.name for folder in folders),
        editable=tuple(folder.name for folder in folders if folder.kind == "editable"),
        left_out=tuple(folder.name for folder in folders if folder.kind == "dependencies"),
    )
    with index_access(context, machine, question.lines) as access:
        steps = _steps(context, machine, question, access, facts=selection.facts, python=python, once=once)
        policy = Policy(tries=2, deadline=context.deadline)
        emit = _without_attempts(context.emit) if once else context.emit
        try:
            return climb("lock", steps, emit=emit, skip=context.skip, policy=policy)
        except TfprovError as error:
            if not machine.network.offline:
                raise
            if error.code.group is not Group.NETWORK:
                error.evidence = (*error.evidence, _ONLY_HERE)
                raise
            raise nothing_to_resolve_from(("no page that was read before answers it", *error.evidence)) from error


def nothing_to_resolve_from(evidence: tuple[str, ...]) -> TfprovError:
    """The failure of a resolve that would need the network."""
    return TfprovError(
        "offline-missing",
        "the lock would have to be made, and the network may not be used",
        evidence=evidence,
        hint="make the lock where there is an index, with `tfprov lock`, and bring it here",
    )


def _steps(
    context: Context,
    machine: Machine,
    question: Question,
    access: IndexAccess,
    *,
    facts: Facts,
    python: str,
    once: bool,
) -> list[Step[str]]:
    """The ways to an answer. Routes and patience, and mirrors for single pages, are the relay's business."""
    network = machine.network

    def lacks_wheels(project: str) -> bool:
        return machine.lacks_wheels(project, python=python, tags=frozenset(supported_tags(python, False, facts)))

    def act(index: str | None = network.index_url, *, fresh: bool = False) -> str:
        if fresh and access.failed:
            raise InapplicableError("the network failed, and no older page was used")
        access.forget()
        resolver = Resolver(
            uv=uv_executable(),
            cache=context.tool_caches / "uv",
            environ=access.environment(index),
            bare_environ=access.environment(index, bare=True),
            find_links=access.find_links,
            merge_indexes=network.merged,
            fresh=fresh,
            disguise=access.disguise,
            truthful=access.truthful,
            failure=access.failure,
            missing_extra=lambda *found: machine.missing_extras.add(found),
            newest_source=machine.newest_source,
            lacks_wheels=lacks_wheels,
            answers=machine.answers,
            timeout=_seconds_left(context),
        )
        return renew(question, resolver, context.emit)

    mirrors = [Step(Rung.OTHER_SOURCE, partial(act, index=url)) for url in network.mirrors if not once]
    if machine.unreachable is not None:
        # Every route has been tried just now. uv would come to the same end on each of them, and take minutes for it.
        return [Step(Rung.NORMAL, partial(_fail_again, machine.unreachable)), *mirrors]
    # Without the network there are no fresh pages, and uv refuses to be asked for them.
    fresh = [] if once or network.offline else [Step(Rung.FRESH, partial(act, fresh=True))]
    return [Step(Rung.NORMAL, act), *mirrors, *fresh]


def _seconds_left(context: Context) -> float:
    """Seconds that a resolve may take: the deadline of the profile ends it, too."""
    if context.deadline is None:
        return RESOLVE_SECONDS
    return min(RESOLVE_SECONDS, max(1.0, context.deadline - time.monotonic()))


def _without_attempts(emit: Emit) -> Emit:
    """A listener to whom a try that is one of many is a detail."""

    def quietly(event: Event) -> None:
        emit(Note(text=f"lock: {event.what}", level="detail") if isinstance(event, Attempt) else event)

    return quietly


def _fail_again(known: TfprovError) -> str:
    """Fail as it failed when the index was asked.

    Raises:
        TransferError: the same failure, not worth another try.
    """
    raise TransferError(
        known.code.name,
        known.what,
        transient=False,
        evidence=known.evidence,
        tried=known.tried,
        hint=known.hint,
    ) from known
