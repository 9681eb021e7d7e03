"""The folders that tfprov keeps, atomic writes, temporary folders, and deletion by renaming first."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tfprov.errors import TfprovError
from tfprov.renames import replace

HOME_VARIABLE = "TFPROV_HOME"
STORE_VARIABLE = "TFPROV_STORE"
"""Moves only the store of wheels: to a folder that many users or machines share, or that a CI system keeps."""
_TEMPORARY = "tfprov-"
_TEMPORARY_NAME = re.compile(rf"{_TEMPORARY}[a-z]+-(\d{{1,10}})-[^-]+")
_HELD = ".held"
"""Suffix of a temporary folder that is locked while it is in use."""
_ABANDONED_SECONDS = 3600.0
_NEVER_IN_A_NAME = re.compile(r'[\x00-\x1f\x7f-\x9f\ud800-\udfff/\\:*?"<>|]')
# Windows reserves these names for devices, in every folder and with every suffix.
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
        data/images/<key>/          the files of verified generations, from which others are made by linking
        data/unpacked/<hash>/       the files of wheels, from which environments are linked
        cache/store/                verified files by hash; for this user only
        cache/uv/, cache/pip/ …     caches of the tools that tfprov starts
        state/journals/<id>/        one file of JSON lines per run
        state/making/<key>.lock     held by the run that makes an environment whose files no image has yet

    Attributes:
        data: what takes work to make again.
        cache: what can be fetched or made again.
        state: records of runs.
        shared_store: the folder that `TFPROV_STORE` names; None when it is not set.
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
        """Folder of the content-addressed store; no other user can write to it."""
        if self.shared_store is not None and not others_can_write(self.shared_store):
            return self.shared_store
        return self.cache / "store"

    @property
    def common_store(self) -> Path | None:
        """Shared store that other users can write to, so that each file needs verification; None when there is none."""
        return None if self.store == self.shared_store else self.shared_store

    @property
    def images(self) -> Path:
        """Folder of the images: beside the environments, because hard links do not cross file systems."""
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
        """Folder of lock files, by image key, for the images that are being made."""
        return self.state / "making"


def home(environ: Mapping[str, str]) -> Home:
    """The folders to use: below `TFPROV_HOME` where that is set, else where the platform keeps such files.

    `TFPROV_STORE` moves only the store. In a `TFPROV_HOME` that several users can write to, each user has a folder of
    his own: in a common one, a user could plant an environment that another would run.

    Raises:
        TfprovError: `permission-denied` when there is neither a home directory nor `TFPROV_HOME`; `path-not-ours` when
            this user's folder in a common one belongs to another user.
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
        # Without HOME and without an entry in the user database, older releases of platformdirs return the tilde
        # unexpanded.
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
        # A folder that only its owner can write to is used as it is: whoever names it trusts that user, often root,
        # with its content.
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
        return own  # the code that writes there will report why it cannot be made
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise TfprovError(
            "path-not-ours",
            f"`{own}` is not a folder that belongs to this user",
            evidence=(f"several users can write to `{root}`, so each has a separate folder in it",),
            hint=f"set {HOME_VARIABLE} to a folder that only you may write to",
        )
    return own


def others_can_write(folder: Path) -> bool:
    """Whether other users, root aside, can add or replace files in a folder. False when it does not exist.

    A group that may write counts only when the folder passes it on (`chmod g+s`) or belongs to another user: under
    `umask 002` each user's folders are writable by a group of which he is the only member.
    """
    if os.name != "posix":
        return False
    try:
        found = folder.stat()
    except OSError:
        return False
    return found.st_uid not in (os.getuid(), 0) or _is_common(found)


def _is_common(found: os.stat_result) -> bool:
    """Whether a folder is meant for several users."""
    passed_on = bool(found.st_mode & stat.S_ISGID) or found.st_uid != os.getuid()
    return bool(found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and passed_on))


def expanded(text: str) -> Path:
    """A path with `~` and `~user` expanded; unchanged when there is no such home directory."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def plain(name: str) -> str:
    """A foreign name, unchanged, after checking that it is one plain file name on every system.

    Raises:
        ValueError: says what is wrong with the name.
    """
    if _NEVER_IN_A_NAME.search(name):
        raise ValueError(f"{name!r} contains a character that not every system allows in a file name")
    if name in {"", ".", ".."} or name.endswith((".", " ")):
        raise ValueError(f"{name!r} is not a file name on every system")
    if _DEVICE.fullmatch(name):
        raise ValueError(f"{name!r} names a device on Windows")
    if len(name.encode()) > _LONGEST_NAME:
        raise ValueError(f"{name[:20]!r}… has more than {_LONGEST_NAME} bytes")
    return name


def inside(folder: Path, path: str) -> Path:
    """The path for a file with a foreign name: below `folder`, and through no symbolic link.

    Args:
        folder: one of tfprov's own.
        path: relative, with `/`.

    Raises:
        ValueError: a part of the path is not a plain name.
        TfprovError: `path-not-ours` when a link on the way would redirect the write.
    """
    place = folder
    for part in path.split("/"):
        place /= plain(part)
        if place.is_symlink():
            raise TfprovError(
                "path-not-ours",
                f"`{place}` is a link, but tfprov keeps plain files and folders there",
                hint="remove the link",
            )
    return place


def nearest_folder(path: Path) -> Path:
    """The nearest existing folder at or above a path, links resolved; the path unchanged where there is none."""
    with contextlib.suppress(OSError):  # a relative path, and the working directory was deleted
        whole = path.absolute()
        for folder in (whole, *whole.parents):
            with contextlib.suppress(OSError, ValueError):
                if folder.is_dir():
                    return Path(os.path.realpath(folder))
    return path


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file atomically: readers see the old content or the new one, never a part.

    Creates the parent folder. The content is synced before the rename, so a power loss leaves no empty file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # open() rather than mkstemp(), which ignores the umask: everyone who may read the folder may read this file. The
    # umask cannot be applied by hand, because reading it means setting it, which is not thread-safe.
    temporary = path.parent / f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp"
    try:
        with naming(path), temporary.open("xb") as stream:
            stream.write(content)
            stream.flush()
            write_back(stream.fileno())
        replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add a file name to each OSError of the block that has none, as those of operations on open files."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def write_back(handle: int, *, content_only: bool = False) -> None:
    """Make what was written to an open file, or renamed in an open folder, survive a loss of power.

    Args:
        handle: its descriptor.
        content_only: leave out what is not needed to read the content, such as its times.

    Raises:
        OSError: the disk refuses, or the file system knows it for files only.
    """
    if sys.platform == "darwin":
        import fcntl

        # fsync(2) there: what it wrote may stay in the cache of the disk. Not every file system knows the request.
        with contextlib.suppress(OSError):
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
            return
    (getattr(os, "fdatasync", os.fsync) if content_only else os.fsync)(handle)


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power loss, where the system supports it. OSError when the disk fails."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        write_back(handle)
    except OSError as error:
        # Network file systems that sync files only (SMB, 9p, some FUSE file systems). A disk failure would be EIO.
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(handle)


def to_trash(folder: Path) -> Path:
    """Rename a folder, within its parent, to a unique name that nothing looks up, and return that path for deletion.

    Deletion takes time, and a process can be stopped at any point of it and resume an hour later. By then the folder
    may have been made again under its old name, and files taken from it may be in use elsewhere.

    Raises:
        OSError: the folder does not exist, or (Windows) a process has something in it open; it is unchanged.
    """
    trash = trash_name(folder)
    replace(folder, trash)
    return trash


def trash_name(folder: Path) -> Path:
    """A unique name beside a folder, under which this run or a later one deletes it."""
    return folder.with_name(f".{folder.name}.{os.getpid()}-{os.urandom(4).hex()}{_TRASH}")


def trash_in(parent: Path, *, of: str = "") -> list[Path]:
    """The folders that `to_trash` has renamed within a folder and that are not deleted yet.

    Several processes may delete the same one at once.

    Args:
        parent: the folder.
        of: the original name; empty for any. Pass it for a folder of the user's, where nothing else is tfprov's.
    """
    pattern = re.compile(rf"\.{re.escape(of)}\.\d+-[0-9a-f]{{8}}{re.escape(_TRASH)}") if of else None
    return sorted(path for path in parent.glob(f".*{_TRASH}") if pattern is None or pattern.fullmatch(path.name))


def discard(folder: Path) -> None:
    """Delete a folder that other processes may use or make again; does nothing where it does not exist."""
    with contextlib.suppress(OSError):
        shutil.rmtree(to_trash(folder), ignore_errors=True)


@contextlib.contextmanager
def staged(target: Path, *, folder: bool) -> Iterator[Path]:
    """A place beside `target` to build it in; the caller renames it. Deleted at the end if it is still there.

    This process holds a lock on the place, so that `sweep_staged` can tell what killed runs left.

    Args:
        target: final path; its parent folder exists.
        folder: True for a folder, False for an (empty) file.
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
    """Delete what killed runs left of their `staged` places in a folder."""
    with contextlib.suppress(OSError):
        for place in parent.glob(f".*{_STAGED}"):
            with contextlib.suppress(OSError):
                if _STAGED_NAME.fullmatch(place.name) and not _is_held(place):
                    shutil.rmtree(to_trash(place), ignore_errors=True) if place.is_dir() else place.unlink()


def _is_held(place: Path) -> bool:
    """Whether the process that made a place is alive, in any container; judged by age where there are no locks."""
    if os.name != "posix":
        return time.time() - place.lstat().st_mtime < _ABANDONED_SECONDS
    opened = os.open(place, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        return not _lock(opened)
    finally:
        os.close(opened)


def _lock(opened: int) -> bool:
    """Try to lock an open file or folder, until it is closed; returns whether it worked."""
    import fcntl

    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def temporary(purpose: str) -> Iterator[Path]:
    """A fresh temporary folder, deleted at the end. Its name tells `sweep_temporary` which process made it."""
    import tempfile  # deferred: most commands do not need it

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
    """The system's folder for temporary files, else one in the cache that child processes then use, too.

    Raises:
        TfprovError: `permission-denied` when neither can be written to.
    """
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

    Only this user's folders, whose process is gone. The process may be in another container that shares the folder,
    where it cannot be seen from here. So a folder that is locked stays, and one without a lock stays for an hour after
    its last change.

    Args:
        now: seconds since the epoch.
    """
    import tempfile

    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            found = _TEMPORARY_NAME.fullmatch(entry.name)
            if found is None or not entry.is_dir(follow_symlinks=False) or _is_running(int(found[1])):
                continue
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if entry.name.endswith(_HELD):
                    is_left = not _is_held(Path(entry.path))
                else:
                    is_left = now - status.st_mtime > _ABANDONED_SECONDS
                if is_left and status.st_uid == _user():
                    shutil.rmtree(entry.path, ignore_errors=True)


def _is_running(pid: int) -> bool:
    import psutil

    try:
        return bool(psutil.pid_exists(pid))
    except OverflowError:
        # Anybody can make a folder of any name there, also with a number that no process can have.
        return False


def _user() -> int:
    # Windows has no numeric user ids; every file there is reported to belong to user 0.
    return os.getuid() if hasattr(os, "getuid") else 0


def writable(folder: Path) -> bool:
    """Whether a file can be created in a folder, tested by creating one: on network shares permission bits mislead."""
    try:
        import tempfile

        handle, name = tempfile.mkstemp(prefix=".tfprov-", dir=folder)
    except OSError:
        return False
    os.close(handle)
    Path(name).unlink(missing_ok=True)
    return True
