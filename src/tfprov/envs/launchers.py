"""The stable path on a file system without links: a folder of small scripts that start what is in use.

exFAT, many shared folders and some network file systems know no symbolic links. There `environment.path` becomes a real
folder whose `bin/` has a script for each command of the environment. A script names `current`, the link in tfprov's own
folder that one rename switches, and nothing else: what it starts is verified at every moment, as behind a link, and an
upgrade or a rollback writes no script anew unless commands come or go. What a link has and this has not: the path leads
to commands only, not to `lib/`, and there is no `pyvenv.cfg`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import shutil
from pathlib import Path

from tfprov.errors import TfprovError

MARKER = "tfprov-launchers.txt"
_WHY = "The file system of this folder has no links, so each command has a script here that starts the one in use.\n"
_HEAD = "# Made by tfprov"
# EINVAL and EIO are what some drivers say for what they do not know.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EIO})
_SOURCED = {"activate": ".", "activate.fish": "source", "activate.csh": "source"}


def means_no_links(error: OSError) -> bool:
    """Whether a link could not be made because the file system knows none."""
    return error.errno in _NO_LINKS


def links_possible(folder: Path) -> bool:
    """Whether a symbolic link can be made in a folder, found out by making one. True when nothing can be said."""
    probe = folder / f".tfprov-link-{os.getpid()}"
    try:
        probe.unlink(missing_ok=True)
        probe.symlink_to("nowhere")
        works = probe.is_symlink()  # some emulations say yes, and there is none
        probe.unlink(missing_ok=True)
    except OSError as error:
        return not means_no_links(error)
    return works


def programs_possible(folder: Path) -> bool:
    """Whether a file in a folder can be made executable, found out by making one. True when nothing can be said."""
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
    """That a stable path can be neither a link nor a folder of launchers."""
    return TfprovError(
        "filesystem-feature",
        f"`{folder}` cannot become the environment",
        evidence=("its file system has neither links nor executable files",),
        hint="choose another `environment.path`, or leave it out and use `tfprov run`",
    )


def target(folder: Path) -> Path | None:
    """What the scripts of a folder lead to; None when it is no folder of launchers."""
    try:
        first = (folder / MARKER).read_text(encoding="utf-8", errors="surrogateescape").partition("\n")[0]
    except (OSError, ValueError):
        return None
    return Path(first) if first else None


def write(folder: Path, current: Path, generation: Path) -> None:
    """Make the folder of launchers, or bring it up to date.

    Args:
        folder: the stable path; nothing, or such a folder.
        current: the link that is switched.
        generation: what it leads to now; its commands are those that get a script.

    Raises:
        TfprovError: `filesystem-feature` when the file system has no programs either.
        OSError: the disk is full, or the folder cannot be written.
    """
    wanted = _scripts(current, generation)
    if target(folder) is None:
        new = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
        shutil.rmtree(new, ignore_errors=True)
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
    """Delete the launchers; what somebody else put there stays, and the folder with it."""
    for path in (folder / "bin").glob("*"):
        if _is_ours(path):
            path.unlink()
    (folder / MARKER).unlink(missing_ok=True)
    for left in (folder / "bin", folder):
        with contextlib.suppress(OSError):
            left.rmdir()


def _scripts(current: Path, generation: Path) -> dict[str, bytes]:
    """Content of every script by name."""
    found = {}
    for path in (generation / "bin").iterdir():
        there = shlex.quote(str(current / "bin" / path.name))
        if path.name in _SOURCED:
            found[path.name] = f"{_HEAD}\n{_SOURCED[path.name]} {there}\n"
        elif not path.name.startswith(("activate", "deactivate")) and os.access(path, os.X_OK):
            found[path.name] = f'#!/bin/sh\n{_HEAD}\nexec {there} "$@"\n'
    return {name: text.encode("utf-8", "surrogateescape") for name, text in found.items()}


def _fill(folder: Path, current: Path, scripts: dict[str, bytes]) -> None:
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    for name, content in scripts.items():
        _put(folder / "bin" / name, content, mode=0o644 if name in _SOURCED else 0o755)
    _put(folder / MARKER, f"{current}\n{_WHY}".encode("utf-8", "surrogateescape"), mode=0o644)


def _put(path: Path, content: bytes, *, mode: int) -> None:
    """Whole or not at all. Such file systems often have no permissions to set; they give every file the same."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
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
        with path.open("rb") as stream:
            return _HEAD.encode() in stream.read(200)
    except OSError:
        return False
