"""The lock stage: whether the lock is good as it is, and making a new one."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.fetch.index import listing
from tfprov.fetch.routes import Route
from tfprov.host.records import Facts, Interpreter
from tfprov.ladder.climb import Policy, Step, TransferError, climb
from tfprov.ladder.rungs import Rung
from tfprov.lock import platforms, pylock
from tfprov.lock.records import Header, Inputs, Lock, Target
from tfprov.lock.resolve import Question, Resolver, is_tensorflow, resolve, tensorflows_in
from tfprov.paths import temporary
from tfprov.pipeline import elsewhere
from tfprov.pipeline.run import Run
from tfprov.pipeline.tools import uv_executable
from tfprov.plan.compat import table
from tfprov.plan.records import Decision, Listing, LockedChoice, Plan
from tfprov.plan.tags import marker_environment, supported_tags
from tfprov.process import clean_environment
from tfprov.profile.records import Loaded, Profile
from tfprov.redact import without_userinfo

# Nobody answered at all: asking again with another tool is asking the same nobody.
_DEAD = frozenset({"net-refused", "net-dns", "net-timeout", "net-proxy"})


@dataclasses.dataclass(frozen=True, slots=True)
class Unreachable:
    """The index was asked in this run, on every route, and could not be reached."""

    error: TfprovError

    def again(self) -> str:
        """Fail as it failed then.

        Raises:
            TransferError: the same failure, not worth another try.
        """
        known = self.error
        raise TransferError(
            known.code.name,
            known.what,
            transient=False,
            evidence=known.evidence,
            tried=known.tried,
            hint=known.hint,
        ) from known


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


def lock(run: Run) -> Lock:
    """The files for this machine, from the lock on disk; the lock is made or renewed first where that is needed.

    Raises:
        TfprovError: `lock-missing` or `lock-unfit` where it may not be; what the resolver said.
    """
    path = run.lock_path
    changes = why_resolve(run)
    if changes:
        if run.request.locked:
            code = "lock-unfit" if path.exists() else "lock-missing"
            raise TfprovError(code, f"`{path}` may not be made or changed, and would have to be", evidence=changes)
        if run.network.offline and run.network.index_url is None and not run.network.find_links:
            raise TfprovError(
                "offline-missing",
                "the lock would have to be made, and the network may not be used",
                evidence=changes,
                hint="make the lock where there is an index, with `tfprov lock`, and bring it here",
            )
        for change in changes:
            run.emit(Note(text=f"resolving: {change}", level="detail"))
        bounds = _kept_bounds(run)
        resolved, target, others = _resolve(run, bounds)
        header = Header(inputs=inputs(run.loaded), target=target, others=others, bounds=bounds)
        pylock.write(path, resolved, header)
    return _read(run, path, changes)


def bound(run: Run, bounds: tuple[str, ...], path: Path) -> tuple[Lock, bytes]:
    """A lock with more bounds than the profile asks for, written elsewhere; the lock, and what is in its file.

    Args:
        run: its own lock stays as it is.
        bounds: PEP 508 lines that the smoke test asks for.
        path: where to write it.

    Raises:
        TfprovError: what the resolver said.
    """
    resolved, target, others = _resolve(run, bounds)
    pylock.write(path, resolved, Header(inputs=inputs(run.loaded), target=target, others=others, bounds=bounds))
    return _read(run, path, tuple(f"the smoke test asks for `{each}`" for each in bounds)), path.read_bytes()


def may_be_bound(run: Run) -> bool:
    """Whether this run may change its lock."""
    # A conda lock holds wheels that were resolved for what conda brings; it is not bound on the way.
    return not run.request.locked and run.loaded.profile.environment.kind != "conda"


def _kept_bounds(run: Run) -> tuple[str, ...]:
    """Bounds that an earlier smoke test needed with the release that is locked now, unless an upgrade is asked for."""
    path = run.lock_path
    header = pylock.read_header(path) if path.exists() and not run.request.upgrade else None
    if header is None or header.target.version != run.get(Plan).decision.tensorflow.version:
        return ()
    return header.bounds


def _read(run: Run, path: Path, changes: tuple[str, ...]) -> Lock:
    facts, interpreter = run.get(Facts), run.get(Interpreter)
    return pylock.read(
        path,
        environment=marker_environment(interpreter.version, interpreter.implementation, facts),
        tags=supported_tags(interpreter.version, interpreter.free_threaded, facts),
        platform=platform_of(facts),
        changes=changes,
    )


def why_resolve(run: Run) -> tuple[str, ...]:
    """Why the lock must be made or renewed, a line each; empty when it is good as it is."""
    path = run.lock_path
    if not path.exists():
        return ("there is no lock yet",)
    if run.request.upgrade:
        pylock.check_ours(path)
        return ("an upgrade was asked for",)
    header = pylock.read_header(path)
    return () if header is None else inputs(run.loaded).changes_from(header.inputs)


def inputs(loaded: Loaded) -> Inputs:
    """What a lock of the profile depends on."""
    profile = loaded.profile
    return Inputs(
        profile=profile.name,
        tensorflow=profile.tensorflow.version or "",
        accelerator=profile.tensorflow.accelerator,
        python=profile.python.version or "",
        requirements=loaded.requirements,
        constraints=loaded.constraints,
        index=without_userinfo(profile.index.url or ""),
        extra=tuple(without_userinfo(url) for url in profile.index.extra),
        find_links=profile.index.find_links,
        exclude_newer=profile.index.exclude_newer or "",
        platforms=profile.lock.platforms,
    )


def platform_of(facts: Facts) -> str:
    """The platform of the facts as locks name it: `linux-x86_64-glibc`."""
    libc = facts.libc.value
    return "-".join(filter(None, (facts.system.value, facts.machine.value, libc.kind if libc else "")))


def locked_choice(run: Run) -> LockedChoice | None:
    """What an up-to-date lock holds, for the plan to be bound to; None when a lock will be made."""
    if run.request.upgrade or run.request.host is not None:
        return None
    header = pylock.read_header(run.lock_path)
    if header is None or inputs(run.loaded).changes_from(header.inputs):
        return None
    here = platform_of(run.get(Facts))
    target = header.target_on(here)
    if target is None:
        raise TfprovError(
            "lock-unfit",
            f"`{run.lock_path.name}` was made for another machine",
            evidence=(f"it holds files for {header.platforms}; this machine is {here}",),
        )
    return LockedChoice(
        package=target.package, version=target.version, python_minor=target.python, accelerator=target.accelerator
    )


def _resolve(run: Run, bounds: tuple[str, ...]) -> tuple[str, Target, tuple[Target, ...]]:
    """The document, what it holds for this machine, and for the other platforms that the profile names.

    Args:
        run: with its plan.
        bounds: constraints beside those of the plan and the profile.
    """
    facts, decision, path = run.get(Facts), run.get(Plan).decision, run.lock_path
    older = path if path.exists() and not run.request.upgrade else None
    resolved, target = resolve_for(run, decision, facts, bounds, prefer=older)
    profile = as_asked(run.loaded)
    if not elsewhere.others(profile, facts):
        return resolved, target, ()
    documents, others = {elsewhere.name_of(facts): resolved}, []
    with temporary("prefer") as folder:
        prefer = folder / "pylock.toml"
        prefer.write_text(platforms.preferences(resolved, older.read_text("utf-8") if older else None), "utf-8")
        for there in elsewhere.decisions(
            profile, facts, decision, python=target.python, table=table(), listing=offers(run)
        ):
            run.emit(Note(text=f"resolving for {there.name}", level="detail"))
            documents[there.name], other = resolve_for(
                run, there.decision, there.facts, bounds, prefer=prefer, platform=there.platform.triple
            )
            others.append(other)
    return platforms.merge(documents, python=target.python), target, tuple(others)


def resolve_for(
    run: Run,
    decision: Decision,
    facts: Facts,
    bounds: tuple[str, ...],
    *,
    prefer: Path | None,
    platform: str | None = None,
    conda: Provided | None = None,
) -> tuple[str, Target]:
    """The PEP 751 document of the wheels for a decision, and what it holds."""
    chosen = decision.tensorflow
    version = conda.python if conda else run.get(Interpreter).version
    ask = partial(_ask_resolver, run, decision, bounds, prefer=prefer, platform=platform, conda=conda)
    target = Target(
        package=chosen.package,
        version=chosen.version,
        extras=chosen.extras,
        accelerator=chosen.accelerator,
        python=".".join(version.split(".")[:2]),
        platform=platform_of(facts),
    )
    resolved = ask(target)
    found = tensorflows_in(resolved)
    if len(found) > 1 and "tensorflow" in found:
        # Something asks for `tensorflow` by name. Both distributions own the same files, so the full one serves all.
        run.emit(Note(text=f"another package needs `tensorflow`: it is taken instead of `{chosen.package}`"))
        target = dataclasses.replace(target, package="tensorflow")
        resolved = ask(target)
    found = tensorflows_in(resolved)
    if len(found) > 1:
        raise TfprovError(
            "resolver-conflict",
            "more than one distribution of TensorFlow would be installed",
            evidence=(", ".join(f"`{name}`" for name in found),),
            hint="only one of them may be asked for; look at what your requirements depend on",
        )
    return resolved, target


def _ask_resolver(
    run: Run,
    decision: Decision,
    bounds: tuple[str, ...],
    target: Target,
    *,
    prefer: Path | None,
    platform: str | None,
    conda: Provided | None = None,
) -> str:
    loaded = run.loaded
    extras = f"[{','.join(target.extras)}]" if target.extras else ""
    question = Question(
        requirements=(
            *(() if conda and conda.has_tensorflow else (f"{target.package}{extras}=={target.version}",)),
            *(also.requirement for also in decision.also),
            *(text for text in loaded.requirements if not is_tensorflow(text)),
        ),
        constraints=(*(known.requirement for known in decision.constraints), *loaded.constraints, *bounds),
        python=Path(sys.executable if conda else run.get(Interpreter).path),
        python_version=conda.python if conda else None,
        provided=conda.projects if conda else MappingProxyType({}),
        exclude_newer=loaded.profile.index.exclude_newer,
        platform=platform,
        prefer=prefer,
    )
    network, down = run.network, run.find(Unreachable)
    # Routes that failed when the index was asked come last.
    first, *others = network.ordered_routes()
    patience = {
        "UV_HTTP_TIMEOUT": str(int(network.idle_timeout * 4)),
        "UV_HTTP_RETRIES": "8",
        "UV_CONCURRENT_DOWNLOADS": "2",
    }

    def act(
        route: Route = first,
        index: str | None = network.index_url,
        more: Mapping[str, str] = MappingProxyType({}),
        *,
        fresh: bool = False,
    ) -> str:
        if index:
            route.check(index)
        indexes = {"UV_DEFAULT_INDEX": network.with_login(index)} if index else {}
        if network.extra:
            indexes["UV_INDEX"] = " ".join(map(network.with_login, network.extra))
        environ = clean_environment(run.request.environ, **network.tool_environment(route))
        resolver = Resolver(
            uv=uv_executable(),
            cache=run.home.cache / "uv",
            environ={
                **environ,
                **({"UV_OFFLINE": "1"} if network.offline else {}),
                "UV_HTTP_TIMEOUT": str(int(network.idle_timeout)),
                **indexes,
                **more,
            },
            find_links=network.places,
            merge_indexes=network.merged,
            fresh=fresh,
        )
        return resolve(question, resolver)

    mirrors = [Step(Rung.OTHER_SOURCE, partial(act, index=url)) for url in network.mirrors]
    steps = [
        Step(Rung.NORMAL, act),
        Step(Rung.PATIENT, partial(act, more=patience)),
        *(Step(Rung.OTHER_ROUTE, partial(act, route=route)) for route in others),
        *mirrors,
        Step(Rung.FRESH, partial(act, fresh=True, more=patience)),
    ]
    if down is not None:
        # Every route has been tried just now. uv would come to the same end on each of them, and take minutes for it.
        steps = [Step(Rung.NORMAL, down.again), *mirrors]
    policy = Policy(tries=2, deadline=run.deadline)
    return climb("lock", steps, emit=run.emit, skip=loaded.profile.strategies.skip, policy=policy)


def as_asked(loaded: Loaded) -> Profile:
    """The profile with the lines of its requirements files among its requirements."""
    packages = loaded.profile.packages.model_copy(
        update={"requirements": loaded.requirements, "constraints": loaded.constraints}
    )
    return loaded.profile.model_copy(update={"packages": packages})


def offers(run: Run) -> Listing | None:
    """What the index has of TensorFlow, asked once; None, with a note, when it cannot be asked now."""
    known = run.find(Listing)
    if known is not None:
        return known
    if (run.network.offline and run.network.index_url is None) or run.find(Unreachable) is not None:
        return None
    try:
        found = listing(("tensorflow", "tensorflow-cpu"), run.network, emit=run.emit)
    except TfprovError as error:
        run.emit(
            Note(
                text=f"the index could not be asked which releases it has ({error.what}); the table that comes with "
                "tfprov decides",
                level="warning",
            )
        )
        if error.code.name in _DEAD:
            run.put(Unreachable(error))
        return None
    run.put(found)
    return found
