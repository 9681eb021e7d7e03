"""The content-addressed store of verified files.

Layout:

    store/sha256/ab/abcd…/name-1.0-py3-none-any.whl    whole files; a file is here only after its hash was checked
    store/partial/abcd….part                           partial files with their records; the records of a whole file
                                                       stay until it has been flushed
    store/locks/abcd….lock                             one lock a file, held by the process that fetches it
    store/leases/1234-….json                           files that a running process needs, so that none is evicted
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import filelock

from tfprov import locks, paths, writing
from tfprov.digests import sha256_of
from tfprov.disk_space import on_disk
from tfprov.errors import TfprovError
from tfprov.fetch.common import Common, create
from tfprov.fetch.flushing import Flusher
from tfprov.fetch.leases import Lease, guard, leased
from tfprov.fetch.partial import Partial, left_over
from tfprov.fetch.record import boot_id, parse
from tfprov.ladder.classify import classify_exception
from tfprov.lock.records import LockedFile
from tfprov.renames import replace

FORMAT = 1
"""Incremented when older stores are of no use to this version. Part of the keys of CI caches."""
_BUFFER = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A whole file in the store.

    Attributes:
        used: when it was last used, seconds since the epoch.
    """

    path: Path
    sha256: str
    size: int
    used: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """Number and size of the files that a clean-up removed."""

    files: int
    bytes: int


class Store:
    """Files by hash below one folder. Several processes may use it at once, and it survives when one is killed.

    Only this user can write there, so a file that was verified when it was stored stays so. Files of other users are in
    `common`, from where they are copied and verified.
    """

    def __init__(self, root: Path, *, common: Path | None = None) -> None:
        """Use this folder. It is created by the first write, for this user only.

        Args:
            root: the folder.
            common: a folder in which several users share files; None for none.
        """
        self.root = root
        self.common = None if common is None else Common(common)

    @classmethod
    def of(cls, home: paths.Home) -> Store:
        """The store of a user."""
        return cls(home.store, common=home.common_store)

    def path(self, sha256: str, filename: str) -> Path:
        """The path of a file, whether it is stored or not. It keeps its name, because installers read wheel names."""
        return self.root / "sha256" / sha256[:2] / sha256 / filename

    def has(self, file: LockedFile) -> bool:
        """Whether the whole file is stored. Its hash was checked when it was stored; `verify` checks it again.

        A file that may not have been flushed before the last boot is checked again here.
        """
        path = self.path(file.sha256, file.filename)
        try:
            size = path.stat().st_size
        except OSError:
            return False
        if file.size is not None and size != file.size:
            return False
        return not self._records(file.sha256)[-1].exists() or self._survived(path, file.sha256)

    def lacking(self, file: LockedFile) -> int:
        """Bytes of a file that are neither stored nor in its partial file; 0 where its size is not known."""
        lacking = 0 if file.size is None or self.has(file) else file.size
        with contextlib.suppress(OSError):
            lacking -= min(on_disk((self.root / "partial" / f"{file.sha256}.part").stat()), lacking)
        return lacking

    def is_near(self, file: LockedFile) -> bool:
        """Whether the whole file is stored, or seems to be in the folder shared with other users."""
        return self.has(file) or (self.common is not None and self.common.seems_to_have(file))

    def _survived(self, path: Path, sha256: str) -> bool:
        """Whether a file that may not have been flushed is whole."""
        *_, mark = records = self._records(sha256)
        record = parse(mark)
        if record is not None and record.boot == boot_id():
            return True  # the system still has everything that was written in this boot
        try:
            whole = sha256_of(path) == sha256
        except OSError:
            return False
        # Where another process holds the lock, or nothing may be removed, the next call comes to the same result.
        with contextlib.suppress(OSError, TfprovError), self.lock(sha256, timeout=0):
            for leftover in (*records, *(() if whole else (path,))):
                leftover.unlink(missing_ok=True)
        return whole

    def _records(self, sha256: str) -> tuple[Path, ...]:
        """Paths of the records of a file, which exist from its first byte until it has been flushed."""
        return Partial.records(self.root / "partial" / f"{sha256}.part")

    def use(self, file: LockedFile) -> Path:
        """The path of a stored file; marks it as used, for `prune`."""
        path = self.path(file.sha256, file.filename)
        with contextlib.suppress(OSError):
            os.utime(path)
        return path

    def flush(self, file: LockedFile, flusher: Flusher) -> None:
        """Flush a stored file if an earlier process may have been killed before it did."""
        records = self._records(file.sha256)
        if records[-1].exists():
            flusher.add(self.path(file.sha256, file.filename), records)

    def partial(self, sha256: str, *, alone: bool = True) -> Partial:
        """The partial file. Open it under `lock` only.

        Args:
            sha256: of the whole file.
            alone: whether `lock` is held. If not, the partial file is private to this process and is not resumed.

        Raises:
            TfprovError: `disk-full`, `permission-denied`, `read-only-fs`.
        """
        return Partial(self.folder("partial") / f"{sha256}{'' if alone else _own_name()}.part")

    @contextlib.contextmanager
    def lock(
        self, sha256: str, *, timeout: float | None = None, waiting: Callable[[], None] | None = None
    ) -> Iterator[bool]:
        """Be the only process that works on this file.

        Args:
            sha256: of the file.
            timeout: seconds to wait for another owner; None to wait while the owner makes progress.
            waiting: called several times a second while another process is the owner; may raise.

        Yields:
            Whether the lock is held; see `locks.held`.

        Raises:
            TfprovError: `lock-timeout`, or the machine's reason why there can be no lock.
        """
        part = self.root / "partial" / f"{sha256}.part"
        signs = (part, *self._records(sha256), part.with_suffix(".copy"))
        path = self.folder("locks") / f"{sha256}.lock"
        with locks.held(path, timeout=timeout, waiting=waiting, signs=signs) as alone:
            yield alone

    def commit(self, file: LockedFile, partial: Partial, flusher: Flusher) -> Path:
        """Move a complete partial file, whose hash was checked, to its final place.

        It counts as stored at once. Its record stays until `flusher` has flushed it, so that its content is checked
        again after a power loss.

        Raises:
            TfprovError: `disk-full` and the like; the partial file stays.
        """
        target = self.path(file.sha256, file.filename)
        records = partial.finish()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            replace(partial.path, target)
        except OSError as error:
            raise classify_exception(error) from error
        flusher.add(target, records)
        self._offer(file, target)
        if records != self._records(file.sha256):
            # Fetched beside an owner that is stuck: no other process would look at these records.
            flusher.wait()
        return target

    def _offer(self, file: LockedFile, path: Path) -> None:
        if self.common is not None:
            self.common.offer(file, path)

    def take_common(self, file: LockedFile, *, alone: bool = True) -> Path | None:
        """Copy a file that another user shared into the store; None where there is none, or its hash differs.

        Args:
            file: the expected file.
            alone: whether `lock` is held.

        Raises:
            TfprovError: the machine's reason why it cannot be copied.
        """
        reader = None if self.common is None else self.common.open(file)
        if reader is None:
            return None
        with reader:
            try:
                return self._take(file, reader, source=file.filename, alone=alone)
            except TfprovError as error:
                if error.code.name != "hash-mismatch":
                    raise
                return None

    def adopt(self, file: LockedFile, source: Path, *, alone: bool = True) -> Path:
        """Copy a local file into the store and verify it on the way. The source is not changed.

        It is not hard-linked, because a later edit of the source would change the store.

        Raises:
            TfprovError: `hash-mismatch` when it is another file, or the machine's reason.
        """
        try:
            reader = source.open("rb")
        except OSError as error:
            raise classify_exception(error) from error
        with reader:
            return self.take(file, reader, source=str(source), alone=alone)

    def take(self, file: LockedFile, reader: BinaryIO, *, source: str, alone: bool = True) -> Path:
        """Copy a stream into the store and verify it on the way. Call it under `lock`.

        Args:
            file: the expected file.
            reader: positioned at its beginning.
            source: its origin, for messages.
            alone: whether `lock` is held.

        Raises:
            TfprovError: `hash-mismatch` when it is another file, or the machine's reason.
        """
        target = self._take(file, reader, source=source, alone=alone)
        self._offer(file, target)
        return target

    def _take(self, file: LockedFile, reader: BinaryIO, *, source: str, alone: bool) -> Path:
        target = self.path(file.sha256, file.filename)
        temporary = self.folder("partial") / f"{file.sha256}{'' if alone else _own_name()}.copy"
        try:
            digest = hashlib.sha256()
            temporary.unlink(missing_ok=True)
            with create(temporary) as writer:
                while chunk := reader.read(_BUFFER):
                    digest.update(chunk)
                    writer.write(chunk)
                writer.flush()
                writing.write_back(writer.fileno())
            if digest.hexdigest() != file.sha256:
                raise TfprovError(
                    "hash-mismatch",
                    f"`{source}` is not the file that the lock names",
                    evidence=(f"expected sha256 {file.sha256}", f"found sha256 {digest.hexdigest()}"),
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            replace(temporary, target)
            writing.sync_folder(target.parent)
        except OSError as error:
            raise classify_exception(error) from error
        finally:
            temporary.unlink(missing_ok=True)
        return target

    def hold(self, hashes: Collection[str]) -> Lease | None:
        """Protect these files from eviction, whether they are stored already or not.

        Returns:
            The lease; None where it cannot be written, but from such a store nothing can be evicted either.
        """
        try:
            return Lease(self.root / "leases", hashes)
        except OSError:
            return None

    def files(self) -> tuple[Stored, ...]:
        """Every whole file, least recently used first."""
        found: list[Stored] = []
        for path in self.root.glob("sha256/*/*/*"):
            try:
                status = path.stat()
            except OSError:
                continue  # removed by another process just now
            found.append(Stored(path=path, sha256=path.parent.name, size=status.st_size, used=status.st_mtime))
        return tuple(sorted(found, key=lambda stored: stored.used))

    def verify(self, *, remove: bool = True) -> tuple[Stored, ...]:
        """The files whose content no longer matches their hash; they are removed unless `remove` is False.

        Reads everything. Does not mark files as used.
        """
        damaged: list[Stored] = []
        for stored in self.files():
            try:
                actual = sha256_of(stored.path)
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno != errno.EIO:
                    raise classify_exception(error) from error
                actual = ""  # the disk cannot read it any more
            if actual != stored.sha256:
                damaged.append(stored)
                if remove:
                    self._remove(stored)
        return tuple(damaged)

    def drop_damaged(self, files: Collection[LockedFile]) -> tuple[LockedFile, ...]:
        """Remove those of the files whose content does not match their hash, and return them."""
        damaged = []
        for file in files:
            path = self.path(file.sha256, file.filename)
            with contextlib.suppress(OSError, TfprovError), self.lock(file.sha256, timeout=0):
                if path.is_file() and sha256_of(path) != file.sha256:
                    path.unlink()
                    damaged.append(file)
        return tuple(damaged)

    def prune(self, *, cap_bytes: int) -> Swept:
        """Remove least recently used files until at most `cap_bytes` remain.

        Files that a running process holds or works on are kept. Other partial files and copies, and what killed runs
        left beside them, are removed when they have not been changed for a month, or when `cap_bytes` is 0.

        Args:
            cap_bytes: 0 removes everything that may be removed.
        """
        if self.common is not None:
            self.common.prune(cap_bytes=cap_bytes)
        if not self.root.is_dir():
            return Swept(files=0, bytes=0)
        try:
            # No process may take a lease between the check of the leases and the removal.
            with guard(self.root / "leases"):
                return self._prune(cap_bytes)
        except filelock.Timeout:
            return Swept(files=0, bytes=0)  # another process is evicting
        except OSError as error:
            raise classify_exception(error) from error

    def _prune(self, cap_bytes: int) -> Swept:
        removed, freed = 0, 0
        for sha256, path in left_over(self.root / "partial", at_once=cap_bytes == 0):
            if self._free(sha256) and (size := self._remove_partial(sha256, path)) is not None:
                freed += size
                removed += 1
        locks.sweep(self.root / "locks")
        files = self.files()
        total = sum(stored.size for stored in files)
        for stored in files:
            if total <= cap_bytes:
                break
            if self._free(stored.sha256) and self._remove(stored):
                removed += 1
                freed += stored.size
                total -= stored.size
        return Swept(files=removed, bytes=freed)

    def _free(self, sha256: str) -> bool:
        """Whether no process needs a file. Checked for each file anew, because this process may have been suspended."""
        return sha256 not in leased(self.root / "leases")

    def clear(self) -> Swept:
        """Remove everything that no running process needs."""
        return self.prune(cap_bytes=0)

    def _remove(self, stored: Stored) -> bool:
        try:
            with self.lock(stored.sha256, timeout=0):
                stored.path.unlink()
                with contextlib.suppress(OSError):  # the same content may be there under another name
                    stored.path.parent.rmdir()
                    for record in self._records(stored.sha256):
                        record.unlink(missing_ok=True)
        except (OSError, TfprovError):
            return False  # in use by another process, or already gone
        return True

    def _remove_partial(self, sha256: str, path: Path) -> int | None:
        try:
            with self.lock(sha256, timeout=0):
                size = path.stat().st_size
                for name in (path, *(Partial.records(path) if path.suffix == ".part" else ())):
                    name.unlink(missing_ok=True)
                return size
        except (OSError, TfprovError):
            return None  # another process works on it

    def folder(self, name: str) -> Path:
        """A folder of the store, created if missing.

        Raises:
            TfprovError: the machine's reason why it cannot be created.
        """
        folder = self.root / name
        try:
            self.root.parent.mkdir(parents=True, exist_ok=True)
            self.root.mkdir(mode=0o700, exist_ok=True)
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise classify_exception(error) from error
        return folder


def _own_name() -> str:
    """A part of file names that no other process uses, on any machine and in any container."""
    return f".{os.getpid()}-{os.urandom(4).hex()}"
