"""Unpacks the wheels of a run as they arrive, installs from the unpacked trees, and deletes trees."""

from __future__ import annotations

import contextlib
import time
import zipfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfprov.archives import damage_as
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
from tfprov.process import bare_environment
from tfprov.unpack import archive
from tfprov.unpack.archive import RefusedError, UnusualError
from tfprov.unpack.records import Landed, Wheel, broken
from tfprov.unpack.store import TreeStore
from tfprov.unpack.unpacking import STAGE, Unpacking

_WORTH_FOLLOWING = 4 * 1024 * 1024


def store_of(home: Home) -> TreeStore:
    """The store of unpacked wheels, in the same data folder as the environments that are linked from them."""
    return TreeStore(home.unpacked, boot=boot_id())


def unpacking(context: Context, landed: Landed = lambda _root, _paths: None) -> Unpacking:
    """What unpacks the wheels of a run; the caller closes it.

    Args:
        context: of the run.
        landed: called with the files that were written.
    """
    return Unpacking(
        store_of(context.home), context.emit, landed=landed, environ=bare_environment(context.request.environ)
    )


class Into:
    """A `fetch.job.Listener` that passes the fetched wheels on to be unpacked."""

    def __init__(self, unpacked: Unpacking) -> None:
        self._unpacked = unpacked

    def begins(self, file: LockedFile, partial: Partial) -> None:
        """Start to unpack a wheel while it is being downloaded, if it is large enough."""
        if file.is_wheel and (file.size or 0) >= _WORTH_FOLLOWING:
            self._unpacked.follow(file.filename, file.sha256, partial)

    def whole(self, file: LockedFile, path: Path) -> None:
        """Unpack a wheel that is complete."""
        if file.is_wheel:
            self._unpacked.add(Wheel(path=path, sha256=file.sha256))


@dataclass(frozen=True, slots=True, kw_only=True)
class Relative:
    """An image of another lock on the same interpreter, with bytecode of some of the same wheels.

    Attributes:
        image: the image.
        wheels: SHA-256 hashes of the shared wheels.
    """

    image: Image
    wheels: frozenset[str]


def relative_of(context: Context, locked: Locked) -> Relative | None:
    """The image that shares the TensorFlow wheel and most other wheels with the lock; None if none shares it."""
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
    """The input of an install.

    Attributes:
        locked: the lock.
        files: the wheels in the lock.
        environment: folder of the environment to install into.
        environ: all environment variables of child processes.
        image: key of the image that will be made of the environment.
        relative: an image to take bytecode from; None for none.
        emit: receives progress.
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
        unpacked: has been given all of them.
        wanted: what to install, and where.

    Raises:
        TfprovError: a wheel is broken, or the file system does not allow it.
    """
    # Imported here because it loads libraries that a run which links from an image does not need.
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
    if (relative := wanted.relative) is not None:
        # Modules that no other wheel has compiled are compiled when they are imported.
        shared = [path for sha256 in relative.wheels & trees.keys() for path in trees[sha256].files]
        libraries = [path.relative_to(wanted.environment).as_posix() for path in site_packages(wanted.environment)]
        sources = {f"{library}/{path}" for library in libraries for path in shared if path.endswith(".py")}
        with contextlib.suppress(OSError):
            relative.image.lend_bytecode(wanted.environment, sources)


def check_wheels(paths: Iterable[Path]) -> None:
    """Check, before uv or pip gets them, that wheels do not write anything outside an environment.

    Raises:
        TfprovError: `cache-corrupt` for a wheel that no installer may install.
    """
    from tfprov.install.place import commands_in

    for path in paths:
        try:
            # A compression method that tfprov does not support is no reason to refuse: uv and pip may support it.
            with path.open("rb") as stream, contextlib.suppress(UnusualError):
                archive.directory(stream)
            with damage_as(RefusedError), zipfile.ZipFile(path) as packed:
                for name in packed.namelist():
                    archive.check_name(name.removesuffix("/"))
                    if name.endswith(".dist-info/entry_points.txt"):
                        commands_in(path.name, name, packed.read(name).decode("utf-8", "replace"))
        except (RefusedError, OSError) as error:
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
    # Another installer may work without what this file system does not support.
    return TfprovError("install-failed", failure.what, evidence=failure.evidence)


def forget(context: Context, files: Collection[LockedFile], projects: Collection[str] | None = None) -> None:
    """Delete the unpacked trees of wheels, because a write to a file linked from a tree changes the tree as well.

    Args:
        context: of the run.
        files: of the lock.
        projects: normalised names of the projects whose trees to delete; None for all.
    """
    store = store_of(context.home)
    for file in files:
        if projects is None or file.name in projects:
            store.drop(file.sha256)


def written_back(context: Context, files: Collection[LockedFile], folder: Path) -> None:
    """Record that the trees of wheels are flushed to disk, if they are on the file system of a folder that was.

    Args:
        context: of the run.
        files: of the lock.
        folder: its file system has just been flushed.
    """
    store = store_of(context.home)
    if store.root.is_dir() and store.root.stat().st_dev == folder.stat().st_dev:
        store.written_back({file.sha256 for file in files})


def sweep(home: Home, images: Collection[str]) -> None:
    """Delete the trees of wheels that no image contains any more.

    Args:
        home: where the trees are.
        images: keys of the images that environments use.
    """
    store_of(home).sweep(images, now=time.time())
