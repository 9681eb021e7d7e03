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
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from tfprov import process
from tfprov.locks import STUCK_SECONDS
from tfprov.structured import json_of
from tfprov.unpack.archive import RefusedError
from tfprov.unpack.members import File, Written, extract
from tfprov.unpack.records import ArchiveMember
from tfprov.unpack.worker import BEAT, NUMBER, READY

_Result = TypeVar("_Result")

_MOST_THREADS = 4
_MOST_ARRIVING = 16
_MOST_BIG = 2
"""Processes for members that are written while they arrive; they mostly wait for bytes, but each takes memory."""
_NICENESS = 10
_POLL_SECONDS = 0.02
_SLICE_SECONDS = 1.0
_MOST_SLICES = int(STUCK_SECONDS / _SLICE_SECONDS)
"""How many slices in a row a process may stay silent. Counted and not measured: where the machine was suspended, or all
processes were stopped together, that is one slice, however long it took."""
_END_SECONDS = 10.0
"""How long a process has to end after its input did; nothing that it still writes is of use."""
_DEATH_SECONDS = 10.0
"""How long to wait for the end of a process that is killed; a disk that hangs keeps it in the kernel."""
_ANSWER = 64 * 1024


class LostError(OSError):
    """A process ended or is stuck in the middle of a task; what it wrote is of no use."""


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
            LostError: the process was killed, or makes no progress and was ended; the thread goes on without one.
            OSError: a file cannot be written, or the archive cannot be read.
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
        self._socket.settimeout(_SLICE_SECONDS)
        self._heard = b""
        self._ready: bool | None = None
        self._needless = threading.Event()
        # Isolated (-I) and without `site`, which takes time; what it would add to the path is there already.
        path = [str(Path(__file__).parents[2]), *filter(os.path.isabs, sys.path)]
        code = f"import sys; sys.path[:] = {path!r}; from tfprov.unpack.worker import main; "
        code += f"main({theirs.fileno()}, {niceness})"
        argv = (sys.executable, "-I", "-S", "-X", f"utf8={sys.flags.utf8_mode}", "-c", code)

        def run() -> None:
            with theirs, contextlib.suppress(OSError, CancelledError), process.endable(self._needless):
                process.run(argv, env=environ, inherited=(theirs.fileno(),))

        self._thread = threading.Thread(target=run, name="worker", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            for each in (theirs, self._socket):
                each.close()
            raise

    def is_ready(self) -> bool:
        """Whether it was started; waits for that."""
        if self._ready is None:
            try:
                self._ready = self._said() == READY
            except OSError:
                self._ready = False
        return self._ready

    def write(
        self, members: Sequence[ArchiveMember], source: File | Arrival, root: str, going: Callable[[int], None]
    ) -> dict[str, Written]:
        """See `Workers.write`."""
        file, end = (source, 0) if isinstance(source, File) else (source.file, source.end)
        task = json.dumps([root, end, members]).encode()
        try:
            head = [NUMBER.pack(len(task))]
            self._patiently(lambda: socket.send_fds(self._socket, head, [file.descriptor]))
            self._send(task)
            if isinstance(source, Arrival):
                self._tell(source, going)
            line = self._said(lambda: going(0))
        except BaseException as error:
            # In the middle of a task.
            self._ready = False
            self.end()
            if isinstance(error, OSError):
                raise LostError(f"the process that unpacked `{members[0].name}` {error}") from error
            raise
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
                self._send(NUMBER.pack(here))
                told = here
            else:
                going(0)
                time.sleep(_POLL_SECONDS)

    def _send(self, content: bytes) -> None:
        left = memoryview(content)
        while left:
            left = left[self._patiently(partial(self._socket.send, left)) :]

    def _said(self, going: Callable[[], None] = lambda: None) -> bytes:
        """The next answer.

        Args:
            going: called whenever the process makes progress; raises to stop.

        Raises:
            OSError: says that it has ended, or is stuck.
        """
        while b"\n" not in self._heard:
            if not (piece := self._patiently(lambda: self._socket.recv(_ANSWER))):
                raise OSError("has ended")
            self._heard = (self._heard + piece).lstrip(BEAT)
            going()
        answer, _, self._heard = self._heard.partition(b"\n")
        return answer + b"\n"

    def _patiently(self, act: Callable[[], _Result]) -> _Result:
        """The result of a call on the socket, for which the process has to make progress; ends one that is stuck."""
        for _ in range(_MOST_SLICES):
            try:
                return act()
            except TimeoutError:
                continue
            except ConnectionError as error:
                raise OSError("has ended") from error
        self._kill()
        raise OSError(f"made no progress for {_MOST_SLICES * _SLICE_SECONDS:.0f} s and was ended")

    def _kill(self) -> None:
        self._needless.set()
        # Before somebody deletes what it was writing.
        self._thread.join(_DEATH_SECONDS)

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._thread.join(_END_SECONDS)
        if self._thread.is_alive():
            self._kill()
        self._socket.close()


def _give_way() -> None:
    """Let the child that compiles landed modules run first: it has more work to do, on one processor.

    On Linux each thread has its own niceness, which counts only within the same session or container.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
