"""A run: what was asked, what the stages made of it so far, and who is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from tfprov import paths
from tfprov.envs.generations import Environment, environment_id
from tfprov.envs.records import Generation, Owner
from tfprov.errors import TfprovError
from tfprov.events import Attempt, Emit, Event, Note, StageEnded, StageStarted, fan_out
from tfprov.journal import Journal
from tfprov.lock.records import file_name
from tfprov.profile import source
from tfprov.profile.source import Source

if TYPE_CHECKING:
    from tfprov.fetch.sources import Network
    from tfprov.profile.records import Loaded

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of the flow.

    Attributes:
        name: as people and journals read it.
        verb: does the work and returns the stage's record, or raises.
    """

    name: str
    verb: Callable[[Run], object]


class Run:
    """One run of the pipeline.

    Attributes:
        request: what was asked.
        home: where things are kept.
        emit: tells every listener, the journal included.
        attempts: tries of rungs so far.
        seconds: wall time of each finished stage, in order.
        damaged: number of the generation that was found damaged in this run; None for none.
    """

    def __init__(self, request: Request, emit: Emit) -> None:
        self.request = request
        self.home = paths.home(request.environ)
        self.journal = Journal()
        self.attempts: list[Attempt] = []
        self.seconds: list[tuple[str, float]] = []
        self.emit = fan_out(self._collect, self.journal, emit)
        self.damaged: int | None = None
        self._started = time.monotonic()
        self._records: dict[type, object] = {}
        self._network: Network | None = None
        self._environment: Environment | None = None

    def do(self, stage: Stage) -> None:
        """Carry out a stage and keep its record.

        Raises:
            TfprovError: what the stage raised; an OSError becomes one with the code of its errno.
        """
        self.emit(StageStarted(stage=stage.name))
        started = time.monotonic()
        code: str | None = "internal"
        summary = ""
        try:
            record = stage.verb(self)
            self.put(record)
            code = None
            summary = getattr(record, "summary", "")
        except KeyboardInterrupt:
            code = "interrupted"
            raise
        except TfprovError as error:
            code = error.code.name
            raise
        except OSError as error:
            from tfprov.ladder.classify import classify_exception

            failure = classify_exception(error)
            code = failure.code.name
            raise failure from error
        finally:
            seconds = time.monotonic() - started
            self.seconds.append((stage.name, seconds))
            self.emit(StageEnded(stage=stage.name, seconds=seconds, summary=summary, code=code))

    def put(self, record: object) -> None:
        """Keep a record; it replaces an older one of its type."""
        self._records[type(record)] = record

    def get(self, kind: type[R]) -> R:
        """The record of a type that an earlier stage made."""
        return cast("R", self._records[kind])

    def find(self, kind: type[R]) -> R | None:
        """The record of a type, or None when no stage made one yet."""
        return cast("R | None", self._records.get(kind))

    @property
    def loaded(self) -> Loaded:
        """The profile and where it came from; checked now if that was not needed so far.

        Raises:
            TfprovError: `profile-invalid`.
        """
        from tfprov.profile.load import load
        from tfprov.profile.records import Loaded

        found = self.find(Loaded)
        if found is None:
            source = self.get(Source)
            found = load(source.path, overrides=self.request.overrides, shipped=source.shipped)
            self.put(found)
        return found

    @property
    def source(self) -> Source:
        """Whose environment the profile is about."""
        return self.find(Source) or self.loaded.source

    @property
    def environment(self) -> Environment:
        """The environment that the profile names."""
        if self._environment is None:
            self._environment = environment_of(self.source, self.home)
        return self._environment

    @property
    def network(self) -> Network:
        """The ways to the sources, by profile and facts."""
        if self._network is None:
            from tfprov.fetch.offline import local_network
            from tfprov.fetch.sources import network
            from tfprov.host.records import Facts

            reach = local_network if self.request.offline else network
            self._network = reach(self.loaded.profile, self.loaded.folder, self.get(Facts), self.request.environ)
            for text in self._network.notes:
                self.emit(Note(text=text, level="warning"))
        return self._network

    @property
    def deadline(self) -> float | None:
        """Moment on the monotonic clock when the run must end; None for never."""
        limit = self.loaded.profile.network.deadline
        return None if limit is None else self._started + limit

    @property
    def lock_path(self) -> Path:
        """The lock file: beside the profile, or with the environment where nothing may be written beside it."""
        if self.request.lock is not None:
            return self.request.lock
        folder = self.source.path.parent
        if self.source.kind == "conda":
            from tfprov.conda.records import file_name as conda_file_name

            name = conda_file_name(self.source.name)
        else:
            name = file_name(self.source.name)
        beside = folder / name
        if not self.source.shipped and (beside.exists() or paths.writable(folder)):
            return beside
        return self.environment.root / name

    def _collect(self, event: Event) -> None:
        if isinstance(event, Attempt):
            self.attempts.append(event)


def environment_of(source: Source, home: paths.Home) -> Environment:
    """The environment that a profile is about. Touches nothing on disk."""
    return Environment(
        home.environments / environment_id(source.name, source.path),
        owner=Owner(name=source.name, profile=str(source.path), link=str(source.link or "")),
    )


def whole(run: Run, generation: Generation) -> bool:
    """Whether a generation is as it was when it was verified; says so when it is not."""
    if run.damaged == generation.number:
        return False
    run.damaged = generation.number
    flaw = run.environment.flaw(generation)
    if flaw is not None:
        word = "damaged" if flaw.code == "file-damaged" else "unusable"
        run.emit(Note(text=f"the environment is {word}: {flaw.words}; building it anew", level="warning"))
        return False
    run.damaged = None
    return True


def _profile(run: Run) -> Source | Loaded:
    """The profile; its source alone when its very text is what the environment in use was made and verified from."""
    request = run.request
    path, shipped = source.find(request.profile, cwd=request.cwd)
    if not request.overrides:
        seen = source.glance(path, shipped=shipped)
        active = environment_of(seen, run.home).active() if seen else None
        if active and active.seal and seen and active.seal.profile_digest == seen.digest:
            return seen
    from tfprov.profile.load import load

    return load(path, overrides=request.overrides, shipped=shipped)


PROFILE = Stage(name="profile", verb=_profile)
