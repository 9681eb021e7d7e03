"""The folders that tfprov keeps, and checks of paths and file names."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tfprov.errors import TfprovError

HOME_VARIABLE = "TFPROV_HOME"
STORE_VARIABLE = "TFPROV_STORE"
"""Moves only the store of wheels: to a folder that many users or machines share, or that a CI system keeps."""
_NEVER_IN_A_NAME = re.compile(r'[\x00-\x1f\x7f-\x9f\ud800-\udfff/\\:*?"<>|]')
# Windows reserves these names for devices, in every folder and with every suffix.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\..*)?", re.IGNORECASE)
_LONGEST_NAME = 255
_LONGEST_PATH = 4095
"""Bytes that Linux takes; other systems take fewer, or characters."""
_MOST_OF_A_NAME = 40
"""Bytes of a file's name that are repeated in the names of its temporary files. So these are no longer than the name of
an unpacked wheel: where Windows allows 259 characters in a path, it must not grow while that is deleted."""


# How file systems refuse a file without a name that could have one with a name.
_NOT_NAMELESS = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.EISDIR})


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

    `TFPROV_STORE` moves only the store. In a folder that several users can write to, named or not, each user has a
    folder of his own: in a common one, a user could plant an environment that another would run.

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
            # Each by itself, because these need not lie in one folder.
            parts = {name: _own_part(getattr(found, name)) for name in ("data", "cache", "state")}
            return replace(found, **parts)
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
    own = root / _of_this_user()
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


def _of_this_user() -> str:
    """Name of this user's folder in one that several users can write to."""
    return f"user-{os.getuid()}"


def left_in_common(environments: Path) -> Path | None:
    """Where this user's environments lie that were made before each user had a separate folder in a common one.

    They are used no more, because other users can write to the folders above them.

    Args:
        environments: the folder of all environments now, `Home.environments`.

    Returns:
        None where the folder is not in a common one, or where there are none.
    """
    data = environments.parent
    if os.name != "posix" or _of_this_user() not in (data.name, data.parent.name):
        return None
    older = data.parent if data.name == _of_this_user() else data.parent.parent / data.name
    older /= environments.name
    with contextlib.suppress(OSError):
        for entry in older.iterdir():
            if not entry.name.startswith(".") and entry.is_dir() and entry.stat().st_uid == os.getuid():
                return older
    return None


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


def is_possible(path: str) -> bool:
    """Whether a file can have this path at all. Any question about one that cannot ends with an exception."""
    try:
        whole = os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return (
        b"\0" not in whole
        and len(whole) <= _LONGEST_PATH
        and all(len(os.fsencode(part)) <= _LONGEST_NAME for part in Path(path).parts)
    )


def relative(path: Path | str, folder: Path) -> str:
    """A path relative to a folder, with `/`; unchanged for one on another drive of Windows, which has no such path."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return str(path)


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


def status_of(path: Path) -> os.stat_result | None:
    """The status of what is at a path, of a link itself; None where nothing is.

    Raises:
        NotADirectoryError: what lies above it is not a folder. Windows says of such a path that it is missing.
        OSError: it cannot be looked at.
    """
    try:
        return path.lstat()
    except FileNotFoundError:
        above = next((parent for parent in path.parents if parent.exists()), None)
        if above is not None and not above.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from None
        return None


def writable(folder: Path) -> bool:
    """Whether a file can be created in a folder, tested by creating one: on network shares permission bits mislead."""
    try:
        try_file(folder)
    except OSError:
        return False
    return True


def try_file(folder: Path, content: bytes = b"") -> None:
    """Create a file in a folder and delete it again.

    Not with `tempfile`: on Windows it takes the refusal of a folder for a name that is taken, and tries two billion
    others (CPython's issue 66305, which Python 3.13.2 has).

    Raises:
        OSError: why there can be no such file.
    """
    if (nameless := _nameless(folder)) is not None:
        with os.fdopen(nameless, "wb") as stream:
            stream.write(content)
        return
    place = folder / f".tfprov-{os.getpid()}-{os.urandom(4).hex()}"
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
    finally:
        place.unlink(missing_ok=True)


def _nameless(folder: Path) -> int | None:
    """A new file without a name, open for writing, of which a killed process leaves nothing; None where there is none.

    Raises:
        OSError: why there can be no file in the folder.
    """
    if sys.platform != "linux":
        return None
    try:
        return os.open(folder, os.O_WRONLY | os.O_TMPFILE, 0o600)
    except OSError as error:
        if error.errno not in _NOT_NAMELESS:
            raise
        return None


def beside(path: Path, ending: str) -> Path:
    """A unique hidden name beside a path. Never too long, however long the name that it is derived from."""
    return path.with_name(f".{shortened(path.name)}.{os.getpid()}-{os.urandom(4).hex()}{ending}")


def shortened(name: str) -> str:
    """The part of a name that is repeated in the names that `beside` gives."""
    return os.fsencode(name)[:_MOST_OF_A_NAME].decode("utf-8", "ignore")


def is_trusted_above(path: Path, folder: Path) -> bool:
    """Whether a file in a folder above counts for a folder: anybody may put one into `/tmp`.

    It does if it is of this user, of root, or of whoever owns the folder or the one that it is in.

    Raises:
        OSError: one of them cannot be examined.
    """
    users = (os.getuid(), 0) if hasattr(os, "getuid") else (0,)
    return owner_of(path) in (*users, owner_of(folder), owner_of(path.parent))


def owner_of(path: Path) -> int:
    """The user that a path belongs to, not what it leads to; Windows says 0 for all."""
    return path.lstat().st_uid
