"""Unpacks a wheel while it is being downloaded, member by member.

The end of the file is requested first: the central directory there says where everything is, so members can be written
in any order, and Python sources are requested before the rest, because they have to be compiled before the first
import. If the server only sends files from front to back, the wheel is read from the front by its local headers, which
precede the data and contain nearly everything.

Nothing of the wheel becomes a tree until it is complete and has the hash in the lock; then the central directory is
checked again. If anything goes wrong before that, what was unpacked is thrown away, and the complete wheel is unpacked
like any other; so errors read the same, however the wheel arrived.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from tfprov.archives import Seekable
from tfprov.unpack import archive
from tfprov.unpack.archive import LOCAL
from tfprov.unpack.members import File, Written
from tfprov.unpack.records import ArchiveMember, Landed
from tfprov.unpack.workers import Arrival, Workers

_POLL_SECONDS = 0.04
"""Long enough that a dozen waiting threads cost nothing, and short compared with what arrives in the meantime."""
_SHARE = 64
"""Number of small members that one task writes."""
_BIG = 1024 * 1024
"""Compressed size from which on a member is inflated while it arrives, by a thread of its own."""
_WINDOW = 64 * 1024
_HEADER = 512
"""Number of bytes that contain nearly every local header."""
_DIRECTORY = b"PK\x01\x02"
_LEAST_TAIL = 64 * 1024
_TAIL_SHARE = 100
"""A hundredth of TensorFlow's wheel contains its central directory; where that is not enough, the rest is requested."""
_NEAR = 512 * 1024
"""A gap of at most this size between two parts that are requested first is requested along with them."""


class Arriving(Protocol):
    """A file that is being downloaded; implemented by `fetch.partial.Partial`.

    Attributes:
        path: of the file, until it is complete.
        edition: increases whenever all bytes are discarded.
        total: its size, once that is known.
        first: parts to download before the others, if possible; set by the reader of the file.
        choosing: whether the reader is still finding out which those are; set by it, too.
        in_order: whether it arrives from front to back, whatever is requested first.
    """

    path: Path
    edition: int
    total: int | None
    first: Sequence[tuple[int, int]]
    choosing: bool
    in_order: bool

    def reaches(self, offset: int) -> int:
        """Offset of the first gap at or after an offset."""


@dataclass(frozen=True, slots=True)
class _Share:
    """Members that one task writes.

    Attributes:
        members: in the order of their offsets.
        end: offset up to which the file has to be available.
        big: whether it is a single member, which is written while it arrives.
    """

    members: Sequence[ArchiveMember]
    end: int
    big: bool

    @property
    def start(self) -> int:
        """Offset of the first byte."""
        return self.members[0].offset

    @property
    def has_sources(self) -> bool:
        """Whether there are Python sources among them."""
        return any(member.name.endswith(".py") for member in self.members)


class LeftError(Exception):
    """What was unpacked is of no use: the bytes were discarded, or cannot be read from the front."""


@dataclass(slots=True, kw_only=True)
class Following:
    """Unpacks one wheel that is being downloaded.

    Attributes:
        arriving: its file.
        source: the same file, opened by the caller before its first byte was read.
        root: receives the files.
        going: called several times a second with the number of bytes unpacked since; raises to stop.
        workers: write the members.
        whole: set when the file is complete and its hash verified.
        landed: called with the members that were written.
        written: size and time of the files so far.
    """

    arriving: Arriving
    source: File
    root: Path
    going: Callable[[int], None]
    workers: Workers
    whole: threading.Event
    landed: Landed
    written: dict[str, Written] = field(default_factory=dict)
    _edition: int = field(init=False)
    _folders: set[str] = field(default_factory=lambda: {""})
    _failed: bool = False
    _executable: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._edition = self.arriving.edition

    def unpack(self) -> None:
        """Follow the file to its end, and write everything in its central directory.

        Raises:
            LeftError: unpack the complete file instead.
            RefusedError: likewise.
            OSError: likewise.
        """
        if self.source.writable_by_others:
            raise LeftError("another user can write to it")
        tasks: list[Future[None]] = []
        self.arriving.choosing = True
        try:
            if (ahead := self._ahead()) is not None:
                self._scatter(ahead, tasks)
            else:
                self._follow_front(tasks)
            wait(tasks)
            # The unpacked bytes are those whose hash was verified: they were never discarded.
            self._check()
        except LeftError:
            self._failed = True
            wait(tasks)
            # The cause may be the failure of a task.
            for task in tasks:
                task.result()
            raise
        except BaseException:
            # Make tasks that are still running stop.
            self._failed = True
            wait(tasks)
            raise
        finally:
            self.arriving.choosing = False
        self._permit()

    def read(self, offset: int, count: int) -> bytes:
        """Bytes as in `ArchiveBytes`; waits for them."""
        self._wait_for(offset, offset + count)
        self._check()
        return self.source.read(offset, count)

    def _wait_for(self, start: int, end: int) -> int:
        """Wait until a part of the file, or all of it, is available; returns the offset up to which it is."""
        while (here := self.arriving.reaches(start)) < end and not self.whole.is_set():
            self._wait_a_little()
        return here

    def _wait_for_the_whole(self) -> None:
        while not self.whole.is_set():
            self._wait_a_little()

    def _ahead(self) -> _Ahead | None:
        """The archive as a file, once its end has arrived; None if it arrives only from front to back."""
        while (size := self.arriving.total) is None and not self.whole.is_set():
            self._wait_a_little()
        if not size:
            return None
        tail = max(_LEAST_TAIL, size // _TAIL_SHARE)
        self.arriving.first = [(max(0, size - tail), size)]
        while self.arriving.reaches(size - 1) < size and not self.whole.is_set():
            if self.arriving.in_order:
                return None
            self._wait_a_little()
        return _Ahead(self._read_ahead, size)

    def _read_ahead(self, offset: int, count: int) -> bytes:
        """Bytes out of order; requests them if they have not arrived."""
        end = offset + count
        if self.arriving.reaches(offset) < end:
            self.arriving.first = [(offset, end), *self.arriving.first]
            self._wait_for(offset, end)
        self._check()
        return self.source.read(offset, count)

    def _scatter(self, ahead: _Ahead, tasks: list[Future[None]]) -> None:
        """Submit every member as soon as it has arrived, or has begun to if it is a big one.

        Args:
            ahead: the file.
            tasks: receives the tasks that write members.

        Raises:
            LeftError: the central directory has changed.
        """
        shares = list(_shares(archive.directory(cast("BinaryIO", ahead))))
        self.arriving.first = _wanted_first(shares)
        self.arriving.choosing = False
        while shares:
            waiting: list[_Share] = []
            for share in shares:
                enough = share.start + LOCAL.size if share.big else share.end
                if self.arriving.reaches(share.start) < enough and not self.whole.is_set():
                    waiting.append(share)
                    continue
                for member in share.members:
                    self._make_folder(member.name.rpartition("/")[0])
                if share.big:
                    tasks.append(self._begin_big(share.members, share.end))
                else:
                    pool = self.workers.sources if share.has_sources else self.workers.small
                    tasks.append(pool.submit(self._write, share.members, self.source))
            shares = waiting
            if shares:
                self._wait_a_little()
        self._wait_for_the_whole()
        if not ahead.agrees_with(self.source):
            raise LeftError("its central directory changed")

    def _follow_front(self, tasks: list[Future[None]]) -> None:
        """Submit members as they are read from the front, then those that only the central directory lists."""
        followed = list(self._walk(tasks))
        self._wait_for_the_whole()
        left = self._compare(followed)
        for member in left:
            self._make_folder(member.name.rpartition("/")[0])
        shares = (left[at : at + _SHARE] for at in range(0, len(left), _SHARE))
        tasks += [self.workers.small.submit(self._write, share, self.source) for share in shares]

    def _walk(self, tasks: list[Future[None]]) -> Iterator[ArchiveMember]:
        """Members, each as soon as its header has arrived; their content is written by tasks."""
        offset = 0
        share: list[ArchiveMember] = []

        def hand_over() -> None:
            nonlocal share
            if share:
                tasks.append(self.workers.small.submit(self._write, share, self.source))
                share = []

        seen, begins = b"", 0
        while True:
            head = seen[offset - begins :]
            if len(head) < _HEADER:
                # Everything that has arrived: usually many small members.
                if self.arriving.reaches(0) < offset + LOCAL.size:
                    hand_over()
                here = self._wait_for(offset, offset + LOCAL.size)
                head = seen = self.read(offset, max(LOCAL.size, min(_WINDOW, here - offset)))
                begins = offset
            if head[:4] == _DIRECTORY or len(head) < LOCAL.size:
                break
            header = LOCAL.size + archive.rest_of_header(head)
            if len(head) < header:
                head = self.read(offset, header)
            local = archive.local_header(head)
            if local is None or not local.complete:
                # The sizes follow the data: only the central directory says where the next member begins.
                break
            member = archive.from_local(local, offset)
            offset += local.data + member.packed
            if not member.name.endswith("/"):
                self._make_folder(member.name.rpartition("/")[0])
                yield member
                if member.packed >= _BIG:
                    tasks.append(self._begin_big([member], offset))
                else:
                    if self.arriving.reaches(0) < offset:
                        hand_over()
                        self._wait_for(0, offset)
                    share.append(member)
                    if len(share) >= _SHARE:
                        hand_over()
        hand_over()

    def _make_folder(self, folder: str) -> None:
        if folder not in self._folders:
            os.makedirs(f"{self.root}/{folder}", exist_ok=True)  # noqa: PTH103 - as many as there are folders
            self._folders.add(folder)

    def _begin_big(self, share: Sequence[ArchiveMember], end: int) -> Future[None]:
        """Write a big member while it arrives; `end` is the offset of the first byte behind it."""

        def reached() -> int:
            return end if self.whole.is_set() else self.arriving.reaches(share[0].offset)

        arrival = Arrival(file=self.source, end=end, reached=reached, wait_and_read=self.read)
        return self.workers.big.submit(self._write, share, arrival)

    def _write(self, share: Sequence[ArchiveMember], source: File | Arrival) -> None:
        try:
            self._check()
            self.written.update(self.workers.write(share, source, str(self.root), going=self._check))
        except BaseException:
            self._failed = True
            raise
        self.landed(self.root, [member.name for member in share])

    def _compare(self, followed: Sequence[ArchiveMember]) -> tuple[ArchiveMember, ...]:
        """Members in the central directory that were not followed; those that were must agree with it.

        Raises:
            RefusedError: they do not agree.
        """
        with self.source.stream() as stream:
            listed = archive.directory(stream).members
        left = {member.name: member for member in listed}
        for member in followed:
            other = left.pop(member.name, None)
            if other is None or other._replace(executable=False) != member:
                raise archive.contradiction(member)
            if other.executable:
                self._executable.append(member.name)
        return tuple(left.values())

    def _permit(self) -> None:
        """Make files executable that the central directory marks so, for everybody who may read them."""
        for name in self._executable:
            path = Path(f"{self.root}/{name}")
            mode = path.stat().st_mode
            path.chmod(mode | (mode & 0o444) >> 2)

    def _wait_a_little(self) -> None:
        self._check()
        self.whole.wait(_POLL_SECONDS)

    def _check(self, count: int = 0) -> None:
        self.going(count)
        if self._failed or self.arriving.edition != self._edition:
            raise LeftError("the download was restarted")


class _Ahead(Seekable):
    """An archive that is still arriving, as a seekable file; bytes that have not arrived are requested."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        """See `Seekable`; `read` requests bytes that have not arrived."""
        self._seen: list[tuple[int, bytes]] = []

        def noted(offset: int, count: int) -> bytes:
            content = read(offset, count)
            self._seen.append((offset, content))
            return content

        super().__init__(noted, size)

    def agrees_with(self, file: File) -> bool:
        """Whether a file contains everything that was read, at the same offsets."""
        return all(file.read(offset, len(content)) == content for offset, content in self._seen)


def _shares(directory: archive.Directory) -> Iterator[_Share]:
    share: list[ArchiveMember] = []
    for member in directory.members:
        big = member.packed >= _BIG
        if share and (big or len(share) >= _SHARE or share[-1].packed >= _BIG):
            yield _Share(share, member.offset, share[-1].packed >= _BIG)
            share = []
        share.append(member)
    if share:
        yield _Share(share, directory.starts, share[-1].packed >= _BIG)


def _wanted_first(shares: Sequence[_Share]) -> Sequence[tuple[int, int]]:
    """Parts of the file with Python sources, merged into as few as possible."""
    parts: list[tuple[int, int]] = []
    for share in shares:
        if share.has_sources:
            if parts and share.start - parts[-1][1] <= _NEAR:
                parts[-1] = (parts[-1][0], share.end)
            else:
                parts.append((share.start, share.end))
    return parts
