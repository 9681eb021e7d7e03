"""Linking, copying and deleting whole folder trees, in several threads.

The kernel does nearly all of that work, one folder at a time; threads in different folders do not wait for each other.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from tfprov.renames import replace
from tfprov.trash import to_trash, trash_in

Way: TypeAlias = Callable[[str, str], None]
"""Links or copies one file: from a path to a path that does not exist."""

_FICLONE = 0x40049409  # linux/fs.h: _IOW(0x94, 9, int)
_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602  # linux/fs.h: FS_IOC_GETFLAGS, FS_IOC_SETFLAGS
_TOP_OF_HIERARCHIES = 0x00020000  # linux/fs.h: FS_TOPDIR_FL, which is T of chattr(1)
_FLAGS = struct.Struct("i4x")
_HAS_JUNCTIONS = os.name == "nt"
_JUNCTION = 0xA0000003  # winnt.h: IO_REPARSE_TAG_MOUNT_POINT
_MOST_THREADS = 4
_SHARE = 256
"""Fewest files for which a thread pays."""
_FOLDERS = 200
"""Number of parts to divide a deletion into: one package has three quarters of the files, so folders must be split."""


def clone(source: str, target: str) -> None:
    """Share the content of a file copy-on-write (Linux: btrfs, xfs, bcachefs). OSError where that is not supported."""
    import fcntl

    with Path(source).open("rb") as read, Path(target).open("xb") as write:
        fcntl.ioctl(write.fileno(), _FICLONE, read.fileno())
    shutil.copystat(source, target)


def copy(source: str, target: str) -> None:
    """Copy a file with its times. FileExistsError for an existing target, which may be a link to another file."""
    Path(target).touch(exist_ok=False)
    shutil.copy2(source, target)


CHEAP: tuple[Way, ...] = (*((clone,) if sys.platform == "linux" else ()), os.link)
ALL: tuple[Way, ...] = (*CHEAP, copy)


def spread(folder: Path) -> None:
    """Have folders that are made in a folder from now on spread over the disk (Linux with ext4; no effect elsewhere).

    Otherwise ext4 puts them all into the block group of their parent. For each new file, an ext4 without a journal then
    skips all inodes freed there in the last minutes, so as not to reuse them: 15,000 files took 4.6 s of processor time
    instead of 0.3 s after as many had been deleted.

    Args:
        folder: it exists.
    """
    if sys.platform != "linux":
        return
    import fcntl

    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            (flags,) = _FLAGS.unpack(fcntl.ioctl(handle, _GET_FLAGS, bytes(_FLAGS.size)))
            if not flags & _TOP_OF_HIERARCHIES:
                fcntl.ioctl(handle, _SET_FLAGS, _FLAGS.pack(flags | _TOP_OF_HIERARCHIES))
        finally:
            os.close(handle)


def bring_tree(source: Path, target: Path, paths: Iterable[str], *, ways: Sequence[Way]) -> None:
    """Bring files over by the first method that works here; files that the target already has are kept.

    Args:
        source: a folder.
        target: another one; it and the folders in it are created.
        paths: the files, relative to both, with forward slashes.
        ways: methods in the order of preference; one that fails for a file is not tried for the files after it.

    Raises:
        OSError: the last method failed too; the disk is full; a file vanished.
    """
    folders: dict[str, list[str]] = {}
    for path in paths:
        folders.setdefault(path.rpartition("/")[0], []).append(path)
    root, base = str(target), str(source)

    def bring_all(share: Sequence[str]) -> None:
        left = list(ways)
        for folder in share:
            os.makedirs(f"{root}/{folder}", exist_ok=True)  # noqa: PTH103 - 20,000 files: Path objects double the time
            for path in folders[folder]:
                bring(f"{base}/{path}", f"{root}/{path}", left)

    from concurrent.futures import ThreadPoolExecutor  # deferred: most commands do not need it

    shares = _shares({folder: len(inside) for folder, inside in folders.items()})
    with ThreadPoolExecutor(max_workers=len(shares), thread_name_prefix="links") as pool:
        for done in [pool.submit(bring_all, share) for share in shares]:
            done.result()


def bring(source: str, target: str, ways: list[Way]) -> None:
    """Bring one file over; a method that fails is removed from the list."""
    while True:
        try:
            ways[0](source, target)
        except FileExistsError:
            return
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOENT) or len(ways) == 1:
                raise
            # A failed clone leaves an empty file behind.
            Path(target).unlink(missing_ok=True)
            if error.errno == errno.EMLINK:
                copy(source, target)
                return
            ways.pop(0)
        else:
            return


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder itself: neither a link to one nor, on Windows, a junction.

    To `is_dir(follow_symlinks=False)` a junction is a folder, but the files in it may be somebody else's.
    """
    if not entry.is_dir(follow_symlinks=False):
        return False
    return not (_HAS_JUNCTIONS and is_junction(entry.stat(follow_symlinks=False)))


def is_junction(status: os.stat_result) -> bool:
    """Whether the status that `lstat` gives is that of a junction (Windows): a folder that leads to another one."""
    return getattr(status, "st_reparse_tag", 0) == _JUNCTION


def copy_tree(
    source: Path, target: Path, *, symlinks: bool = True, ignore: Callable[[str, list[str]], set[str]] | None = None
) -> None:
    """Copy a folder with everything in it; see `shutil.copytree`.

    Raises:
        OSError: the first failure, with its number and the file. Those of `copytree` are all in one text.
    """
    try:
        shutil.copytree(source, target, symlinks=symlinks, ignore=ignore)
    except shutil.Error as error:
        name, _, why = error.args[0][0]
        number = re.match(r"\[Errno (\d+)\]", why)
        if number is None:  # of a pipe, or of Windows
            raise OSError(errno.EINVAL, why, name) from error
        raise OSError(int(number[1]), os.strerror(int(number[1])), name) from error


def delete(folder: Path, *, threads: int | None = None, stop: Callable[[], bool] = lambda: False) -> None:
    """Delete a folder and its content; of a link to a folder, the link.

    Args:
        folder: the folder; or a file.
        threads: maximum number of threads; None to choose.
        stop: polled while deleting; once it returns True, the rest is left.

    Raises:
        OSError: something cannot be deleted; everything else is gone.
    """

    def delete_part(part: str) -> None:
        if not stop():
            shutil.rmtree(part, ignore_errors=True)

    if folder.is_symlink() or folder.is_file():
        folder.unlink()
        return
    threads = threads or _threads()
    parts = _parts(folder)
    if len(parts) > 1:
        from concurrent.futures import ThreadPoolExecutor  # deferred: most commands do not need it

        with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="delete") as pool:
            for part in parts:
                pool.submit(delete_part, part)
    if not stop():
        shutil.rmtree(folder)


def empty_trash(
    parent: Path, *, of: str = "", threads: int | None = None, stop: Callable[[], bool] = lambda: False
) -> None:
    """Delete what `trash.to_trash` has renamed in a folder, in this run or in one that was killed; see `delete`.

    What cannot be deleted is left for the next time. `of` is as in `trash.trash_in`.
    """
    for folder in trash_in(parent, of=of):
        with contextlib.suppress(OSError):
            delete(folder, threads=threads, stop=stop)


def put_in_place(made: Path, target: Path) -> None:
    """Rename a new file or folder to a path. Its old content is deleted, or restored if the rename fails.

    Args:
        made: a file, or a folder.
        target: the path; a file, a folder or a link may be there.

    Raises:
        OSError: the rename failed.
    """
    is_there = os.path.lexists(target)
    # A file replaces a file or a link in one step; nothing replaces a folder.
    old = to_trash(target) if is_there and (made.is_dir() or (target.is_dir() and not target.is_symlink())) else None
    try:
        replace(made, target)
    except BaseException:
        if old is not None:
            replace(old, target)
        raise
    # What killed runs displaced is deleted only now: while there was nothing at the path, it was the last one.
    empty_trash(target.parent, of=target.name)


def _shares(sizes: dict[str, int]) -> list[list[str]]:
    """Folders for each thread: neighbours together, and about as many files for each."""
    total = sum(sizes.values())
    threads = max(1, min(_threads(), total // _SHARE))
    shares: list[list[str]] = [[] for _ in range(threads)]
    done = 0
    for folder, size in sizes.items():
        shares[min(done * threads // max(1, total), threads - 1)].append(folder)
        done += size
    return shares


def _parts(folder: Path) -> list[str]:
    """Folders below a folder that can be deleted independently."""
    parts = [str(folder)]
    while 0 < len(parts) < _FOLDERS:
        inner: list[str] = []
        for part in parts:
            with contextlib.suppress(OSError), os.scandir(part) as entries:
                inner += (entry.path for entry in entries if is_folder(entry))
        if not inner:
            break
        parts = inner
    return parts


def _threads() -> int:
    return min(_MOST_THREADS, os.cpu_count() or 1)
