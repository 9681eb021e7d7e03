"""Unpacking a wheel while it arrives, member by member.

Its last bytes are asked for first: the central directory in them says where everything lies, so that members are
written in whatever order they come, and Python's sources are asked for before the rest, because they have to be
compiled before the first import. From a server that sends files from front to back only, the wheel is read from its
front, by the local headers, which stand before the data and say nearly everything.

Until the wheel is whole and has the hash of the lock nothing of it is a tree. Then the central directory is looked at
again. Whatever goes wrong before, what was unpacked so far is thrown away, and the whole wheel is unpacked as any
other; so a failure has the same words, however the wheel came.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from tfprov.unpack import archive
from tfprov.unpack.archive import LOCAL, RefusedError
from tfprov.unpack.members import ArchiveBytes, File, Written, extract
from tfprov.unpack.records import ArchiveMember, Landed

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_POLL_SECONDS = 0.04
"""Long enough that a dozen threads which wait cost nothing, and short beside what arrives meanwhile."""
_SHARE = 64
"""Small members that are written by one task."""
_BIG = 1024 * 1024
"""Compressed bytes from which on a member is inflated while it still arrives, by a thread of its own."""
_WINDOW = 64 * 1024
_HEADER = 512
"""Bytes in which nearly every local header ends."""
_DIRECTORY = b"PK\x01\x02"
_LEAST_TAIL = 64 * 1024
_TAIL_SHARE = 100
"""A hundredth of TensorFlow's wheel is more than its central directory; where that is not enough, the rest is asked
for."""
_NEAR = 512 * 1024
"""What lies between two parts that are asked for first comes along with them, where it is no more than this."""


class Arriving(Protocol):
    """A file that is being downloaded, see `fetch.partial.Partial`.

    Attributes:
        path: of the file, until it is whole.
        edition: grows whenever all bytes are dropped.
        total: its size, once that is known.
        first: parts that the download brings before the others, if it can; to be set by who reads the file.
        in_order: whether it comes from front to back whatever is wanted first.
    """

    path: Path
    edition: int
    total: int | None
    first: Sequence[tuple[int, int]]
    in_order: bool

    def reaches(self, offset: int) -> int:
        """Where the first gap at or behind an offset begins."""
        ...


@dataclass(frozen=True, slots=True)
class _Share:
    """Members that are written by one task.

    Attributes:
        members: in the order of their places.
        end: offset up to which the file has to be here.
        big: whether it is one member, which is written while it still arrives.
    """

    members: Sequence[ArchiveMember]
    end: int
    big: bool

    @property
    def start(self) -> int:
        """Offset of the first byte."""
        return self.members[0].offset


class _InOrderError(Exception):
    """What was wanted first will come last."""


class LeftError(Exception):
    """What was unpacked so far is of no use: the bytes were dropped, or cannot be read from the front."""


@dataclass(slots=True, kw_only=True)
class Following:
    """One wheel on its way.

    Attributes:
        arriving: its file.
        source: the same, opened by the caller before its first byte was read.
        root: receives the files.
        going: raises to stop; called several times a second, with the bytes that were unpacked since.
        small: writes members that are here.
        big: writes members that still arrive.
        whole: set when the file is whole and has its hash.
        landed: hears of members that were written.
        written: size and time of the files so far.
    """

    arriving: Arriving
    source: File
    root: Path
    going: Callable[[int], None]
    small: ThreadPoolExecutor
    big: ThreadPoolExecutor
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
        """Follow the file to its end, and write all that its central directory names.

        Raises:
            LeftError: unpack the whole file instead.
            RefusedError: likewise.
            OSError: likewise.
        """
        if self.source.writable_by_others:
            raise LeftError("another user can write to it")
        tasks: list[Future[None]] = []
        try:
            if (ahead := self._ahead()) is not None:
                self._scatter(ahead, tasks)
            else:
                self._follow_front(tasks)
            wait(tasks)
            # The bytes that were unpacked are those whose hash was checked: they were never dropped.
            self._check()
        except LeftError:
            self._failed = True
            wait(tasks)
            # It may be the failure of a task that was noticed here.
            for task in tasks:
                task.result()
            raise
        except BaseException:
            # Tasks that are still at work end now.
            self._failed = True
            wait(tasks)
            raise
        self._permit()

    def read(self, offset: int, count: int) -> bytes:
        """Bytes as a `Source`; waits for them."""
        self._wait_for(offset, offset + count)
        self._check()
        return self.source.read(offset, count)

    def _wait_for(self, start: int, end: int) -> int:
        """Wait until a part of the file is here, or all of it; the offset up to which it is."""
        while (here := self.arriving.reaches(start)) < end and not self.whole.is_set():
            self._wait_a_little()
        return here

    def _wait_for_the_whole(self) -> None:
        while not self.whole.is_set():
            self._wait_a_little()

    def _ahead(self) -> _Ahead | None:
        """The file, whose end is here; None where it comes from front to back only."""
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

    def _read_ahead(self, start: int, end: int) -> bytes:
        """Bytes out of order; asks for them."""
        if self.arriving.reaches(start) < end:
            self.arriving.first = [(start, end), *self.arriving.first]
            self._wait_for(start, end)
        self._check()
        return self.source.read(start, end - start)

    def _scatter(self, ahead: _Ahead, tasks: list[Future[None]]) -> None:
        """Hand every member over as soon as it is here, or begins to be if it is a big one.

        Args:
            ahead: the file.
            tasks: receives what writes them.

        Raises:
            LeftError: its directory became another one.
        """
        shares = list(_shares(archive.directory(cast("BinaryIO", ahead))))
        self.arriving.first = _wanted_first(shares)
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
                    tasks.append(self.big.submit(self._write, share.members, _Until(self, share.end)))
                else:
                    tasks.append(self.small.submit(self._write, share.members, self.source))
            shares = waiting
            if shares:
                self._wait_a_little()
        self._wait_for_the_whole()
        if not ahead.agrees_with(self.source):
            raise LeftError("its directory was another one before")

    def _follow_front(self, tasks: list[Future[None]]) -> None:
        """Hand every member over that can be read from the front, then what the central directory names besides."""
        followed = list(self._walk(tasks))
        self._wait_for_the_whole()
        left = self._compare(followed)
        for member in left:
            self._make_folder(member.name.rpartition("/")[0])
        shares = (left[at : at + _SHARE] for at in range(0, len(left), _SHARE))
        tasks += [self.small.submit(self._write, share, self.source) for share in shares]

    def _walk(self, tasks: list[Future[None]]) -> Iterator[ArchiveMember]:
        """Each member as soon as its header is here; its content is written by others."""
        offset = 0
        share: list[ArchiveMember] = []

        def hand_over() -> None:
            nonlocal share
            if share:
                tasks.append(self.small.submit(self._write, share, self.source))
                share = []

        seen, begins = b"", 0
        while True:
            head = seen[offset - begins :]
            if len(head) < _HEADER:
                # What is here of the file: many small members, as a rule.
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
                # Sizes behind the data: where the next member begins, the central directory has to say.
                break
            member = archive.from_local(local, offset)
            offset += local.data + member.packed
            if not member.name.endswith("/"):
                self._make_folder(member.name.rpartition("/")[0])
                yield member
                if member.packed >= _BIG:
                    tasks.append(self.big.submit(self._write, [member], _Until(self, offset)))
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

    def _write(self, share: Sequence[ArchiveMember], source: ArchiveBytes) -> None:
        for member in share:
            self._check()
            try:
                written = extract(source, member, f"{self.root}/{member.name}", going=self._check)
            except BaseException:
                self._failed = True
                raise
            self.written[member.name] = written
        self.landed(self.root, [member.name for member in share])

    def _compare(self, followed: Sequence[ArchiveMember]) -> tuple[ArchiveMember, ...]:
        """What the central directory names and was not followed, if it says the same of what was."""
        with os.fdopen(os.dup(self.source.descriptor), "rb") as stream:
            listed = archive.directory(stream).members
        left = {member.name: member for member in listed}
        for member in followed:
            other = left.pop(member.name, None)
            if other is None or other._replace(executable=False) != member:
                raise RefusedError(f"`{member.name}` is described in two ways")
            if other.executable:
                self._executable.append(member.name)
        return tuple(left.values())

    def _permit(self) -> None:
        """Let be run what the central directory says may be, by whoever may read it."""
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
            raise LeftError("it was begun anew")


@dataclass(frozen=True, slots=True)
class _Until:
    """A member that still arrives, as `ArchiveBytes`; whoever reads it does not wait for what follows it."""

    following: Following
    end: int

    def read(self, offset: int, count: int) -> bytes:
        return self.following.read(offset, min(count, self.end - offset))


class _Ahead(io.RawIOBase):
    """An archive that still arrives, as a file; bytes that are not here are asked for."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        """Begin at its first byte.

        Args:
            read: gives the bytes between two offsets.
            size: of the file.
        """
        super().__init__()
        self._ahead = read
        self._size = size
        self._position = 0
        self._seen: list[tuple[int, bytes]] = []

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError("before the first byte")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        end = min(self._position + len(view), self._size)
        if end <= self._position:
            return 0
        content = self._ahead(self._position, end)
        view[: len(content)] = content
        self._seen.append((self._position, content))
        self._position += len(content)
        return len(content)

    def agrees_with(self, file: File) -> bool:
        """Whether all that was read is in a file."""
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
    """Where Python's sources are, in few parts."""
    parts: list[tuple[int, int]] = []
    for share in shares:
        if any(member.name.endswith(".py") for member in share.members):
            if parts and share.start - parts[-1][1] <= _NEAR:
                parts[-1] = (parts[-1][0], share.end)
            else:
                parts.append((share.start, share.end))
    return parts
