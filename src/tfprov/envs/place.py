"""Checks, before anything is made, whether a folder can hold environments and a stable path can be made."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from tfprov.envs import launchers
from tfprov.envs.links import holds
from tfprov.envs.manifest import SEAL
from tfprov.errors import TfprovError
from tfprov.paths import nearest_folder, plain, writable
from tfprov.words import move_aside, quoted

_HINT = "set TFPROV_HOME to a folder on another file system; `environment.path` can stay where it is"


def spelled(path: Path) -> Path:
    """A path with the links on the way to it resolved, and in the case that the disk stores.

    Most macOS disks accept `Train.toml` for `train.toml`. Names that do not exist keep the case they were given in.
    A link stays what it is if it leads out of its folder: one profile that is linked into two projects is of both.
    """
    place = path.parent.resolve() / path.name
    real = path.resolve()
    if real.parent != place.parent:
        real = place
    if sys.platform == "darwin":
        import fcntl

        for place in (real, real.parent):
            with contextlib.suppress(OSError):
                opened = os.open(place, os.O_RDONLY | getattr(os, "O_SYMLINK", 0))
                try:
                    found = Path(os.fsdecode(fcntl.fcntl(opened, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")))
                finally:
                    os.close(opened)
                return found if place == real else found / real.name
    return real


def check_links(folder: Path) -> None:
    """Make the folder of all environments and check that its file system has links and preserves case.

    Raises:
        TfprovError: `filesystem-feature`: uv and the switch need links, and packages are found by exact name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lacking = ""
    if os.name != "nt" and not launchers.links_possible(folder):
        lacking = "its file system has no links"
    elif not _keeps_names(folder):
        lacking = "its file system changes the case of names"
    if lacking:
        what = f"no environment can be kept in `{folder}`"
        raise TfprovError("filesystem-feature", what, evidence=(lacking,), hint=_HINT)


def check_above(link: Path, *, windows: bool = os.name == "nt") -> None:
    """Make sure that the folder of a link exists or can be made, and that the system keeps the names on the way.

    Windows drops dots and spaces at the end of a name, and has names that are devices in every folder.

    Raises:
        TfprovError: `path-not-ours`.
    """
    try:
        for part in link.parts[1:] if windows else ():
            if part != "..":
                plain(part)
    except ValueError as error:
        raise unfit(link, str(error)) from error
    above = next((each for each in link.parents if os.path.lexists(each)), None)
    if above is not None and not above.is_dir():
        raise unfit(link, f"`{above}` is not a folder")


def unfit(link: Path, why: str, hint: str | None = None) -> TfprovError:
    """The refusal of a path that cannot become the stable path of an environment."""
    return TfprovError("path-not-ours", f"`{link}` cannot become the environment", evidence=(why,), hint=hint)


def check_free(link: Path, profile: str) -> None:
    """Check that nothing stands at a stable path that tfprov did not put there.

    Raises:
        TfprovError: `path-not-ours`.
    """
    if holds(link, profile):
        why = f"it is the folder that `{profile}` is in, or one above it"
        raise unfit(link, why, 'name a new folder as `environment.path`, such as `".venv"`')
    if not link.exists():
        return
    kind, adopt = "a folder" if link.is_dir() else "a file", ""
    if (link / SEAL).exists():
        kind = "a copy of an environment of tfprov, where a link to it belongs"
    elif any((link / name).exists() for name in ("pyvenv.cfg", "conda-meta")):
        kind = "a virtual environment"
        adopt = f"`tfprov adopt {quoted(str(link))} --in-place` takes it over; or "
    raise TfprovError(
        "path-not-ours",
        f"`{link}` exists and was not made by tfprov",
        evidence=(f"it is {kind}; tfprov never overwrites what it did not make",),
        hint=f"{adopt}move it away (`{move_aside(link.name)}`), or choose another `environment.path`",
    )


def _keeps_names(folder: Path) -> bool:
    """Whether a file keeps the name it was made with, found out by making one. True if that cannot be told."""
    probe = folder / f".tfprov-Name-{os.getpid()}"
    try:
        probe.touch()
        try:
            return probe.name in os.listdir(folder)  # noqa: PTH208 - only names
        finally:
            probe.unlink()
    except OSError:
        return True


def is_noexec(folder: Path) -> bool:
    """Whether the file system of a folder is mounted noexec, so that nothing can be run or loaded from it."""
    # Python knows this flag only on Linux; elsewhere such mounts are rare.
    return hasattr(os, "ST_NOEXEC") and bool(os.statvfs(folder).f_flag & os.ST_NOEXEC)


def check_execution(folder: Path) -> None:
    """Make sure that compiled modules can be loaded from below a folder, which need not exist. Writes nothing.

    Raises:
        TfprovError: `filesystem-feature`: TensorFlow could not be imported from there, not even by root.
    """
    found = nearest_folder(folder)
    if is_noexec(found):
        raise TfprovError(
            "filesystem-feature",
            f"environments do not work in `{folder}`",
            evidence=(f"the file system of `{found}` is mounted noexec: compiled modules cannot be loaded from it",),
            hint=_HINT,
        )


def check_way(link: Path) -> None:
    """Make sure that the stable path, where nothing exists yet, can be made.

    Raises:
        TfprovError: `permission-denied`; `filesystem-feature` when its file system has neither links nor executable
            files.
    """
    folder = nearest_folder(link.parent)
    if not writable(folder):
        raise TfprovError(
            "permission-denied",
            f"`{link}` cannot be created",
            evidence=(f"no files can be created in `{folder}`",),
            hint="choose another `environment.path`",
        )
    if os.name != "nt" and not launchers.links_possible(folder) and not launchers.programs_possible(folder):
        raise launchers.impossible(link)
