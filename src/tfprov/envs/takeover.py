"""Replaces somebody else's environment with a new one, so that its path leads to one or the other at every moment.

The old environment becomes generation 0: its folder is not changed, and its seal is kept beside it. Where the system
can exchange two names in one step (Linux, on one file system), the path and `generations/0000` are exchanged: before,
the path is the old environment; after, it is the link to the new one. If the two are on different file systems, the old
environment is first copied to `generations/0000`, and then exchanged with a link beside it, whose name is one that the
next run deletes. Elsewhere the folder is renamed and the link made in two steps; a process that is killed between them
leaves the old environment intact in `generations/0000`, and the next `up` makes the link.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import sys
from pathlib import Path

from tfprov import trees
from tfprov.envs import documents
from tfprov.envs.generations import Environment
from tfprov.envs.layout import ADOPTED
from tfprov.envs.links import switch
from tfprov.envs.records import Generation, Seal
from tfprov.errors import TfprovError
from tfprov.paths import nearest_folder
from tfprov.renames import replace
from tfprov.trash import to_trash, trash_name
from tfprov.words import move_aside
from tfprov.writing import sync_folder, write_atomic

_EXCHANGE = 2  # linux/fs.h: RENAME_EXCHANGE
_AT_FDCWD = -100
_CANNOT = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EPERM})
"""Error numbers that mean that the system, or the file system, cannot exchange two names."""


def adopted_folder(environment: Environment) -> Path:
    """The folder in which an adopted environment is kept."""
    return environment.root / "generations" / ADOPTED


def adopted_seal(environment: Environment) -> Path:
    """The seal of the adopted environment: beside its folder and not in it, which stays byte for byte as it was."""
    return adopted_folder(environment).with_suffix(".json")


def replaced(environment: Environment) -> Generation | None:
    """The adopted environment, as it was when it was adopted; None if none is kept."""
    return next((one for one in environment.generations() if one.number == 0), None)


def check(environment: Environment, old: Path) -> None:
    """Make sure, before anything is built, that a new environment can take the path of an old one.

    Raises:
        TfprovError: `permission-denied`, or `not-supported` where the folder cannot be renamed; `path-not-ours` where
            another adopted environment is kept.
    """
    if not os.access(old.parent, os.W_OK | os.X_OK):
        raise _irreplaceable(
            old,
            f"no files can be created in `{old.parent}`",
            hint="run it as the user who owns that folder; without `--in-place` the environment stays where it is",
            code="permission-denied",
        )
    if os.path.ismount(old):
        hint = "without `--in-place`, and with another `environment.path`, it stays where it is"
        raise _irreplaceable(old, "it is a mount point, which cannot be renamed", hint=hint)
    kept = adopted_folder(environment)
    if kept.is_dir() and not kept.is_symlink() and not _is_copy(kept, old):
        raise TfprovError(
            "path-not-ours",
            f"`{environment.owner.name}` already keeps another adopted environment",
            evidence=(f"it is in `{kept}`",),
            hint="`tfprov remove --old` deletes it, or name another profile with `--output`",
        )


def take_over(environment: Environment, old: Path, seal: Seal) -> Generation:
    """Point the path of an old environment at the active generation, and keep the old environment as generation 0.

    Args:
        environment: has that stable path, and an active generation.
        old: folder of the old environment; not a link.
        seal: seal of the old environment.

    Raises:
        TfprovError: `not-supported` when the folder cannot be moved; it is unchanged.
    """
    current, kept = environment.root / "current", adopted_folder(environment)
    active = environment.active()
    if active is None:
        raise TfprovError("internal", f"there is no verified environment to put at `{old}`")
    # Before the folder exists: a folder among the generations without a seal counts as unfinished, and is deleted.
    write_atomic(adopted_seal(environment), documents.dump(seal))
    _forget_unfinished(kept)
    if _same_device(kept.parent, old):
        _move(old, kept, current, active)
    else:
        _copy(old, kept, current, active)
    for folder in (old.parent, kept.parent):
        with contextlib.suppress(OSError):  # not an error any more: the exchange is done
            sync_folder(folder)
    return Generation(number=0, path=kept, seal=seal)


def _copying(kept: Path) -> Path:
    """Marker file that exists while the copy of an old environment is incomplete or not yet needed; says of which."""
    return kept.with_suffix(".copying")


def _is_copy(kept: Path, old: Path) -> bool:
    """Whether `kept` is only a copy of the folder that is at `old` now.

    A run that was killed after the exchange left the marker as well, and then there may be another environment.
    """
    try:
        return _copying(kept).read_text(encoding="utf-8") in ("", _identity(old))  # older releases wrote nothing
    except OSError:
        return False


def _identity(folder: Path) -> str:
    found = folder.stat()
    return f"{found.st_dev} {found.st_ino}"


def _forget_unfinished(kept: Path) -> None:
    """Delete the leftovers of a run that ended before the exchange."""
    if kept.is_symlink():
        kept.unlink()
    for left in (kept.with_name(f".{kept.name}.unfinished"), kept):
        if left.is_dir():
            trees.delete(to_trash(left))
    _copying(kept).unlink(missing_ok=True)


def _move(old: Path, kept: Path, current: Path, active: Generation) -> None:
    """Move the old folder to its new place and put a link to `current` in its own, in one step where possible."""
    try:
        _exchange_for_link(old, kept, current)
    except OSError as error:
        if error.errno == errno.EXDEV:
            # The device numbers are equal, but the file systems differ: bind mounts, subvolumes, container layers.
            _copy(old, kept, current, active)
            return
        if error.errno not in _CANNOT:
            raise _immovable(old, error) from error
        _in_two_steps(old, kept, current, active)


def _in_two_steps(old: Path, kept: Path, current: Path, active: Generation) -> None:
    try:
        replace(old, kept)
    except OSError as error:
        raise _immovable(old, error) from error
    try:
        switch(old, current, active.path)
    except BaseException:
        replace(kept, old)
        raise


def _copy(old: Path, kept: Path, current: Path, active: Generation) -> None:
    """Copy the old folder to its new place, then put a link to `current` in its own and delete the folder."""
    _copying(kept).write_text(_identity(old), encoding="utf-8")
    unfinished = kept.with_name(f".{kept.name}.unfinished")
    try:
        trees.copy_tree(old, unfinished)
    except OSError:
        # Not left for the next run: the disk may be full of it.
        _forget_unfinished(kept)
        raise
    replace(unfinished, kept)
    displaced = trash_name(old)
    try:
        _exchange_for_link(old, displaced, current)
    except OSError as error:
        try:
            if error.errno not in _CANNOT:
                raise
            replace(old, displaced)
        except OSError as failed:
            _forget_unfinished(kept)
            raise _immovable(old, failed) from failed
        switch(old, current, active.path)
    _copying(kept).unlink()
    with contextlib.suppress(OSError):  # the next run deletes it
        trees.delete(displaced)


def _immovable(old: Path, error: OSError) -> TfprovError:
    hint = f"`{move_aside(old.name)}` and then `tfprov up` do it in two steps"
    return _irreplaceable(old, f"it cannot be renamed: {error.strerror}", hint=hint)


def _irreplaceable(old: Path, why: str, *, hint: str, code: str = "not-supported") -> TfprovError:
    return TfprovError(code, f"`{old}` cannot be replaced by another environment", evidence=(why,), hint=hint)


def _exchange_for_link(old: Path, place: Path, current: Path) -> None:
    """Move a folder to a free path, and put a link to `current` in its place. Raises OSError as `exchange` does."""
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    place.symlink_to(current, target_is_directory=True)
    try:
        exchange(old, place)
    except OSError:
        place.unlink()
        raise


def exchange(one: Path, other: Path) -> None:
    """Swap two paths in one step.

    Raises:
        OSError: EINVAL, ENOSYS and the like if that is not supported here; EXDEV across file systems.
    """
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    library = ctypes.CDLL(None, use_errno=True)
    call = getattr(library, "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one))


def _same_device(one: Path, other: Path) -> bool:
    return nearest_folder(one).stat().st_dev == other.stat().st_dev


def give_up(environment: Environment) -> bool:
    """Delete the adopted environment.

    Returns:
        Whether there was one.

    Raises:
        TfprovError: `environment-in-use` when the stable path leads to it.
    """
    kept = adopted_folder(environment)
    if not kept.is_dir() or kept.is_symlink():
        return False
    active = environment.active()
    if active is not None and active.number == 0:
        raise TfprovError(
            "environment-in-use",
            f"`{environment.stable}` leads to the adopted environment",
            hint="`tfprov up --no-keep-rollback` puts the verified one in its place",
        )
    left = to_trash(kept)
    adopted_seal(environment).unlink(missing_ok=True)
    trees.delete(left)
    return True
