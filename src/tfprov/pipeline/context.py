"""A run of a command: what was asked, the profile it is about, where things are kept, and who is told."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, Literal, ParamSpec, TypeVar

from tfprov import paths
from tfprov.envs.generations import Environment, environment_id
from tfprov.envs.records import Generation, Owner
from tfprov.errors import TfprovError
from tfprov.events import Attempt, Emit, Event, Note, StageEnded, StageStarted, fan_out
from tfprov.journal import Journal
from tfprov.pipeline.backends.choose import Backend, backend_of
from tfprov.pipeline.named import profile_of
from tfprov.pipeline.standing import Standing
from tfprov.profile import source
from tfprov.profile.source import ProfileSource, place_of

if TYPE_CHECKING:
    from tfprov.bundle.opened import Bundle
    from tfprov.host.records import MachineChange
    from tfprov.profile.records import Loaded

_LINK = ("environment", "path")
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a command asks for.

    Attributes:
        profile: path or name of a shipped profile.
        cwd: what a relative path is relative to.
        environ: variables of this process.
        overrides: `key=value` from the command line.
        upgrade: renew the lock.
        locked: fail rather than make or change a lock.
        recreate: build anew although the environment is verified.
        thorough: trust no file by its size and time, only by its hash.
        host: facts of another machine to plan for; None for this one.
        offline: no network: only what is here may be used.
        bundle: a bundle to take everything from, then older ones that have what it lacks; none when empty.
        lock: the lock file; None for the usual place.
        keep_rollback: whether to stay where a rollback led to, and ask no more; None to fail and let the user choose.
        drift: what becomes of packages that were installed by hand: `take` them into the profile, `drop` them, or say
            what they are.
        content: of the profile, which need not be written yet; None for what its file says.
        prefer: versions to take where they fit while there is no lock, by normalised name.
        name_indexes: whether to say which index serves which package, which every index has to be asked for.
    """

    profile: str
    cwd: Path
    environ: Mapping[str, str]
    overrides: tuple[str, ...] = ()
    upgrade: bool = False
    locked: bool = False
    recreate: bool = False
    thorough: bool = False
    host: Path | None = None
    offline: bool = False
    bundle: tuple[str, ...] = ()
    lock: Path | None = None
    keep_rollback: bool | None = None
    drift: Literal["", "take", "drop"] = ""
    content: bytes | None = None
    prefer: tuple[tuple[str, str], ...] = ()
    name_indexes: bool = False


class Context:
    """One run of a command.

    Attributes:
        request: what was asked.
        bundle: where the wheels come from; None for the network.
        home: where things are kept.
        journal: the record of this run.
        emit: tells every listener, the journal included.
        attempts: tries of rungs so far.
        seconds: wall time of each finished stage, in order.
    """

    def __init__(self, request: Request, emit: Emit, *, bundle: Bundle | None = None) -> None:
        self.request = request
        self.bundle = bundle
        self.home = paths.home(request.environ)
        self.journal = Journal()
        self.attempts: list[Attempt] = []
        self.seconds: list[tuple[str, float]] = []
        self.emit = fan_out(self._collect, self.journal, emit)
        self._started = time.monotonic()
        self._damaged: int | None = None
        self._standing = Standing(request.environ)
        self._told: tuple[MachineChange, ...] = ()
        self._looked_at: dict[int, bool] = {}

    @functools.cached_property
    def _profile(self) -> ProfileSource | Loaded:
        """The profile; its source alone when its very text is what the environment in use was verified from."""
        request = self.request
        if request.content is not None:
            return self._load(request.cwd / request.profile, shipped=False)
        path, shipped = profile_of(request.profile, cwd=request.cwd, home=self.home)
        if not request.overrides:
            seen = source.glance(path, shipped=shipped)
            active = environment_of(seen, self.home).active() if seen else None
            if active and active.seal and seen and active.seal.profile_digest == seen.digest:
                return seen
        return self._load(path, shipped=shipped)

    @functools.cached_property
    def loaded(self) -> Loaded:
        """The profile and where it came from; checked now if that was not needed so far.

        Raises:
            TfprovError: `profile-invalid`.
        """
        found = self._profile
        return self._load(found.path, shipped=found.shipped) if isinstance(found, ProfileSource) else found

    @functools.cached_property
    def source(self) -> ProfileSource:
        """Whose environment the profile is about."""
        return self._profile if isinstance(self._profile, ProfileSource) else self._profile.source

    @functools.cached_property
    def environment(self) -> Environment:
        """The environment that the profile names."""
        return environment_of(self.source, self.home)

    @functools.cached_property
    def backend(self) -> Backend:
        """What makes environments of the kind that the profile asks for."""
        return backend_of(self.source.kind)

    @property
    def deadline(self) -> float | None:
        """Moment on the monotonic clock when the run must end; None for never."""
        limit = self.loaded.profile.network.deadline
        return None if limit is None else self._started + limit

    @property
    def skip(self) -> tuple[str, ...]:
        """Rungs that the profile does not want."""
        return self.loaded.profile.strategies.skip

    @property
    def lock_path(self) -> Path:
        """The lock file: beside the profile, or with the environment where nothing may be written beside it."""
        if self.request.lock is not None:
            return self.request.lock
        folder, name = self.source.path.parent, self.backend.lock_name(self.source.name)
        beside = folder / name
        if not self.source.shipped and (beside.exists() or paths.writable(folder)):
            return beside
        return self.environment.root / name

    @functools.cached_property
    def tool_caches(self) -> Path:
        """Folder of the caches that uv and virtualenv lock; until this process ends where ours has no locks."""
        from tfprov import locks

        if locks.possible(paths.nearest_folder(self.home.cache)):
            return self.home.cache
        lasting = contextlib.ExitStack()
        atexit.register(lasting.close)
        return lasting.enter_context(paths.temporary("caches"))

    def open_journal(self) -> None:
        """Write the record of this run to a new file from now on."""
        self.journal.open(self.home.journals / self.environment.id, now=datetime.now(timezone.utc))

    @contextlib.contextmanager
    def journalled(self) -> Iterator[Context]:
        """Let the journal hold how the run ended, and close it."""
        try:
            yield self
            self.journal.write("End", {"code": None})
        except TfprovError as error:
            ending = {"code": error.code.name, "what": error.what, "evidence": error.evidence, "tried": error.tried}
            self.journal.write("End", {**ending, "hint": error.hint})
            raise
        except BaseException as error:
            self.journal.write("End", {"code": "interrupted" if isinstance(error, KeyboardInterrupt) else "internal"})
            raise
        finally:
            self.journal.close()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the environment; when another run has it, say so and wait for it."""
        environment = self.environment
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(environment.locked(timeout=0))
            except TfprovError as error:
                if error.code.name != "lock-timeout":
                    raise
                self.emit(Note(text=f"{error.what}: waiting for it", level="warning"))
                held.enter_context(environment.locked())
            yield

    def is_whole(self, generation: Generation) -> bool:
        """Whether a generation is as it was when it was verified; says so, once a run, when it is not."""
        self._standing.begin(generation)
        if generation.number == self._damaged or not self._as_installed(generation):
            return False
        flaw = self.environment.flaw(generation)
        if flaw is None:
            return True
        self._damaged = generation.number
        word = "damaged" if flaw.code == "file-damaged" else "unusable"
        self.emit(Note(text=f"the environment is {word}: {flaw.words}; building it anew", level="warning"))
        return False

    def changes(self, generation: Generation) -> tuple[MachineChange, ...]:
        """What of this machine is not as it was when a generation was proved; says so, once a run."""
        found = self._standing.changes(generation)
        if found and found != self._told:
            self._told = found
            what = "; ".join(map(str, found))
            self.emit(
                Note(text=f"the machine is not the one that was proved ({what}): proving it again", level="warning")
            )
        return found

    def _as_installed(self, generation: Generation) -> bool:
        """Whether nobody changed its packages by hand, or only so that it may stay; looks, and says so, once a run."""
        if generation.number not in self._looked_at:
            from tfprov.pipeline.drift import seen

            self._looked_at[generation.number] = seen(self, generation)
        return self._looked_at[generation.number]

    def _load(self, path: Path, *, shipped: bool) -> Loaded:
        from tfprov.profile.load import load

        elsewhere = self.request.host is not None
        return load(
            path,
            overrides=self._overrides(path, shipped=shipped),
            shipped=shipped,
            content=self.request.content,
            elsewhere=elsewhere,
        )

    def _overrides(self, path: Path, *, shipped: bool) -> tuple[str, ...]:
        """What the command line sets; a link starts where the user is unless the profile is a file of his.

        The folder of a shipped profile, or of one that a bundle brought, is tfprov's own, and nobody looks there.
        """
        given = self.request.overrides
        if not (shipped or path.is_relative_to(self.home.data)):
            return given
        from tfprov.profile.load import override_value
        from tfprov.profile.source import resolved

        def anchored(override: str) -> str:
            name, _, raw = override.partition("=")
            place = override_value(_LINK, raw) if tuple(part.strip() for part in name.split(".")) == _LINK else ""
            return f"{name}={resolved(self.request.cwd, str(place))}" if place else override

        return tuple(map(anchored, given))

    def _collect(self, event: Event) -> None:
        if isinstance(event, Attempt):
            self.attempts.append(event)


def environment_of(source: ProfileSource, home: paths.Home) -> Environment:
    """The environment that a profile is about. Touches nothing on disk.

    Raises:
        TfprovError: `usage` or `filesystem-feature` when no environment can be used at the place of the two.
    """
    _check_places(source.path, home.data)
    return Environment(
        home.environments / environment_id(source.name, place_of(source)),
        owner=Owner(name=source.name, profile=str(source.path), link=str(source.link or "")),
    )


def _check_places(profile: Path, data: Path) -> None:
    if os.pathsep in os.path.splitdrive(data)[1]:
        raise TfprovError(
            "usage",
            f"no environment can be made below `{data}`",
            evidence=(f"`{os.pathsep}` separates the folders of PATH, so that none can have it in its name",),
            hint=f"set {paths.HOME_VARIABLE} to a folder without `{os.pathsep}` in its path",
        )
    for path, hint in ((profile, "rename its folder"), (data, f"set {paths.HOME_VARIABLE} to another folder")):
        try:
            str(path).encode()
        except UnicodeEncodeError as error:
            # What is kept of it (whose it is, where its files are) is kept as UTF-8, and virtualenv refuses it, too.
            raise TfprovError("filesystem-feature", f"the path `{path}` is not UTF-8", hint=hint) from error


def stage(
    name: str,
) -> Callable[[Callable[Concatenate[Context, P], R]], Callable[Concatenate[Context, P], R]]:
    """Make a function a stage: listeners hear when it begins and how it ends, and its time is kept.

    The function raises what it raised before; what the system refuses becomes a TfprovError, an OSError one with the
    code of its errno.

    Args:
        name: as people and journals read it.
    """

    def decorate(verb: Callable[Concatenate[Context, P], R]) -> Callable[Concatenate[Context, P], R]:
        @functools.wraps(verb)
        def staged(context: Context, /, *args: P.args, **kwargs: P.kwargs) -> R:
            with step(context, name):
                return verb(context, *args, **kwargs)

        return staged

    return decorate


@contextlib.contextmanager
def step(context: Context, name: str) -> Iterator[None]:
    """A stage that is a part of a function."""
    context.emit(StageStarted(stage=name))
    started = time.monotonic()
    code: str | None = "internal"
    try:
        yield
        code = None
    except KeyboardInterrupt:
        code = "interrupted"
        raise
    except TfprovError as error:
        code = error.code.name
        raise
    except (OSError, MemoryError, RuntimeError, ImportError) as error:
        from tfprov.ladder.classify import classify_exception

        failure = classify_exception(error)
        code = failure.code.name
        if code == "internal" and not isinstance(error, OSError):
            raise
        raise failure from error
    finally:
        seconds = time.monotonic() - started
        context.seconds.append((name, seconds))
        context.emit(StageEnded(stage=name, seconds=seconds, code=code))


@stage("profile")
def read_profile(context: Context) -> ProfileSource:
    """Whose environment the run is about.

    Raises:
        TfprovError: what is wrong with the profile.
    """
    return context.source
