"""The context of one run of a command: its request, profile, environment, folders, journal and listeners."""

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

from tfprov import paths, temporary
from tfprov.contents import given_text
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
    from tfprov.host.records import Facts, MachineChange
    from tfprov.pipeline.images import Drafted
    from tfprov.profile.records import Loaded

_LINK = ("environment", "path")
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Arguments of a command.

    Attributes:
        profile: path of a profile, name of a shipped one or of an environment, or empty for the nearest profile; see
            `named.profile_of`.
        cwd: folder that relative paths are relative to.
        environ: variables of this process.
        overrides: `key=value` from the command line.
        upgrade: whether to renew the lock.
        locked: whether to fail rather than make or change a lock.
        recreate: whether to build a new generation even if the environment is verified.
        thorough: whether to verify files by their hashes rather than by size and time.
        host: file with the facts of another machine to plan for; None for this machine.
        offline: whether to use only files on this machine, and no network.
        bundle: a bundle to take everything from, then older ones that have what it lacks; empty for none.
        lock: path of the lock, which will be used beside the profile; None for the usual place.
        keep_rollback: after a rollback, True to stay at that generation until profile or lock changes, False to go
            forward again; None to fail and let the user choose.
        drift: what to do with packages that were installed by hand: `take` them into the profile, `drop` them, or only
            report them (empty).
        content: text of the profile, which need not be written yet; None to read its file.
        prefer: versions to prefer while there is no lock, by normalised name.
        name_indexes: the stage that reports which index serves which package; every index has to be asked for that.
            Empty for none.
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
    name_indexes: Literal["", "plan", "lock"] = ""


class Context:
    """State that the stages of one run share. The profile is read when it is first needed.

    Attributes:
        request: arguments of the command.
        bundle: the bundle that the wheels come from; None for the network.
        home: tfprov's folders.
        journal: record of this run.
        emit: sends an event to every listener, including the journal.
        attempts: attempts of rungs so far.
        seconds: wall time of each finished stage, in order.
        drafted: by the folder of a generation, what was made of it while it was being proved.
    """

    def __init__(self, request: Request, emit: Emit, *, bundle: Bundle | None = None) -> None:
        self.request = request
        self.bundle = bundle
        self.home = paths.home(request.environ)
        self.journal = Journal()
        self.attempts: list[Attempt] = []
        self.seconds: list[tuple[str, float]] = []
        self.drafted: dict[Path, Drafted] = {}
        self.emit = fan_out(self._collect, self.journal, emit)
        self._started = time.monotonic()
        self._damaged: int | None = None
        self._standing = Standing(request.environ)
        self._told: tuple[MachineChange, ...] = ()
        self._looked_at: dict[int, bool] = {}

    @functools.cached_property
    def _profile(self) -> ProfileSource | Loaded:
        """The profile; only its source, not validated, if the active generation was verified with the same digest."""
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
        """The validated profile with its origin.

        Raises:
            TfprovError: `profile-invalid`.
        """
        found = self._profile
        return self._load(found.path, shipped=found.shipped) if isinstance(found, ProfileSource) else found

    @functools.cached_property
    def source(self) -> ProfileSource:
        """Path, name and digest of the profile, which are known without validating it.

        Raises:
            TfprovError: what is wrong with the profile.
        """
        return self._profile if isinstance(self._profile, ProfileSource) else self._profile.source

    @functools.cached_property
    def environment(self) -> Environment:
        """The environment of the profile; it need not exist."""
        return environment_of(self.source, self.home)

    @functools.cached_property
    def backend(self) -> Backend:
        """The backend for the kind of environment that the profile asks for."""
        return backend_of(self.source.kind)

    @property
    def deadline(self) -> float | None:
        """Time on the monotonic clock, in seconds, by which the run must end; None for no limit."""
        limit = self.loaded.profile.network.deadline
        return None if limit is None else self._started + limit

    @property
    def left(self) -> float | None:
        """Seconds until the deadline, at least 0; None for no limit."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    @property
    def skip(self) -> tuple[str, ...]:
        """Rungs that the profile excludes."""
        return self.loaded.profile.strategies.skip

    @property
    def lock_path(self) -> Path:
        """Path of the lock, which need not exist.

        Beside the profile; with the environment if the profile is a shipped one, if nothing can be written beside it,
        or if that was so when the lock was made.
        """
        if self.request.lock is not None:
            return self.request.lock
        folder, name = self.source.path.parent, self.backend.lock_name(self.source.name)
        beside, kept = folder / name, self.environment.root / name
        if self.source.shipped or not (beside.exists() or (not kept.exists() and paths.writable(folder))):
            return kept
        return beside

    @property
    def lock_folder(self) -> Path:
        """The folder that paths in the lock are relative to; for a lock in a given place, that of the profile."""
        return (self.lock_path if self.request.lock is None else self.source.path).parent

    @functools.cached_property
    def tool_caches(self) -> Path:
        """Parent folder of the caches of uv and virtualenv, which need file locks.

        A temporary folder until this process exits if the file system of tfprov's cache does not support locks.
        """
        from tfprov import locks

        if locks.possible(paths.nearest_folder(self.home.cache)):
            return self.home.cache
        lasting = contextlib.ExitStack()
        atexit.register(lasting.close)
        return lasting.enter_context(temporary.temporary("caches"))

    def open_journal(self) -> None:
        """Start a new journal file for this run."""
        self.journal.open(self.home.journals / self.environment.id, now=datetime.now(timezone.utc))

    @contextlib.contextmanager
    def journalled(self) -> Iterator[Context]:
        """Record in the journal how the block ended, then close the journal."""
        try:
            yield self
            self.journal.write("End", {"code": None})
        except TfprovError as error:
            if error.code.name == "disk-full":
                from tfprov.disk_space import tell_of_files
                from tfprov.temporary import temporary_root

                with contextlib.suppress(TfprovError):  # no file can be made for temporary ones either
                    tell_of_files(error, (self.home.data, self.home.cache, temporary_root()))
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
        """Lock the environment while the block runs; if another run holds it, emit a warning and wait.

        Raises:
            TfprovError: `lock-timeout` when another run still holds it at the deadline.
        """

        def warn(words: str) -> None:
            self.emit(Note(text=words, level="warning"))

        with self.environment.locked(timeout=-1 if self.left is None else self.left, warn=warn):
            yield

    def is_whole(self, generation: Generation) -> bool:
        """Whether a generation can be used as it was verified; if not, emits a warning, once per run."""
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
        """How this machine differs from those that a generation was proved on; emits a warning, once per run."""
        found = self._standing.changes(generation)
        if found and found != self._told:
            self._told = found
            what = "; ".join(map(str, found))
            self.emit(
                Note(text=f"the machine is not the one that was proved ({what}): proving it again", level="warning")
            )
        return found

    def _as_installed(self, generation: Generation) -> bool:
        """Whether its packages were not changed by hand, or only in a way that lets it stay; see `drift.seen`.

        Compares and reports once per run.
        """
        if generation.number not in self._looked_at:
            from tfprov.pipeline.drift import seen

            self._looked_at[generation.number] = seen(self, generation)
        return self._looked_at[generation.number]

    def _load(self, path: Path, *, shipped: bool) -> Loaded:
        from tfprov.plan.tags import system_of
        from tfprov.profile.load import load

        return load(
            path,
            overrides=self._overrides(path, shipped=shipped),
            shipped=shipped,
            content=self.request.content,
            system=None if self.facts_there is None else system_of(self.facts_there),
        )

    @functools.cached_property
    def facts_there(self) -> Facts | None:
        """The facts in the file of `--host`; None without one.

        Raises:
            TfprovError: `usage` when that file cannot be read, or why its facts are invalid.
        """
        if self.request.host is None:
            return None
        from tfprov.host.facts import load

        return load(given_text(self.request.host))

    def _overrides(self, path: Path, *, shipped: bool) -> tuple[str, ...]:
        """Overrides from the command line, with the right base for a relative `environment.path`.

        It is relative to the profile's folder. If that belongs to tfprov, because the profile is a shipped one or came
        in a bundle, it is relative to the working directory instead.
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
    """The environment of a profile, which need not exist. Touches nothing on disk.

    Raises:
        TfprovError: `usage` or `filesystem-feature` when the path of the profile, or of tfprov's data folder, does not
            permit an environment.
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
            # The owner and the paths of files are recorded in UTF-8; virtualenv refuses such a path as well.
            raise TfprovError("filesystem-feature", f"the path `{path}` is not UTF-8", hint=hint) from error


def stage(
    name: str,
) -> Callable[[Callable[Concatenate[Context, P], R]], Callable[Concatenate[Context, P], R]]:
    """A decorator that makes a function a stage of the run; see `step`.

    Args:
        name: name of the stage, in journals and for people.
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
    """Run the block as a stage: emit events at its start and end, and record its wall time.

    Args:
        context: of the run.
        name: name of the stage, in journals and for people.

    Raises:
        TfprovError: in place of an OSError, with the code of its errno; in place of a MemoryError, RuntimeError or
            ImportError that `classify_exception` recognises. Any other exception is not changed.
    """
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
    """Read the profile of the run. It is not validated if the active generation was verified with the same digest.

    Raises:
        TfprovError: what is wrong with the profile.
    """
    return context.source
