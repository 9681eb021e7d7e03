"""Folders that tfprov keeps, and writing files so that they are whole or absent."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tfprov.errors import TfprovError
from tfprov.renames import replace

HOME_VARIABLE = "TFPROV_HOME"
STORE_VARIABLE = "TFPROV_STORE"
"""Moves the store of wheels alone: to a folder that many users or machines share, or that a CI system keeps."""
_TEMPORARY = "tfprov-"
_TEMPORARY_NAME = re.compile(rf"{_TEMPORARY}[a-z]+-(\d{{1,10}})-[^-]+")
_HELD = ".held"
"""End of the name of a temporary folder that is locked while it is in use."""
_ABANDONED_SECONDS = 3600.0
_NEVER_IN_A_NAME = re.compile(r'[\x00-\x1f\x7f-\x9f\ud800-\udfff/\\:*?"<>|]')
# Windows takes these for devices, in every folder and with every suffix.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\..*)?", re.IGNORECASE)
_LONGEST_NAME = 255
_TRASH = ".trash"
_STAGED = ".new"
_STAGED_NAME = re.compile(rf"\..+\.\d{{1,10}}-[0-9a-f]{{8}}{re.escape(_STAGED)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The folders that tfprov keeps. None of them needs to exist.

    Layout below `TFPROV_HOME`, or below the platform's own data, cache and state folders:

        data/environments/<id>/     one environment: its generations and the link to the verified one
        data/images/<key>/          the files of verified generations, to make them again by linking
        data/unpacked/<hash>/       the files of wheels, to link environments from
        cache/store/                verified files by hash; for this user only
        cache/uv/, cache/pip/ …     caches of the tools that tfprov starts
        state/journals/<id>/        one file of JSON lines per run
        state/making/<key>.lock     held by the run that makes an environment whose files no image has yet

    Attributes:
        data: what cannot be made again without work.
        cache: what can be fetched or made again.
        state: records of runs.
        shared_store: the folder that `TFPROV_STORE` names; None for none.
    """

    data: Path
    cache: Path
    state: Path
    shared_store: Path | None = None

    @property
    def environments(self) -> Path:
        """Folder of all environments, by id."""
        return self.data / "environments"

    @property
    def store(self) -> Path:
        """Folder of the content-addressed store: one that no other user can write to."""
        if self.shared_store is not None and not others_can_write(self.shared_store):
            return self.shared_store
        return self.cache / "store"

    @property
    def common_store(self) -> Path | None:
        """Folder of files that other users can put there, too, so that none is believed; None for none."""
        return None if self.store == self.shared_store else self.shared_store

    @property
    def images(self) -> Path:
        """Folder of the images: beside the environments, because links do not cross file systems."""
        return self.data / "images"

    @property
    def unpacked(self) -> Path:
        """Folder of the unpacked wheels, by hash; beside the environments for the same reason."""
        return self.data / "unpacked"

    @property
    def journals(self) -> Path:
        """Folder of the journals, by environment id."""
        return self.state / "journals"

    @property
    def making(self) -> Path:
        """Folder of the locks of images that are being made, by their key."""
        return self.state / "making"


def home(environ: Mapping[str, str]) -> Home:
    """The folders to use: below `TFPROV_HOME` where that is set, else where the platform wants them.

    `TFPROV_STORE` moves the store alone. In a `TFPROV_HOME` that several users can write to each has a folder of his
    own: under its name one could put an environment there that another would run.

    Raises:
        TfprovError: `permission-denied` when there is neither a home directory nor `TFPROV_HOME`; `path-not-ours` when
            the own folder in a common one is somebody else's.
    """
    override = environ.get(HOME_VARIABLE)
    shared = environ.get(STORE_VARIABLE)
    store = expanded(shared).absolute() if shared else None
    if override:
        root = _own_part(expanded(override).absolute())
        return Home(data=root / "data", cache=root / "cache", state=root / "state", shared_store=store)
    import platformdirs

    cause: Exception | None = None
    try:
        found = Home(
            data=platformdirs.user_data_path("tfprov", appauthor=False),
            cache=platformdirs.user_cache_path("tfprov", appauthor=False),
            state=platformdirs.user_state_path("tfprov", appauthor=False),
            shared_store=store,
        )
        # Without HOME and without an entry in the password database, older releases give the tilde back.
        if all(path.is_absolute() for path in (found.data, found.cache, found.state)):
            return found
    except RuntimeError as error:
        cause = error
    raise TfprovError(
        "permission-denied",
        "there is no home directory to keep environments in",
        evidence=("HOME is not set to an absolute path, and this user has no entry in the user database",),
        hint=f"set {HOME_VARIABLE} to a folder that you may write to",
    ) from cause


def _own_part(root: Path) -> Path:
    try:
        # What belongs to another user, and to him alone, is his word on what is in it: he asked for root, or is asked.
        if os.name != "posix" or not _is_common(root.stat()) or not os.access(root, os.W_OK):
            return root
    except OSError:
        return root
    own = root / f"user-{os.getuid()}"
    with contextlib.suppress(OSError):
        own.mkdir(mode=0o700)
    try:
        found = own.lstat()
    except OSError:
        return own  # whoever needs it learns why it cannot be made
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise TfprovError(
            "path-not-ours",
            f"`{own}` is not a folder of this user's",
            evidence=(f"several users can write to `{root}`, and each has a folder of his own in it",),
            hint=f"set {HOME_VARIABLE} to a folder that only you may write to",
        )
    return own


def others_can_write(folder: Path) -> bool:
    """Whether other users, who are not root, can put or exchange things in a folder. One that is not there is nobody's.

    What its group may write to counts when it passes that group on (`chmod g+s`) or is not this user's: under
    `umask 002` every folder of a user may be written to by a group that is his alone.
    """
    if os.name != "posix":
        return False
    try:
        found = folder.stat()
    except OSError:
        return False
    return found.st_uid not in (os.getuid(), 0) or _is_common(found)


def _is_common(found: os.stat_result) -> bool:
    """Whether a folder was given to several users."""
    passed_on = bool(found.st_mode & stat.S_ISGID) or found.st_uid != os.getuid()
    return bool(found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and passed_on))


def expanded(text: str) -> Path:
    """A path with `~` and `~user` replaced; as it was written when there is no such home directory."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def plain(name: str) -> str:
    """A name from elsewhere, unchanged: it names one file or folder on every system, inside the folder it is put in.

    Raises:
        ValueError: says what is wrong with the name.
    """
    if _NEVER_IN_A_NAME.search(name):
        raise ValueError(f"{name!r} holds a character that not every system allows in a file name")
    if name in {"", ".", ".."} or name.endswith((".", " ")):
        raise ValueError(f"{name!r} is not a file name on every system")
    if _DEVICE.fullmatch(name):
        raise ValueError(f"{name!r} names a device on Windows")
    if len(name.encode()) > _LONGEST_NAME:
        raise ValueError(f"{name[:20]!r}… has more than {_LONGEST_NAME} bytes")
    return name


def inside(folder: Path, path: str) -> Path:
    """Where a file from elsewhere belongs: below `folder`, reached through no link.

    Args:
        folder: one of tfprov's own.
        path: relative, with `/`.

    Raises:
        ValueError: a part of the path is not plain.
        TfprovError: `path-not-ours` when a link is in the way, which would lead what is written somewhere else.
    """
    place = folder
    for part in path.split("/"):
        place /= plain(part)
        if place.is_symlink():
            raise TfprovError(
                "path-not-ours",
                f"`{place}` is a link, and tfprov keeps plain files and folders there",
                hint="remove the link",
            )
    return place


def nearest_folder(path: Path) -> Path:
    """The closest existing folder at or above a path, links resolved; the path as it is where there is none."""
    with contextlib.suppress(OSError):  # a relative path, and the working directory was deleted
        whole = path.absolute()
        for folder in (whole, *whole.parents):
            with contextlib.suppress(OSError, ValueError):
                if folder.is_dir():
                    return Path(os.path.realpath(folder))
    return path


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old content or the new one, never a part.

    Makes the parent folder. The content is synced before the rename, so a power loss leaves no empty file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Made by open and not by mkstemp, which ignores the umask: what is here is for everyone who may read the folder.
    # And the mask itself can only be read by setting it, which is not for programs with several threads.
    temporary = path.parent / f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp"
    try:
        with naming(path), temporary.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give errors of the system that happen meanwhile the name of a file, which what fails on an open one has not."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a loss of power, where the system can. OSError when the disk refuses."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Shared folders that know it for files only (SMB, 9p, some FUSE file systems); what failed on a disk is EIO.
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(handle)


def to_trash(folder: Path) -> Path:
    """Rename a folder, within its parent, to a unique name that nothing looks up; return it, to be deleted.

    Deleting takes time, and a process can be stopped at any point of it and go on an hour later. Under its old name the
    folder may have been made again by then, and what was taken out of it may be in use elsewhere.

    Raises:
        OSError: the folder is not there, or (Windows) something has it open; it stays as it was.
    """
    trash = trash_name(folder)
    replace(folder, trash)
    return trash


def trash_name(folder: Path) -> Path:
    """A new name beside a folder under which it is deleted, by this run or by a later one."""
    return folder.with_name(f".{folder.name}.{os.getpid()}-{os.urandom(4).hex()}{_TRASH}")


def trash_in(parent: Path, *, of: str = "") -> list[Path]:
    """What `to_trash` has renamed in a folder and nobody has deleted yet; several processes may delete it at once.

    Args:
        parent: the folder.
        of: name that it had before; empty for any. In a folder of the user's nothing else is ours.
    """
    pattern = re.compile(rf"\.{re.escape(of)}\.\d+-[0-9a-f]{{8}}{re.escape(_TRASH)}") if of else None
    return sorted(path for path in parent.glob(f".*{_TRASH}") if pattern is None or pattern.fullmatch(path.name))


def discard(folder: Path) -> None:
    """Delete a folder that others may be using or making again; nothing happens where it is not there."""
    with contextlib.suppress(OSError):
        shutil.rmtree(to_trash(folder), ignore_errors=True)


@contextlib.contextmanager
def staged(target: Path, *, folder: bool) -> Iterator[Path]:
    """A place beside `target` to make it in; the caller renames it. What is left at the end is deleted.

    While this process lives it holds a lock on the place, by which `sweep_staged` knows what killed runs left.

    Args:
        target: its parent folder is there.
        folder: whether it will be a folder; else an empty file is made.
    """
    sweep_staged(target.parent)
    place = target.with_name(f".{target.name[:100]}.{os.getpid()}-{os.urandom(4).hex()}{_STAGED}")
    place.mkdir() if folder else place.touch(exist_ok=False)
    held = os.open(place, os.O_RDONLY) if os.name == "posix" else None
    try:
        if held is not None:
            _lock(held)
        yield place
    finally:
        if held is not None:
            os.close(held)
        if place.is_dir():
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink(missing_ok=True)


def sweep_staged(parent: Path) -> None:
    """Delete what killed runs left of what they made under `staged` in a folder."""
    with contextlib.suppress(OSError):
        for place in parent.glob(f".*{_STAGED}"):
            if _STAGED_NAME.fullmatch(place.name) and not _is_held(place):
                shutil.rmtree(to_trash(place), ignore_errors=True) if place.is_dir() else place.unlink()


def _is_held(place: Path) -> bool:
    """Whether the process that makes something lives, in another container as well; without locks, by its age."""
    if os.name != "posix":
        return time.time() - place.lstat().st_mtime < _ABANDONED_SECONDS
    opened = os.open(place, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        return not _lock(opened)
    finally:
        os.close(opened)


def _lock(opened: int) -> bool:
    """Whether an open file or folder could be locked; it stays locked until it is closed."""
    import fcntl

    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def temporary(purpose: str) -> Iterator[Path]:
    """A fresh folder for temporary files, deleted at the end. Its name tells `sweep_temporary` whose it is."""
    import tempfile  # not among what every start needs

    temporary_root()
    prefix = f"{_TEMPORARY}{purpose}-{os.getpid()}-"
    suffix = _HELD if os.name == "posix" else ""
    with tempfile.TemporaryDirectory(prefix=prefix, suffix=suffix, ignore_cleanup_errors=True) as folder:
        held = os.open(folder, os.O_RDONLY) if suffix else None
        try:
            if held is not None:
                _lock(held)
            yield Path(folder)
        finally:
            if held is not None:
                os.close(held)


def temporary_root() -> Path:
    """The folder for temporary files, else one of ours, for children, too; TfprovError `permission-denied` without."""
    import tempfile

    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        folder = home(os.environ).cache / "temporary"
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        if not writable(folder):
            raise TfprovError(
                "permission-denied",
                "there is no folder for temporary files",
                evidence=(error.strerror or str(error), f"`{folder}` cannot be written to either"),
                hint="name one that you may write to with TMPDIR",
            ) from error
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
        return folder


def sweep_temporary(*, now: float) -> None:
    """Delete the temporary folders that killed runs left behind.

    Only this user's, whose process is gone. Behind a shared folder there may be another container, whose processes
    cannot be seen from here: its folders are locked while they are in use; or nothing was made in them for an hour.

    Args:
        now: seconds since the epoch.
    """
    import tempfile

    import psutil

    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            found = _TEMPORARY_NAME.fullmatch(entry.name)
            if found is None or not entry.is_dir(follow_symlinks=False) or psutil.pid_exists(int(found[1])):
                continue
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if entry.name.endswith(_HELD):
                    is_left = not _is_held(Path(entry.path))
                else:
                    is_left = now - status.st_mtime > _ABANDONED_SECONDS
                if is_left and status.st_uid == _user():
                    shutil.rmtree(entry.path, ignore_errors=True)


def _user() -> int:
    # Windows has no numbers for users; there every file is said to belong to number 0.
    return os.getuid() if hasattr(os, "getuid") else 0


def writable(folder: Path) -> bool:
    """Whether a file can be made in a folder, found out by making one: permission bits lie on network file systems."""
    try:
        import tempfile

        handle, name = tempfile.mkstemp(prefix=".tfprov-", dir=folder)
    except OSError:
        return False
    os.close(handle)
    Path(name).unlink(missing_ok=True)
    return True
