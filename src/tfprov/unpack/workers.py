"""The threads that write members of archives, and where possible a process for each of them that does the work.

The threads of one interpreter pass its lock to each other at every system call, and each has to be woken up for that.
Writing the 16,000 files of TensorFlow takes 100,000 system calls, among which the download got nowhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tfprov import process
from tfprov.structured import json_of
from tfprov.unpack.archive import RefusedError
from tfprov.unpack.members import File, Written, extract
from tfprov.unpack.records import ArchiveMember
from tfprov.unpack.worker import NUMBER, READY

_MOST_THREADS = 4
_MOST_ARRIVING = 16
_MOST_BIG = 2
"""Processes for members that are written while they arrive; they mostly wait for bytes, but each takes memory."""
_NICENESS = 10
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A member that is still arriving, as `ArchiveBytes`.

    Attributes:
        file: the archive.
        end: offset of the first byte behind the member.
        reached: the offset up to which it has arrived.
        wait_and_read: bytes of the archive at an offset; waits for them.
    """

    file: File
    end: int
    reached: Callable[[], int]
    wait_and_read: Callable[[int, int], bytes]

    def read(self, offset: int, count: int) -> bytes:
        """See `ArchiveBytes`; does not wait for what follows the member."""
        return self.wait_and_read(offset, min(count, self.end - offset))


class Workers:
    """The threads, in pools by what they write.

    Attributes:
        sources: for Python sources, which are compiled next.
        small: for other members that have arrived.
        big: for members that are written while they arrive.
    """

    def __init__(self, environ: Mapping[str, str] | None) -> None:
        """Start no thread yet.

        Args:
            environ: all environment variables of the processes; None to have the threads do the work.
        """
        threads = max(2, min(_MOST_THREADS, os.cpu_count() or 1))
        self._own = threading.local()
        self._processes: list[_Process] = []
        if environ is None or not hasattr(socket, "send_fds"):
            self.small = self.sources = ThreadPoolExecutor(threads, "unpack", _give_way)
            self.big = ThreadPoolExecutor(_MOST_ARRIVING, "follow", _give_way)
        else:
            self.sources = ThreadPoolExecutor(1, "sources", partial(self._begin, environ, 0))
            self.small = ThreadPoolExecutor(threads // 2, "unpack", partial(self._begin, environ, _NICENESS))
            self.big = ThreadPoolExecutor(_MOST_BIG, "follow", partial(self._begin, environ, _NICENESS // 2))

    def _begin(self, environ: Mapping[str, str], niceness: int) -> None:
        """Start the process of the present thread, which works without one if that fails."""
        with contextlib.suppress(OSError, RuntimeError):  # the latter where no more threads can be started
            self._own.process = _Process(environ, niceness)
            self._processes.append(self._own.process)

    def write(
        self, members: Sequence[ArchiveMember], source: File | Arrival, root: str, *, going: Callable[[int], None]
    ) -> dict[str, Written]:
        """Write members to new files. To be called in a thread of the pools.

        Args:
            members: the members.
            source: the archive.
            root: the folder to write into; the folders in it exist.
            going: called several times a second, with the number of compressed bytes that are done; raises to stop.

        Returns:
            Size and time of each file, by the name of the member.

        Raises:
            RefusedError: the content does not match the archive's metadata.
            OSError: a file cannot be written, the archive cannot be read, or the process was killed.
        """
        own: _Process | None = getattr(self._own, "process", None)
        if own is not None and own.is_ready():
            return own.write(members, source, root, going)
        return {member.name: extract(source, member, f"{root}/{member.name}", going=going) for member in members}

    def end(self) -> None:
        """End the processes, even in the middle of a task."""
        for each in self._processes:
            each.end()

    def close(self) -> None:
        """Wait for the threads and the processes; tasks that were not begun are cancelled."""
        for pool in (self.big, self.sources, self.small):
            pool.shutdown(wait=True, cancel_futures=True)
        self.end()
        for each in self._processes:
            each.close()


class _Process:
    """A worker, for one thread."""

    def __init__(self, environ: Mapping[str, str], niceness: int) -> None:
        self._socket, theirs = socket.socketpair()
        self._answers = self._socket.makefile("rb")
        self._ready: bool | None = None
        # Isolated (-I) and without `site`, which takes time; what it would add to the path is there already.
        path = [str(Path(__file__).parents[2]), *filter(os.path.isabs, sys.path)]
        code = f"import sys; sys.path[:] = {path!r}; from tfprov.unpack.worker import main; "
        code += f"main({theirs.fileno()}, {niceness})"
        argv = (sys.executable, "-I", "-S", "-X", f"utf8={sys.flags.utf8_mode}", "-c", code)

        def run() -> None:
            with theirs, contextlib.suppress(OSError):
                process.run(argv, env=environ, inherited=(theirs.fileno(),))

        self._thread = threading.Thread(target=run, name="worker", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            for each in (theirs, self._answers, self._socket):
                each.close()
            raise

    def is_ready(self) -> bool:
        """Whether it was started; waits for that."""
        if self._ready is None:
            self._ready = self._said() == READY
        return self._ready

    def write(
        self, members: Sequence[ArchiveMember], source: File | Arrival, root: str, going: Callable[[int], None]
    ) -> dict[str, Written]:
        """See `Workers.write`."""
        file, end = (source, 0) if isinstance(source, File) else (source.file, source.end)
        task = json.dumps([root, end, members]).encode()
        try:
            socket.send_fds(self._socket, [NUMBER.pack(len(task))], [file.descriptor])
            self._socket.sendall(task)
            if isinstance(source, Arrival):
                self._tell(source, going)
        except BaseException:
            # In the middle of a task.
            self._ready = False
            self.end()
            raise
        line = self._said()
        if not line:
            self._ready = False
            raise OSError(f"the process that unpacked `{members[0].name}` has ended")
        answer = json_of(line)
        if isinstance(answer, dict):
            if "refused" in answer:
                raise RefusedError(answer["refused"])
            raise OSError(answer["errno"], answer["strerror"], answer["filename"])
        going(sum(member.packed for member in members))
        return {member.name: Written(*one) for member, one in zip(members, answer, strict=True)}

    def _tell(self, source: Arrival, going: Callable[[int], None]) -> None:
        """Tell how far the archive has arrived, until the member has."""
        told = 0
        while told < source.end:
            if (here := min(source.reached(), source.end)) > told:
                self._socket.sendall(NUMBER.pack(here))
                told = here
            else:
                going(0)
                time.sleep(_POLL_SECONDS)

    def _said(self) -> bytes:
        try:
            return self._answers.readline()
        except OSError:
            return b""

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._thread.join()
        self._answers.close()
        self._socket.close()


def _give_way() -> None:
    """Let the child that compiles landed modules run first: it has more work to do, on one processor.

    On Linux each thread has its own niceness, which counts only within the same session or container.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
