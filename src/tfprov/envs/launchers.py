"""Launchers: the stable path on a file system without links, a folder of small scripts that start the active commands.

exFAT, many shared folders and some network file systems have no symbolic links. There `environment.path` becomes a real
folder whose `bin/` has a script for each command of the environment. A script names only `current`, the link in
tfprov's own folder that one rename switches: what it starts is always verified, as behind a link, and an upgrade or a
rollback rewrites scripts only if commands were added or removed. Unlike a link, such a folder leads to commands only:
it has no `lib/` and no `pyvenv.cfg`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import shutil
from pathlib import Path

from tfprov.contents import content_of, regular
from tfprov.errors import TfprovError
from tfprov.paths import beside

MARKER = "tfprov-launchers.txt"
_WHY = "This file system has no symbolic links, so this folder has a script that starts each active command.\n"
_HEAD = "# Made by tfprov"
# Some drivers answer EINVAL or EIO for operations that they do not know.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EIO})
_SOURCED = {"activate": ".", "activate.fish": "source", "activate.csh": "source"}


def means_no_links(error: OSError) -> bool:
    """Whether making a link failed because the file system does not support links."""
    return error.errno in _NO_LINKS


def links_possible(folder: Path) -> bool:
    """Whether symbolic links can be made in a folder, found out by making one. True if that cannot be told."""
    probe = folder / f".tfprov-link-{os.getpid()}"
    try:
        probe.unlink(missing_ok=True)
        probe.symlink_to("nowhere")
        works = probe.is_symlink()  # some emulations report success, and make no link
        probe.unlink(missing_ok=True)
    except OSError as error:
        return not means_no_links(error)
    return works


def programs_possible(folder: Path) -> bool:
    """Whether files in a folder can be made executable, found out by making one. True if that cannot be told."""
    probe = folder / f".tfprov-program-{os.getpid()}"
    try:
        probe.touch(mode=0o755)
        with contextlib.suppress(OSError):
            probe.chmod(0o755)
        works = os.access(probe, os.X_OK)  # on a mount with noexec, too
        probe.unlink(missing_ok=True)
    except OSError:
        return True
    return works


def impossible(folder: Path) -> TfprovError:
    """The error for a stable path that can be neither a link nor a folder of launchers."""
    return TfprovError(
        "filesystem-feature",
        f"`{folder}` cannot become the environment",
        evidence=("its file system has neither links nor executable files",),
        hint="choose another `environment.path`, or leave it out and use `tfprov run`",
    )


def target(folder: Path) -> Path | None:
    """The path that the scripts of a folder lead to; None if it is not a folder of launchers.

    One in which there are links is none: what is written to it would be written, and deleted, elsewhere. Such a folder
    may have come with somebody else's project.
    """
    if any(path.is_symlink() for path in (folder, folder / "bin", folder / MARKER)):
        return None
    try:
        first = content_of(folder / MARKER).decode("utf-8", "surrogateescape").partition("\n")[0]
    except (OSError, ValueError):
        return None
    return Path(first) if first else None


def write(folder: Path, current: Path, generation: Path) -> None:
    """Make the folder of launchers, or bring it up to date.

    Args:
        folder: the stable path: such a folder, or nothing.
        current: the link that is switched.
        generation: the generation that it leads to now; each of its commands gets a script.

    Raises:
        TfprovError: `filesystem-feature` when the file system has no executable files either.
        OSError: the disk is full, or the folder cannot be written.
    """
    wanted = _scripts(current, generation)
    if target(folder) is None:
        new = beside(folder, ".tmp")
        try:
            _fill(new, current, wanted)
            if not os.access(new / "bin" / "python", os.X_OK):
                raise impossible(folder)
            new.rename(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return
    have = {path.name for path in (folder / "bin").glob("*") if _is_ours(path)}
    if have != wanted.keys() or target(folder) != current:
        _fill(folder, current, wanted)
        for name in have - wanted.keys():
            (folder / "bin" / name).unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """Delete the launchers. Files that somebody else put there stay, and then the folder stays, too."""
    for path in (folder / "bin").glob("*"):
        if _is_ours(path):
            path.unlink()
    (folder / MARKER).unlink(missing_ok=True)
    for left in (folder / "bin", folder):
        with contextlib.suppress(OSError):
            left.rmdir()


def _scripts(current: Path, generation: Path) -> dict[str, bytes]:
    """Content of every script, by name."""
    found = {}
    for path in (generation / "bin").iterdir():
        there = shlex.quote(str(current / "bin" / path.name))
        if path.name in _SOURCED:
            found[path.name] = f"{_HEAD}\n{_SOURCED[path.name]} {there}\n"
        elif not path.name.startswith(("activate", "deactivate")) and path.is_file() and os.access(path, os.X_OK):
            found[path.name] = f'#!/bin/sh\n{_HEAD}\nexec {there} "$@"\n'
    return {name: text.encode("utf-8", "surrogateescape") for name, text in found.items()}


def _fill(folder: Path, current: Path, scripts: dict[str, bytes]) -> None:
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    for name, content in scripts.items():
        _put(folder / "bin" / name, content, mode=0o644 if name in _SOURCED else 0o755)
    _put(folder / MARKER, f"{current}\n{_WHY}".encode("utf-8", "surrogateescape"), mode=0o644)


def _put(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file atomically. Such file systems often have no permissions to set, and give every file the same."""
    temporary = beside(path, ".tmp")
    try:
        temporary.write_bytes(content)
        with contextlib.suppress(OSError):
            temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _is_ours(path: Path) -> bool:
    try:
        with regular(path) as stream:
            return _HEAD.encode() in stream.read(200)
    except OSError:
        return False
