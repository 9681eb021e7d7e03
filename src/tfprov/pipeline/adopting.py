"""Taking over an environment that somebody else made: a profile and a lock that recreate it, then its place."""

from __future__ import annotations

import contextlib
import hashlib
import os
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
from tfprov.adopt.read import index_of, read, root_of, runs_this
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
from tfprov.paths import home, temporary, writable, write_atomic
from tfprov.pipeline.backends.choose import backend_of
from tfprov.pipeline.context import Request
from tfprov.pipeline.up import locked
from tfprov.profile.edit import with_overrides
from tfprov.profile.source import plain_name

if TYPE_CHECKING:
    from tfprov.pipeline.records import Locked, Outcome

# A folder of this name belongs to the project that it lies in.
_OF_PROJECT = frozenset({".venv", "venv", ".env", "env", "virtualenv", ".virtualenv"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What `adopt` is asked for.

    Attributes:
        path: the environment, absolute: its folder or its Python.
        output: the profile to write, absolute; None for the usual place.
        cwd: working folder.
        environ: variables of this process.
        overrides: `key=value` to write into the profile.
        loose: whether found versions are preferences, and no pins.
        force: whether the new environment takes the old one's place although processes run from the old one.
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
    """An environment, and the profile that is to ask for it.

    Attributes:
        profile: file of it.
        name: for the environment: that of the project, or of the profile's file.
        carried: the files of no package that go along.
    """

    asking: Asking
    found: ForeignEnvironment
    profile: Path
    name: str
    carried: Carried

    @classmethod
    def of(cls, asking: Asking, found: ForeignEnvironment, profile: Path) -> AdoptionSubject:
        """The environment with its own files, which are read now: later another one is in its place."""
        name = plain_name(profile.parent.resolve().name if profile.name == "tfprov.toml" else profile.stem)
        return cls(asking=asking, found=found, profile=profile, name=name, carried=carried(found, name))

    def wanted(self) -> Asked:
        """What the environment's user once asked for, and the wheel with files of his own."""
        found = asked(self.found, loose=self.asking.loose, index=index_of(self.found.root), folder=self.profile.parent)
        own = self.carried
        if not own.files:
            return found
        wheel = Ask(name=own.project, project=own.project, text=f"{own.project} @ ./{own.wheel}", is_carried=True)
        return replace(found, packages=(*found.packages, wheel))


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What `adopt` found and wrote.

    Attributes:
        found: the environment.
        findings: what is wrong with it.
        wanted: what the profile asks for.
        changes: what is different from what was found, each with its reason.
        profile: the file that was written.
        lock: the lock beside it.
        text: of the profile.
        carried: the files of no package that went along, and those that did not.
        outcome: of building it in place of the old one; None when that was not asked for.
        kept: generation that the old environment is kept as; None when it stands where it stood.
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
    """An environment that was found on a machine.

    Attributes:
        refusal: why it cannot be adopted in its place; empty when it can.
    """

    found: ForeignEnvironment
    findings: tuple[Defect, ...]
    refusal: str = ""

    @property
    def tensorflow(self) -> str:
        """Project and version of its TensorFlow; empty when its files alone are left."""
        one = tensorflow_of(self.found)
        return f"{one.project} {one.version}" if one is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What can be asked for and has an answer.

    Attributes:
        text: of the profile.
        document: the lock.
        lock_name: name of its file.
    """

    wanted: Asked
    text: str
    document: bytes
    lock_name: str
    changes: tuple[VersionChange, ...]


def adopt(asking: Asking, emit: Emit) -> Adoption:
    """Write a profile and a lock that recreate an environment with the same versions, where those can work.

    The environment is read and not run, and nothing in it is changed.

    Raises:
        TfprovError: `environment-missing`; `path-not-ours` when there is a profile already; why nothing like it can be
            had.
    """
    if asking.output is not None:
        refuse_existing(asking.output)
    with alone(asking, emit):
        return _written(asking, emit)


@contextlib.contextmanager
def alone(asking: Asking, emit: Emit) -> Iterator[None]:
    """Adopt the environment while no other run does; where one does, say so and wait for it.

    Raises:
        TfprovError: `environment-missing`; `permission-denied`.
    """
    root = os.path.realpath(root_of(asking.path))
    key = hashlib.sha256(os.fsencode(root)).hexdigest()[:8]
    path = home(asking.environ).environments / LOCKS / f"adopt-{key}"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(held(path, name=root, timeout=0))
        except TfprovError as error:
            if error.code.name != "lock-timeout":
                raise
            emit(Note(text=f"another tfprov adopts `{root}`: waiting for it", level="warning"))
            stack.enter_context(held(path, name=root, timeout=-1))
        yield


def _written(asking: Asking, emit: Emit) -> Adoption:
    found = look(asking)
    profile = place_of_profile(asking, found)
    refuse_existing(profile)
    emit(Note(text=f"reading {found.root}", level="detail"))
    wrong = findings(found)
    subject = AdoptionSubject.of(asking, found, profile)
    with own_files(subject):
        settled = settle(subject, emit)
        lock = profile.with_name(settled.lock_name)
        refuse_existing(lock)
        # A profile without its lock is whole: `up` makes one.
        write_atomic(profile, settled.text.encode())
        write_atomic(lock, settled.document)
    return adoption(subject, wrong, settled)


@contextlib.contextmanager
def own_files(subject: AdoptionSubject) -> Iterator[None]:
    """The wheel with the user's own files lies beside the profile, and stays if the profile asks for it in the end.

    Raises:
        TfprovError: `path-not-ours` when there is another file of its name.
    """
    own = subject.carried
    wheel = subject.profile.with_name(own.wheel)
    if not own.files:
        yield
        return
    # What a profile asks for already is as its user looked at it.
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


def adoption(subject: AdoptionSubject, wrong: tuple[Defect, ...], settled: Settled) -> Adoption:
    """What was found, and what was written for it."""
    own = subject.carried
    if own.wheel not in settled.text:
        why = dict(settled.wanted.reasons).get(own.project, "the profile does not ask for it")
        own = replace(own, files={}, paths=(), left={**own.left, **dict.fromkeys(own.paths, why)})
    return Adoption(
        found=subject.found,
        findings=wrong,
        wanted=settled.wanted,
        changes=settled.changes,
        profile=subject.profile,
        lock=subject.profile.with_name(settled.lock_name),
        text=settled.text,
        carried=own,
    )


def survey(folder: Path, *, environ: Mapping[str, str], emit: Emit) -> tuple[Surveyed, ...]:
    """Every environment with a TensorFlow below a folder that tfprov did not make, with what is wrong with it.

    Reads what is written about their packages, not the packages themselves.

    Args:
        folder: where to look.
        environ: variables of this process.
        emit: receives progress.

    Raises:
        TfprovError: `usage` when there is no such folder.
    """
    if not folder.is_dir():
        raise TfprovError("usage", f"there is no folder `{folder}`")
    user = environ.get("HOME")
    told = []
    for path in environments_below(folder):
        emit(Note(text=f"reading {path}", level="detail"))
        try:
            found = read(path, home=Path(user) if user else None)
        except TfprovError:
            continue  # gone meanwhile
        if found.module or tensorflow_of(found) is not None or any(kind_of(one.name) for one in found.outside):
            told.append(Surveyed(found=found, findings=findings(found, thorough=False), refusal=refusal(found)))
    return tuple(told)


def refusal(found: ForeignEnvironment) -> str:
    """Why an environment is not replaced where it stands; empty when it may be."""
    if found.kind == "interpreter":
        return "it is the folder of an interpreter, which other programs use"
    if found.conda is not None and found.conda.is_base:
        return "it is the base of a conda, which other environments need"
    return "tfprov itself runs from it" if runs_this(found.root) else ""


def look(asking: Asking) -> ForeignEnvironment:
    """What the environment is.

    Raises:
        TfprovError: `environment-missing`, or `usage` for one that cannot be taken over.
    """
    user = asking.environ.get("HOME")
    return read(asking.path, home=Path(user) if user else None)


def place_of_profile(asking: Asking, found: ForeignEnvironment) -> Path:
    """The file to write the profile to: in the folder of the project that the environment belongs to, else here."""
    if asking.output is not None:
        return asking.output
    name = found.named.name
    if name in _OF_PROJECT:
        return found.named.parent / "tfprov.toml"
    folder = asking.cwd if found.kind != "venv" or not writable(found.named.parent) else found.named.parent
    return folder / f"{plain_name(name)}.toml"


def refuse_existing(path: Path) -> None:
    """Make sure that nothing is in the way of a file, and that it can be made.

    Raises:
        TfprovError: `path-not-ours`; `permission-denied`.
    """
    if os.path.lexists(path):
        raise TfprovError(
            "path-not-ours",
            f"`{path}` exists",
            hint="name another profile with `--output`; what exists is not overwritten",
        )
    if not path.parent.is_dir():
        raise TfprovError("usage", f"there is no folder `{path.parent}`")
    if not writable(path.parent):
        raise TfprovError(
            "permission-denied",
            f"`{path}` cannot be made",
            evidence=(f"no files can be created in `{path.parent}`",),
            hint="name a profile in a folder of yours with `--output`",
        )


def settle(subject: AdoptionSubject, emit: Emit) -> Settled:
    """Ask for what was there, and for less and less of it until it can be had.

    Raises:
        TfprovError: why nothing like it can be had.
    """
    wanted = subject.wanted()
    for note in wanted.notes:
        emit(Note(text=note))
    return settle_for(subject, wanted, emit)


def settle_for(subject: AdoptionSubject, wanted: Asked, emit: Emit) -> Settled:
    """The same, beginning with what is given."""
    while True:
        text = profile_text(wanted, name=subject.name, place=str(subject.found.root))
        text = with_overrides(text, subject.asking.overrides)
        try:
            return _settled(subject, wanted, text, emit)
        except TfprovError as error:
            less = relaxed(wanted, error)
            if less is None or less == wanted:
                raise
            emit(Note(text=f"asking for less: {error.what}", level="detail"))
            wanted = less


def settled_already(subject: AdoptionSubject, emit: Emit) -> Settled:
    """What an earlier `adopt` wrote, as the user may have changed it since."""
    text = without_path(text_of(subject.profile))
    return _settled(subject, subject.wanted(), text, emit, keep=True)


def _settled(subject: AdoptionSubject, wanted: Asked, text: str, emit: Emit, *, keep: bool = False) -> Settled:
    """A profile with the lock that it gets; `keep` when the lock beside it counts."""
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
    """A request about a profile that is not written yet."""
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
    # A folder has the version that it has; the lock does not name it.
    after |= {one.name: one.version or found.versions.get(one.name, "") for one in lock.sources}
    decision = answer.plan.decision
    known: dict[str, str] = {}
    for bound in (*decision.constraints, *decision.also):
        known[canonicalize_name(Requirement(bound.requirement).name)] = f"`{bound.requirement}`: {bound.why}"
    before = {name: version for name, version in found.versions.items() if name not in _SEEDS or name in after}
    package = decision.tensorflow.package
    for name in [name for name in before if kind_of(name) is not None and name != package]:
        known.setdefault(name, f"`{package}` is taken in its place")
        if package not in before:
            known.setdefault(package, f"{decision.tensorflow.why}; it is in place of `{name}`")
    known.setdefault("python", decision.python.why)
    known |= {one.name: "the files of yours that no package owned" for one in wanted.packages if one.is_carried}
    for name in before:
        if name.startswith("nvidia-") and decision.tensorflow.accelerator == "cpu":
            known.setdefault(name, "the CUDA libraries are left out where there is no GPU that they could serve")
    return changes(wanted, before, after, python=(found.python.version, answer.interpreter.version), known=known)


# What every environment of tfprov has or lacks by itself.
_SEEDS = frozenset({"pip", "setuptools", "wheel"})


def adopted(profile: Path, root: Path) -> bool:
    """Whether a profile was written from an environment."""
    try:
        return adopted_from(text_of(profile)) == str(root)
    except (OSError, UnicodeDecodeError):
        return False
