"""Unpacked wheels in a run: unpacking them as they arrive, installing from them, and forgetting them."""

from __future__ import annotations

import contextlib
import time
import zipfile
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfprov.envs.images import Image
from tfprov.envs.layout import python_in, site_packages
from tfprov.errors import TfprovError
from tfprov.events import Emit, Progress
from tfprov.fetch.partial import Partial
from tfprov.fetch.record import boot_id
from tfprov.host.records import Interpreter
from tfprov.ladder.classify import classify_exception
from tfprov.lock.records import LockedFile
from tfprov.paths import Home
from tfprov.pipeline.context import Context
from tfprov.pipeline.records import Locked
from tfprov.unpack import archive
from tfprov.unpack.archive import RefusedError, UnusualError
from tfprov.unpack.records import Landed, Tree, Wheel, broken
from tfprov.unpack.store import TreeStore
from tfprov.unpack.unpacking import STAGE, Unpacking

_WORTH_FOLLOWING = 4 * 1024 * 1024


def store_of(home: Home) -> TreeStore:
    """The trees below the folder of this user's data, beside the environments that are linked from them."""
    return TreeStore(home.unpacked, boot=boot_id())


def unpacking(context: Context, landed: Landed = lambda _root, _paths: None) -> Unpacking:
    """Threads that unpack the wheels of a run; to be closed.

    Args:
        context: of the run.
        landed: hears of files that were written.
    """
    return Unpacking(store_of(context.home), context.emit, landed=landed)


class Into:
    """Hands wheels on to be unpacked: see `fetch.job.Listener`."""

    def __init__(self, unpacked: Unpacking) -> None:
        self._unpacked = unpacked

    def begins(self, file: LockedFile, partial: Partial) -> None:
        """Follow a wheel while it arrives, if it takes its time."""
        if file.is_wheel and (file.size or 0) >= _WORTH_FOLLOWING:
            self._unpacked.follow(file.filename, file.sha256, partial)

    def whole(self, file: LockedFile, path: Path) -> None:
        """Unpack a wheel."""
        if file.is_wheel:
            self._unpacked.add(Wheel(path=path, sha256=file.sha256))


@dataclass(frozen=True, slots=True, kw_only=True)
class Relative:
    """An image of another lock on the same interpreter, which has some of the same wheels, compiled.

    Attributes:
        wheels: hashes of those.
    """

    image: Image
    wheels: frozenset[str]


def relative_of(context: Context, locked: Locked) -> Relative | None:
    """The relative that has the wheel of TensorFlow, and the most others; None where none has it."""
    files = {file.sha256: file for file in locked.lock.files}
    best: Relative | None = None
    for listed, python, wheels in store_of(context.home).uses():
        shared = wheels & files.keys()
        has_tensorflow = any(files[one].name == locked.lock.target.package for one in shared)
        if has_tensorflow and python == _identity(locked.interpreter) and (not best or len(shared) > len(best.wheels)):
            image = Image(context.home.images / listed.name)
            if image.exists:
                best = Relative(image=image, wheels=frozenset(shared))
    return best


def _identity(interpreter: Interpreter) -> str:
    return f"{interpreter.implementation} {interpreter.version} {interpreter.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installing:
    """What is installed, and where to.

    Attributes:
        files: of the lock, wheels only.
        environment: its folder.
        environ: all environment variables of child processes.
        image: key of the image that it will have.
        relative: an image to take compiled modules from.
        emit: is told how far it is.
    """

    locked: Locked
    files: Sequence[LockedFile]
    environment: Path
    environ: Mapping[str, str]
    image: str
    relative: Relative | None
    emit: Emit


def install(unpacked: Unpacking, wanted: Installing) -> None:
    """Install wheels that are being unpacked into an environment.

    Args:
        unpacked: has been told of all of them.
        wanted: what to install where.

    Raises:
        TfprovError: a wheel, or the machine.
    """
    # It brings libraries that a run which links an image has no use for.
    from tfprov.install.place import UnpackedWheel, place

    def linked(done: int, total: int) -> None:
        wanted.emit(Progress(stage=STAGE, what="linking", done=done, total=total, unit="files"))

    files = wanted.files
    try:
        trees = unpacked.wait()
        unpacked.store.use(wanted.image, {file.sha256 for file in files}, python=_identity(wanted.locked.interpreter))
        wheels = [
            UnpackedWheel(name=file.name, filename=file.filename, tree=trees[file.sha256])
            for file in sorted(files, key=lambda file: file.name)
        ]
        place(wheels, python=python_in(wanted.environment), environ=wanted.environ, linked=linked)
    except OSError as error:
        raise _as_failure(error) from error
    if wanted.relative is not None:
        _take_bytecode(wanted.environment, wanted.relative, trees)


def _take_bytecode(environment: Path, relative: Relative, trees: Mapping[str, Tree]) -> None:
    """Take what is compiled already; the rest is compiled when it is imported."""
    libraries = [path.relative_to(environment).as_posix() for path in site_packages(environment)]
    shared = [path for sha256 in relative.wheels & trees.keys() for path in trees[sha256].files if path.endswith(".py")]
    with contextlib.suppress(OSError):
        relative.image.lend_bytecode(environment, {f"{library}/{path}" for library in libraries for path in shared})


def check_wheels(paths: Iterable[Path]) -> None:
    """Make sure that wheels would put nothing outside of an environment, before an installer of others gets them.

    Raises:
        TfprovError: `cache-corrupt` for one that must not be installed by anybody.
    """
    from tfprov.install.place import commands_in

    for path in paths:
        try:
            # Others may know how a member is packed; that alone is no reason.
            with path.open("rb") as stream, contextlib.suppress(UnusualError):
                archive.directory(stream)
            with zipfile.ZipFile(path) as packed:
                for name in packed.namelist():
                    archive.check_name(name.removesuffix("/"))
                    if name.endswith(".dist-info/entry_points.txt"):
                        commands_in(path.name, name, packed.read(name).decode("utf-8", "replace"))
        except (RefusedError, zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, ValueError, OSError) as error:
            raise broken(path.name, str(error)) from error


def _as_failure(error: OSError) -> TfprovError:
    if isinstance(error, FileNotFoundError):
        return TfprovError(
            "cache-corrupt",
            "an unpacked wheel was deleted while it was used",
            evidence=(str(error),),
            hint="run again",
        )
    failure = classify_exception(error)
    if failure.code.name != "internal":
        return failure
    # What this file system cannot do may be done without by another installer.
    return TfprovError("install-failed", failure.what, evidence=failure.evidence)


def forget(context: Context, files: Collection[LockedFile], projects: Collection[str] | None = None) -> None:
    """Drop the trees of wheels. Their files are linked into environments, so whoever writes there writes here.

    Args:
        context: of the run.
        files: of the lock.
        projects: normalised names of those whose trees go; None for all.
    """
    store = store_of(context.home)
    for file in files:
        if projects is None or file.name in projects:
            store.drop(file.sha256)


def written_back(context: Context, files: Collection[LockedFile], folder: Path) -> None:
    """Note that the trees of wheels are on the disk, after the file system of a folder was written back."""
    store = store_of(context.home)
    if store.root.is_dir() and store.root.stat().st_dev == folder.stat().st_dev:
        store.written_back({file.sha256 for file in files})


def sweep(home: Home, images: Collection[str]) -> None:
    """Delete the trees of wheels that no image has any more.

    Args:
        home: whose.
        images: keys of those that environments name.
    """
    store_of(home).sweep(images, now=time.time())
