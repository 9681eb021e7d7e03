"""Unpacking a wheel while it arrives: member by member, as far as its front reaches.

Local headers stand before the data and say nearly everything. What they cannot prove is looked at when the wheel is
whole, has the hash of the lock, and its central directory can be read: until then nothing of it is a tree. Whatever
goes wrong before, what was unpacked so far is thrown away, and the whole wheel is unpacked as any other; so a failure
has the same words, however the wheel came.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tfprov.unpack import archive
from tfprov.unpack.archive import LOCAL, RefusedError
from tfprov.unpack.members import File, Written, extract
from tfprov.unpack.records import ArchiveMember, Landed

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


class Arriving(Protocol):
    """A file that is being downloaded, see `fetch.partial.Partial`.

    Attributes:
        path: of the file, until it is whole.
        edition: grows whenever all bytes are dropped.
    """

    path: Path
    edition: int

    @property
    def prefix(self) -> int:
        """Number of bytes before the first gap."""


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
            followed = list(self._walk(tasks))
            while not self.whole.is_set():
                self._wait_a_little()
            left = self._compare(followed)
            for member in left:
                self._make_folder(member.name.rpartition("/")[0])
            tasks += [self.small.submit(self._write, left[at : at + _SHARE]) for at in range(0, len(left), _SHARE)]
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
        self._wait_for(offset + count)
        self._check()
        return self.source.read(offset, count)

    def _wait_for(self, end: int) -> int:
        """Wait until the file is here up to an offset, or whole; the offset up to which it is."""
        while (prefix := self.arriving.prefix) < end and not self.whole.is_set():
            self._wait_a_little()
        return prefix

    def _walk(self, tasks: list[Future[None]]) -> Iterator[ArchiveMember]:
        """Each member as soon as its header is here; its content is written by others."""
        offset = 0
        share: list[ArchiveMember] = []

        def hand_over() -> None:
            nonlocal share
            if share:
                tasks.append(self.small.submit(self._write, share))
                share = []

        seen, begins = b"", 0
        while True:
            head = seen[offset - begins :]
            if len(head) < _HEADER:
                # What is here of the file: many small members, as a rule.
                if self.arriving.prefix < offset + LOCAL.size:
                    hand_over()
                here = self._wait_for(offset + LOCAL.size)
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
                    tasks.append(self.big.submit(self._write, [member]))
                else:
                    if self.arriving.prefix < offset:
                        hand_over()
                        self._wait_for(offset)
                    share.append(member)
                    if len(share) >= _SHARE:
                        hand_over()
        hand_over()

    def _make_folder(self, folder: str) -> None:
        if folder not in self._folders:
            os.makedirs(f"{self.root}/{folder}", exist_ok=True)  # noqa: PTH103 - as many as there are folders
            self._folders.add(folder)

    def _write(self, share: Sequence[ArchiveMember]) -> None:
        for member in share:
            self._check()
            try:
                written = extract(self, member, f"{self.root}/{member.name}", going=self._check)
            except BaseException:
                self._failed = True
                raise
            self.written[member.name] = written
        self.landed(self.root, [member.name for member in share])

    def _compare(self, followed: Sequence[ArchiveMember]) -> tuple[ArchiveMember, ...]:
        """What the central directory names and was not followed, if it says the same of what was."""
        with os.fdopen(os.dup(self.source.descriptor), "rb") as stream:
            listed = archive.members(stream)
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
