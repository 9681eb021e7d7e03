"""The worker: a process that writes members of archives, one task after another, until its input ends.

`workers` starts it and gives it tasks over a socket: a length, sent along with a descriptor of the archive, and as many
bytes of JSON. If the archive is still arriving, offsets follow, up to which it has. Each answer is a line of JSON.
While it writes, it sends an empty line now and then, so that a worker that is stopped can be told from a slow one.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Sequence

from tfprov.structured import json_of
from tfprov.unpack.archive import RefusedError
from tfprov.unpack.members import Written, extract
from tfprov.unpack.records import ArchiveMember

NUMBER = struct.Struct("<Q")
"""A length or an offset."""
READY = b"ready\n"
"""The first line of a worker."""
BEAT = b"\n"
"""Says that a worker is making progress. A single byte, which is sent as a whole or not at all."""
_BEAT_SECONDS = 1.0


class _EndError(Exception):
    """There are no more tasks."""


class _Archive:
    """An archive, as `ArchiveBytes`; up to `end` it may still be arriving, and reading waits for the bytes."""

    def __init__(self, descriptor: int, tasks: socket.socket, end: int) -> None:
        self._descriptor = descriptor
        self._tasks = tasks
        self._end = end
        self._here = 0

    def read(self, offset: int, count: int) -> bytes:
        if self._end:
            count = min(count, self._end - offset)
            self.wait_for(offset + count)
        return os.pread(self._descriptor, count, offset)

    def wait_for(self, end: int) -> None:
        while self._here < end:
            (self._here,) = NUMBER.unpack(_exactly(self._tasks, NUMBER.size))


def main(descriptor: int, niceness: int) -> None:
    """Carry out tasks until there are no more.

    Args:
        descriptor: of the socket.
        niceness: how far to give way to other processes.
    """
    with contextlib.suppress(OSError):
        os.nice(niceness)
    with socket.socket(fileno=descriptor) as tasks, contextlib.suppress(_EndError, OSError):
        tasks.sendall(READY)
        going = _beating(tasks)
        while True:
            head, archives, _, _ = socket.recv_fds(tasks, NUMBER.size, 1)
            if not archives:
                return
            try:
                (length,) = NUMBER.unpack(head + _exactly(tasks, NUMBER.size - len(head)))
                root, end, members = json_of(_exactly(tasks, length))
                archive = _Archive(archives[0], tasks, end)
                answer = _answer(archive, root, [ArchiveMember(*member) for member in members], going)
                archive.wait_for(end)
                tasks.sendall(json.dumps(answer).encode() + b"\n")
            finally:
                os.close(archives[0])


def _beating(tasks: socket.socket) -> Callable[[int], None]:
    said = time.monotonic()

    def going(_: int) -> None:
        nonlocal said
        if time.monotonic() - said >= _BEAT_SECONDS:
            said = time.monotonic()
            # Whoever does not read now is busy, and finds the beats that there was room for.
            with contextlib.suppress(BlockingIOError):
                tasks.send(BEAT, socket.MSG_DONTWAIT)

    return going


def _answer(
    archive: _Archive, root: str, members: Sequence[ArchiveMember], going: Callable[[int], None]
) -> list[Written] | dict[str, object]:
    try:
        return [extract(archive, member, f"{root}/{member.name}", going=going) for member in members]
    except RefusedError as error:
        return {"refused": str(error)}
    except OSError as error:
        return {"errno": error.errno, "strerror": error.strerror, "filename": error.filename}


def _exactly(tasks: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        if not (part := tasks.recv(count)):
            raise _EndError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
