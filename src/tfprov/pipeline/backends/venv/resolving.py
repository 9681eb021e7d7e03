"""Resolves with uv, over every route and mirror of the index."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from packaging.utils import canonicalize_name

from tfprov.errors import Group, TfprovError
from tfprov.events import Attempt, Emit, Event, Note
from tfprov.host.records import Facts, Interpreter
from tfprov.ladder.climb import InapplicableError, Policy, Step, TransferError, climb
from tfprov.ladder.rungs import Rung
from tfprov.lock.question import RESOLVE_SECONDS, Buildable, Builds, Pinned, Question, Resolver
from tfprov.lock.renew import renew
from tfprov.pipeline.access import IndexAccess, index_access
from tfprov.pipeline.backends.venv.bound import require_own_index
from tfprov.pipeline.backends.venv.lock_on_disk import older_versions
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.pipeline.uv import uv_executable
from tfprov.plan.offers import is_dated
from tfprov.plan.records import Decision
from tfprov.plan.tags import supported_tags
from tfprov.plan.versions import bounds_of_time
from tfprov.times import moment

_BEFORE_IT_FAILED = ("sklearn<0.0.post1",)
"""Old packages depend on this empty package, which requires `scikit-learn`; later versions refuse to be built."""
_ONLY_HERE = "the network may not be used: only folders, and pages that were read before, were looked at"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Provided:
    """What conda packages provide in an environment that gets wheels as well.

    Attributes:
        python: full version of the interpreter, which is not on this machine yet.
        projects: versions of the Python projects by normalised name.
        has_tensorflow: whether TensorFlow is a conda package.
    """

    python: str
    projects: Mapping[str, str]
    has_tensorflow: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What to resolve wheels for.

    Attributes:
        decision: interpreter, TensorFlow release and variant.
        facts: of the machine that the wheels are for.
        interpreter: the interpreter; without a path it is not on this machine, and uv resolves for its version.
        constraints: those of the profile.
        bounds: constraints in addition to those of the profile and the decision.
        platform: uv's name of the platform; None for the interpreter's own.
        provided: what conda packages provide; None for none.
        build: what may be built from source. Nothing with conda packages: they are not installed yet to build with.
    """

    decision: Decision
    facts: Facts
    interpreter: Interpreter
    constraints: tuple[str, ...]
    bounds: tuple[str, ...] = ()
    platform: str | None = None
    provided: Provided | None = None
    build: Buildable = "never"

    @property
    def python(self) -> str:
        """Version of the Python that the wheels are for."""
        return self.provided.python if self.provided else self.interpreter.version


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
    """Resolve requirements; returns a PEP 751 document.

    Args:
        context: of the run.
        machine: provides the network, and the results of earlier resolves.
        selection: what to resolve for.
        lines: PEP 508 requirements, TensorFlow among them; earlier ones are more likely to get their newest version.
        prefer: versions to keep where they still fit.
        once: whether a failure is final: mirrors and fresh pages are not tried, and tries are reported only as details.
        alone: whether to resolve the requirements without their dependencies, hashes and local folders.
        builds: which projects other than those in `built` may be built if wheels alone give no solution.
        built: projects to build from source in any case.

    Raises:
        TfprovError: the resolver's failure; `offline-missing` when it needs pages that are not on this machine;
            `index-setting-invalid` when a project comes from another place than `index.only` says.
    """
    question = _question(context, machine, selection, lines, prefer=prefer, alone=alone, builds=builds, built=built)
    with index_access(context, machine, question.lines) as access:
        steps = _steps(context, machine, question, access, facts=selection.facts, python=selection.python, once=once)
        policy = Policy(tries=2, deadline=context.deadline)
        emit = _without_attempts(context.emit) if once else context.emit
        try:
            resolved = climb("lock", steps, emit=emit, skip=context.skip, policy=policy)
        except TfprovError as error:
            if not machine.network.offline:
                raise
            if error.code.group is not Group.NETWORK:
                error.evidence = (*error.evidence, _ONLY_HERE)
                raise
            raise nothing_to_resolve_from(("no page that was read before answers it", *error.evidence)) from error
    require_own_index(resolved, machine.network)
    return resolved


def _question(
    context: Context,
    machine: Machine,
    selection: Selection,
    lines: tuple[str, ...],
    *,
    prefer: Pinned,
    alone: bool,
    builds: Builds,
    built: tuple[str, ...],
) -> Question:
    """What the resolver is asked; the arguments are those of `ask_resolver`."""
    decision, provided, interpreter = selection.decision, selection.provided, selection.interpreter
    absent = provided is not None or not interpreter.path
    folders = context.loaded.folders
    newest = context.loaded.profile.index.exclude_newer
    # With `--exclude-newer`, uv ignores all files without an upload time. On an index that gives none, the dates in
    # the compat table limit the most important packages instead.
    is_undated = newest is not None and machine.offers is not None and not is_dated(machine.offers)
    in_time = bounds_of_time(moment(newest)) if newest is not None and is_undated else ()
    packages = context.loaded.profile.packages
    return Question(
        requirements=(*lines, *(also.requirement for also in decision.also)),
        constraints=(
            *(known.requirement for known in decision.constraints),
            *selection.constraints,
            *selection.bounds,
            *in_time,
            *_BEFORE_IT_FAILED,
        ),
        overrides=packages.overrides,
        exclude=(*packages.exclude, *(each.requirement for each in decision.without)),
        hashes=MappingProxyType({}) if alone else context.loaded.hashes,
        python=Path(sys.executable if absent else interpreter.path),
        python_version=selection.python if absent else None,
        provided=provided.projects if provided else MappingProxyType({}),
        exclude_newer=None if is_undated else newest,
        platform=selection.platform,
        prefer=prefer,
        dependencies=not alone,
        build=selection.build,
        built=built,
        # Beside conda packages nothing is built: there is no interpreter yet.
        sources=() if provided or alone else tuple(map(canonicalize_name, packages.no_binary)),
        never_built=tuple(map(canonicalize_name, packages.only_binary)),
        prereleases=packages.prereleases == "all",
        builds=builds,
        folders=() if alone else tuple(folder.name for folder in folders),
        editable=tuple(folder.name for folder in folders if folder.kind == "editable"),
        left_out=tuple(folder.name for folder in folders if folder.kind == "dependencies"),
    )


def nothing_to_resolve_from(evidence: tuple[str, ...]) -> TfprovError:
    """The failure of a resolve that needs the network when it must not be used.

    Args:
        evidence: why the lock has to be made, or what is missing.
    """
    return TfprovError(
        "offline-missing",
        "a lock has to be made, but the network may not be used",
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
    """The steps of the climb: the index, its mirrors, fresh pages.

    Retries, other routes, and mirrors for single pages are handled by the relay.
    """
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
            sparing_environ=(
                access.environment(index, bare=True, wheels_first=facts.system.value) if access.can_hide else None
            ),
            find_links=access.find_links,
            merge_indexes=network.merged,
            fresh=fresh,
            disguise=access.disguise,
            truthful=access.truthful,
            failure=access.failure,
            missing_extra=lambda *found: machine.missing_extras.add(found),
            newest_source=machine.newest_source,
            has_wheels=machine.has_wheels,
            only_sources=machine.only_sources,
            lacks_wheels=lacks_wheels,
            answers=machine.answers,
            timeout=_seconds_left(context),
        )
        return renew(question, resolver, context.emit, whose=_whose(context, question.prefer))

    mirrors = [Step(Rung.OTHER_SOURCE, partial(act, index=url)) for url in network.mirrors if not once]
    if machine.unreachable is not None:
        # Every route has just been tried. uv would fail in the same way, but take minutes on each of them.
        return [Step(Rung.NORMAL, partial(_fail_again, machine.unreachable)), *mirrors]
    # Without a network there are no fresh pages, and uv rejects the option for them.
    fresh = [] if once or network.offline else [Step(Rung.FRESH, partial(act, fresh=True))]
    return [Step(Rung.NORMAL, act), *mirrors, *fresh]


def _whose(context: Context, prefer: Pinned) -> str:
    """What the preferred versions are, for messages; empty where they are those of an earlier resolve of this run."""
    if prefer != older_versions(context):
        return ""
    return "the lock's" if context.lock_path.exists() and not context.request.upgrade else "the preferred"


def _seconds_left(context: Context) -> float:
    """Seconds that a resolve may take: at most until the deadline of the run."""
    return RESOLVE_SECONDS if context.left is None else min(RESOLVE_SECONDS, max(1.0, context.left))


def _without_attempts(emit: Emit) -> Emit:
    """A listener that gets attempts as detail notes, for resolves that are only one of many."""

    def quietly(event: Event) -> None:
        emit(Note(text=f"lock: {event.what}", level="detail") if isinstance(event, Attempt) else event)

    return quietly


def _fail_again(known: TfprovError) -> str:
    """Raise the earlier failure to reach the index again.

    Raises:
        TransferError: the same failure, which is not retried.
    """
    raise TransferError(
        known.code.name,
        known.what,
        transient=False,
        evidence=known.evidence,
        tried=known.tried,
        hint=known.hint,
    ) from known


def taken_instead_of(package: str, taken: str = "tensorflow") -> str:
    """The note for users that another distribution replaces the chosen one, because a package depends on its name."""
    text = f"another package needs `{taken}`: it is taken instead of `{package}`"
    if package == "tensorflow-cpu":
        text += '; `packages.exclude = ["tensorflow"]` keeps the smaller one, which has the same modules'
    return text
