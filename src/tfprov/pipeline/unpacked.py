"""Unpacked wheels in a run: unpacking them as they arrive, installing from them, and forgetting them."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from pathlib import Path

from tfprov.errors import TfprovError
from tfprov.fetch.partial import Partial
from tfprov.fetch.record import boot_id
from tfprov.install.place import Unpacked as UnpackedWheel
from tfprov.install.place import place
from tfprov.ladder.classify import classify_exception
from tfprov.lock.records import LockedFile
from tfprov.paths import Home
from tfprov.pipeline.context import Context
from tfprov.unpack.records import Wheel
from tfprov.unpack.store import Unpacked
from tfprov.unpack.unpacking import Unpacking

_WORTH_FOLLOWING = 4 * 1024 * 1024


def store_of(home: Home) -> Unpacked:
    """The trees below the folder of this user's data, beside the environments that are linked from them."""
    return Unpacked(home.unpacked, boot=boot_id())


def unpacking(context: Context) -> Unpacking:
    """Threads that unpack the wheels of a run; to be closed."""
    return Unpacking(store_of(context.home), context.emit)


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


def install(
    unpacked: Unpacking, files: Collection[LockedFile], *, python: Path, environ: Mapping[str, str], image: str
) -> None:
    """Install wheels that are being unpacked into an environment.

    Args:
        unpacked: has been told of all of them.
        files: of the lock, wheels only.
        python: interpreter of the environment.
        environ: all environment variables of child processes.
        image: key of the image that the environment will have.

    Raises:
        TfprovError: a wheel, or the machine.
    """
    try:
        trees = unpacked.wait()
        unpacked.store.use(image, {file.sha256 for file in files})
        wheels = [
            UnpackedWheel(name=file.name, filename=file.filename, tree=trees[file.sha256])
            for file in sorted(files, key=lambda file: file.name)
        ]
        place(wheels, python=python, environ=environ)
    except OSError as error:
        raise _as_failure(error) from error


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
