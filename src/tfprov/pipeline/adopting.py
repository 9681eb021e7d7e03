"""Adopts an environment that tfprov did not make: writes a profile and lock for it. `in_place` also replaces it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tfprov.adopt.asked import asked
from tfprov.adopt.carry import Carried, carried, wrote
from tfprov.adopt.find import environments_below
from tfprov.adopt.judge import findings, tensorflow_of
from tfprov.adopt.read import index_of, read, root_of
from tfprov.adopt.records import Ask, Asked, ForeignEnvironment, VersionChange
from tfprov.adopt.relax import changes, relaxed
from tfprov.adopt.text import adopted_from, profile_text, without_path
from tfprov.bundle.repack import packed
from tfprov.contents import content_of, text_of
from tfprov.distributions import kind_of
from tfprov.envs.locks import LOCKS, held
from tfprov.envs.records import Defect
from tfprov.errors import TfprovError
from tfprov.events import Emit, Note
from tfprov.host.system import home_folder, running_system
from tfprov.paths import home, writable
from tfprov.pipeline.backends.choose import backend_of
from tfprov.pipeline.context import Request
from tfprov.pipeline.reckoning import SEEDS
from tfprov.pipeline.up import locked
from tfprov.products import check_new
from tfprov.profile.edit import with_overrides
from tfprov.profile.source import plain_name
from tfprov.temporary import temporary
from tfprov.writing import write_atomic

if TYPE_CHECKING:
    from tfprov.pipeline.records import Locked, Outcome

# An environment with one of these names belongs to the project in its parent folder.
_OF_PROJECT = frozenset({".venv", "venv", ".env", "env", "virtualenv", ".virtualenv"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Arguments of `adopt`.

    Attributes:
        path: the environment, absolute: its folder or its Python.
        cwd: working directory.
        environ: variables of this process.
        output: the profile to write, absolute; None for the usual place, see `place_of_profile`.
        overrides: `key=value` to write into the profile.
        loose: whether the installed versions are preferred rather than pinned.
        force: whether to replace the old environment even if processes run from it.
    """

    path: Path
    cwd: Path
    environ: Mapping[str, str]
    output: Path | None = None
    overrides: tuple[str, ...] = ()
    loose: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptionSubject:
    """An environment to adopt, and the profile to write for it.

    Attributes:
        profile: path of the profile.
        name: name of the new environment: that of the project's folder for `tfprov.toml`, else of the profile's file.
        carried: the user's own files, which belong to no package and are carried over.
    """

    asking: Asking
    found: ForeignEnvironment
    profile: Path
    name: str
    carried: Carried

    @classmethod
    def of(cls, asking: Asking, found: ForeignEnvironment, profile: Path) -> AdoptionSubject:
        """The subject, with the user's files in memory: read now, before another environment is at the path."""
        name = plain_name(profile.parent.resolve().name if profile.name == "tfprov.toml" else profile.stem)
        return cls(asking=asking, found=found, profile=profile, name=name, carried=carried(found, name))

    def wanted(self) -> Asked:
        """What the environment's user once asked for, and the wheel with the user's own files if there are any."""
        found = asked(self.found, loose=self.asking.loose, index=index_of(self.found.root), folder=self.profile.parent)
        own = self.carried
        if not own.files:
            return found
        wheel = Ask(name=own.project, project=own.project, text=f"{own.project} @ ./{own.wheel}", is_carried=True)
        return replace(found, packages=(*found.packages, wheel))


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """Result of `adopt`.

    Attributes:
        found: the environment.
        findings: defects of the environment.
        wanted: what the profile asks for.
        changes: versions that differ from those in the environment, each with its reason.
        profile: the profile that was written.
        lock: the lock beside it.
        text: text of the profile.
        carried: the user's own files that were carried over, and those that were not.
        outcome: of building the new environment in place; None if only profile and lock were written.
        kept: folder in which the old environment is kept as a generation; None if it was not replaced.
    """

    found: ForeignEnvironment
    findings: tuple[Defect, ...]
    wanted: Asked
    changes: tuple[VersionChange, ...]
    profile: Path
    lock: Path
    text: str
    carried: Carried
    outcome: Outcome | None = None
    kept: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """An environment that `survey` found, with the defects that its metadata show.

    Attributes:
        refusal: why it cannot be adopted in place; empty if it can.
    """

    found: ForeignEnvironment
    findings: tuple[Defect, ...]
    refusal: str = ""

    @property
    def tensorflow(self) -> str:
        """Project and version of its TensorFlow; empty if no metadata of TensorFlow is left."""
        one = tensorflow_of(self.found)
        return f"{one.project} {one.version}" if one is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A profile that resolves, with its lock.

    Attributes:
        text: text of the profile.
        document: content of the lock.
        lock_name: file name of the lock.
        changes: versions that differ from those in the old environment, each with its reason.
    """

    wanted: Asked
    text: str
    document: bytes
    lock_name: str
    changes: tuple[VersionChange, ...]


def adopt(asking: Asking, emit: Emit) -> Adoption:
    """Write a profile and a lock that recreate an environment, with the same versions as far as those work together.

    The environment is read but never run, and nothing in it is changed. What an earlier run wrote, which may have been
    killed before the lock or at its very end, is completed.

    Raises:
        TfprovError: `environment-missing`; `path-not-ours` when another profile or lock exists already;
            `permission-denied`; why no similar environment can be resolved.
    """
    if asking.output is not None and not _adopted(asking.output):
        refuse_existing(asking.output)
    with alone(asking, emit):
        return _written(asking, emit)


@contextlib.contextmanager
def alone(asking: Asking, emit: Emit) -> Iterator[None]:
    """Lock the environment against other runs of `adopt`; if another one holds it, emit a warning and wait.

    Raises:
        TfprovError: `environment-missing`; `permission-denied`.
    """
    root = os.path.realpath(root_of(asking.path))
    key = hashlib.sha256(os.fsencode(root)).hexdigest()[:8]
    path = home(asking.environ).environments / LOCKS / f"adopt-{key}"
    words = f"another tfprov is adopting `{root}`: waiting for it"
    with held(path, name=root, warn=lambda _: emit(Note(text=words, level="warning"))):
        yield


def _written(asking: Asking, emit: Emit) -> Adoption:
    found = look(asking)
    profile = place_of_profile(asking, found)
    if not adopted(profile, found.root):
        refuse_existing(profile)
    emit(Note(text=f"reading {found.root}", level="detail"))
    defects = findings(found)
    subject = AdoptionSubject.of(asking, found, profile)
    with own_files(subject):
        settled = settle(subject, emit)
        lock = profile.with_name(settled.lock_name)
        is_written = profile.exists() and content_of(profile) == settled.text.encode()
        if not is_written:
            refuse_existing(profile)
        if not (is_written and lock.exists()):
            refuse_existing(lock)
            # The profile first: it is complete without a lock, which `up` makes, but not the other way round.
            write_atomic(profile, settled.text.encode())
            write_atomic(lock, settled.document)
    return adoption(subject, defects, settled)


@contextlib.contextmanager
def own_files(subject: AdoptionSubject) -> Iterator[None]:
    """Put the wheel with the user's own files beside the profile while the block runs.

    The wheel stays if the profile refers to it at the end, and is deleted otherwise.

    Raises:
        TfprovError: `path-not-ours` when a different file of that name exists.
    """
    own = subject.carried
    wheel = subject.profile.with_name(own.wheel)
    if not own.files:
        yield
        return
    # A wheel that an adopted profile refers to already is left as it is: the user has reviewed it.
    if not (adopted(subject.profile, subject.found.root) and wheel.is_file()):
        if not wrote(wheel, own):
            refuse_existing(wheel)
        write_atomic(wheel, packed({**own.files, **own.metadata}, own.info))
    try:
        yield
    finally:
        asks = False
        with contextlib.suppress(OSError):
            asks = wheel.name in text_of(subject.profile)
        if not asks:
            wheel.unlink(missing_ok=True)


def adoption(subject: AdoptionSubject, defects: tuple[Defect, ...], settled: Settled) -> Adoption:
    """The result of adopting an environment, from its defects and the profile and lock that were written.

    If the profile does not refer to the wheel with the user's own files, these count as not carried over.
    """
    own = subject.carried
    if own.wheel not in settled.text:
        why = dict(settled.wanted.reasons).get(own.project, "the profile does not ask for it")
        own = replace(own, files={}, paths=(), left={**own.left, **dict.fromkeys(own.paths, why)})
    return Adoption(
        found=subject.found,
        findings=defects,
        wanted=settled.wanted,
        changes=settled.changes,
        profile=subject.profile,
        lock=subject.profile.with_name(settled.lock_name),
        text=settled.text,
        carried=own,
    )


def survey(folder: Path, *, environ: Mapping[str, str], emit: Emit) -> tuple[Surveyed, ...]:
    """Find all environments with TensorFlow below a folder that tfprov did not make, and their defects.

    Reads the metadata of the packages only, not their files.

    Args:
        folder: where to look.
        environ: variables of this process.
        emit: receives progress.

    Raises:
        TfprovError: `usage` when the folder does not exist.
    """
    if not folder.is_dir():
        raise TfprovError("usage", f"there is no folder `{folder}`")
    home_of_user = home_folder(environ, running_system().value)
    surveyed = []
    for path in environments_below(folder):
        emit(Note(text=f"reading {path}", level="detail"))
        try:
            found = read(path, home=home_of_user)
        except TfprovError:
            continue  # deleted since it was found
        if found.module or tensorflow_of(found) is not None or any(kind_of(one.name) for one in found.outside):
            surveyed.append(Surveyed(found=found, findings=findings(found, thorough=False), refusal=refusal(found)))
    return tuple(surveyed)


def refusal(found: ForeignEnvironment) -> str:
    """Why an environment must not be replaced in place; empty if it may be."""
    if found.kind == "interpreter":
        return "it is the folder of an interpreter that other programs use"
    if found.conda is not None and found.conda.is_base:
        return "it is the base environment of conda, which other environments need"
    own = [Path(os.path.realpath(place)) for place in (sys.prefix, sys.exec_prefix)]
    return "tfprov itself is running from it" if found.root in own else ""


def look(asking: Asking) -> ForeignEnvironment:
    """Read the environment that is to be adopted.

    Raises:
        TfprovError: `environment-missing`, or `usage` for one that cannot be adopted.
    """
    return read(asking.path, home=home_folder(asking.environ, running_system().value))


def place_of_profile(asking: Asking, found: ForeignEnvironment) -> Path:
    """Path of the profile to write.

    The requested one; `tfprov.toml` in the folder of the project that the environment belongs to; else a file named
    after the environment, beside a venv if that folder is writable, otherwise in the working directory.
    """
    if asking.output is not None:
        return asking.output
    name = found.named.name
    if name in _OF_PROJECT:
        return found.named.parent / "tfprov.toml"
    folder = asking.cwd if found.kind != "venv" or not writable(found.named.parent) else found.named.parent
    return folder / f"{plain_name(name)}.toml"


def refuse_existing(path: Path) -> None:
    """See `check_new`."""
    check_new(path, other="choose another path with `--output`")


def settle(subject: AdoptionSubject, emit: Emit) -> Settled:
    """Resolve what the environment contains, and relax what does not resolve until the rest does.

    Raises:
        TfprovError: why no similar environment can be resolved.
    """
    wanted = subject.wanted()
    for note in wanted.notes:
        emit(Note(text=note))
    return settle_for(subject, wanted, emit)


def settle_for(subject: AdoptionSubject, wanted: Asked, emit: Emit) -> Settled:
    """Like `settle`, starting with the given requirements."""
    while True:
        text = profile_text(wanted, name=subject.name, place=str(subject.found.root))
        text = with_overrides(text, subject.asking.overrides)
        try:
            return _settled(subject, wanted, text, emit)
        except TfprovError as error:
            less = relaxed(wanted, error)
            if less is None or less == wanted:
                raise
            emit(Note(text=f"trying with fewer pins: {error.what}", level="detail"))
            wanted = less


def settled_already(subject: AdoptionSubject, emit: Emit) -> Settled:
    """The profile that an earlier `adopt` wrote, as the user may have changed it since, with a lock that matches it."""
    text = without_path(text_of(subject.profile))
    return _settled(subject, subject.wanted(), text, emit, keep=True)


def _settled(subject: AdoptionSubject, wanted: Asked, text: str, emit: Emit, *, keep: bool = False) -> Settled:
    """Lock a profile that is not written yet; with `keep`, start from the lock beside it if there is one."""
    lock_name = backend_of(wanted.kind).lock_name(subject.name)
    with temporary("adopt") as work:
        lock = work / lock_name
        if keep:
            with contextlib.suppress(OSError):
                lock.write_bytes(content_of(subject.profile.with_name(lock_name)))
        answer = locked(request_of(subject, wanted, text, lock), emit)
        return Settled(
            wanted=wanted,
            text=text,
            document=content_of(lock),
            lock_name=lock_name,
            changes=_changes(wanted, subject.found, answer),
        )


def request_of(subject: AdoptionSubject, wanted: Asked, text: str, lock: Path | None = None) -> Request:
    """A request for a profile that need not be written yet; it prefers the versions in the old environment."""
    return Request(
        profile=str(subject.profile),
        cwd=subject.asking.cwd,
        environ=subject.asking.environ,
        content=text.encode(),
        lock=lock,
        prefer=wanted.wishes,
    )


def _changes(wanted: Asked, found: ForeignEnvironment, answer: Locked) -> tuple[VersionChange, ...]:
    lock = answer.lock
    after = {one.name: one.version for one in lock.files}
    # The lock does not state the version of a project that is installed from its folder.
    after |= {one.name: one.version or found.versions.get(one.name, "") for one in lock.sources}
    decision = answer.plan.decision
    known: dict[str, str] = {}
    for bound in (*decision.constraints, *decision.also):
        known[canonicalize_name(Requirement(bound.requirement).name)] = f"`{bound.requirement}`: {bound.why}"
    before = {name: version for name, version in found.versions.items() if name not in SEEDS or name in after}
    package = decision.tensorflow.package
    for name in [name for name in before if kind_of(name) is not None and name != package]:
        known.setdefault(name, f"`{package}` replaces it")
        if package not in before:
            known.setdefault(package, f"{decision.tensorflow.why}; it replaces `{name}`")
    known.setdefault("python", decision.python.why)
    known |= {one.name: "your own files, which belong to no package" for one in wanted.packages if one.is_carried}
    for name in before:
        if name.startswith("nvidia-") and decision.tensorflow.accelerator == "cpu":
            known.setdefault(name, "CUDA libraries are left out on a machine without a usable GPU")
    return changes(wanted, before, after, python=(found.python.version, answer.interpreter.version), known=known)


def adopted(profile: Path, root: Path) -> bool:
    """Whether a profile was written by adopting the environment in this folder."""
    return _adopted(profile) == str(root)


def _adopted(profile: Path) -> str:
    """The environment whose adoption wrote a profile; empty for any other file, and where there is none."""
    try:
        return adopted_from(text_of(profile))
    except (OSError, UnicodeDecodeError):
        return ""
