"""Starts child processes; no other module does."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tfprov import umask
from tfprov.errors import TfprovError
from tfprov.jobs import JobObject
from tfprov.words import quoted

# Variables that silently change what Python or an installer does. Settings in them that tfprov honours (an index, a
# proxy, a certificate) it reads itself and passes on explicitly.
_HAZARD_PREFIXES = ("PIP_", "UV_", "VIRTUALENV_", "PYTHON", "CONDA_", "MAMBA_", "PIPX_", "POETRY_", "TF_", "_PYTHON")
_HAZARD_NAMES = frozenset({"VIRTUAL_ENV", "XLA_FLAGS", "PYENV_VERSION", "__PYVENV_LAUNCHER__"})

# What every program needs: where programs are, locale, where to write; and what Windows needs to start any program.
_BARE_NAMES = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "LANG", "LANGUAGE"}
)
_BARE_NAMES |= {"TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT"}
# What Windows says about the machine: below these folders compilers are looked for, and Python 3.11 and older know the
# processor from these variables alone.
_BARE_NAMES |= {"PROGRAMFILES", "PROGRAMFILES(X86)", "PROGRAMW6432", "PROGRAMDATA", "ALLUSERSPROFILE"}
_BARE_NAMES |= {"PROCESSOR_ARCHITECTURE", "PROCESSOR_ARCHITEW6432", "NUMBER_OF_PROCESSORS"}

_DRAIN_SECONDS = 5.0
"""How long to keep reading a child's output after it ended."""
_HEARING_SECONDS = 0.2
"""Longest delay of Ctrl-C on Windows, and of the end of a child that is no longer needed."""
_END_SECONDS = 3.0
"""How long a child has to end after each signal."""
# A child that prints without end must not fill our memory.
_MOST_KEPT = 16 << 20
_LONGEST_LINE = 1 << 20


_needless: ContextVar[threading.Event | None] = ContextVar("_needless", default=None)
"""Set when nobody wants any more what this thread does; None where nothing says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a child process ended.

    Attributes:
        argv: the command line.
        returncode: exit status; negative is the number of the signal that ended it (POSIX).
        stdout: its output, decoded as UTF-8 with replacement characters, and with the line ends of POSIX.
        stderr: likewise.
        seconds: wall time.
        timed_out: True when it was ended at its time limit, or because it was stuck.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool

    @property
    def ok(self) -> bool:
        """Whether it ended by itself with status 0."""
        return self.returncode == 0 and not self.timed_out

    @property
    def signal_name(self) -> str | None:
        """Name of the signal that ended it (`SIGKILL`), also if only a shell reported it (128 + n); else None."""
        number = -self.returncode if self.returncode < 0 else self.returncode - 128
        try:
            return signal.Signals(number).name if number > 0 else None
        except ValueError:
            return None


def clean_environment(environ: Mapping[str, str], **extra: str) -> dict[str, str]:
    """The environment for a child: `environ` without variables that redirect Python and installers, plus `extra`."""
    kept = {
        name: value
        for name, value in environ.items()
        if name not in _HAZARD_NAMES and not name.startswith(_HAZARD_PREFIXES)
    }
    kept.update(extra)
    return kept


def bare_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for a child that runs foreign code: without the user's settings and secrets."""
    return {name: value for name, value in environ.items() if name in _BARE_NAMES or name.startswith("LC_")}


@contextlib.contextmanager
def endable(needless: threading.Event) -> Iterator[None]:
    """What this thread does within ends at its next or present child, with a CancelledError, once the event is set."""
    token = _needless.set(needless)
    try:
        yield
    finally:
        _needless.reset(token)


def program(name: str, environ: Mapping[str, str]) -> str | None:
    """Path of a program on PATH; None when there is none.

    Relative entries of PATH (`.`) are ignored: anybody may have put a program into the working directory.
    """
    # Not with `which` for the bare name: on Windows it looks into the working directory before PATH.
    endings = (*environ.get("PATHEXT", "").split(os.pathsep), "") if os.name == "nt" else ("",)
    folders = (Path(entry) for entry in environ.get("PATH", "").split(os.pathsep) if Path(entry).is_absolute())
    found = (shutil.which(str(folder / f"{name}{ending}")) for folder in folders for ending in endings)
    return next(filter(None, found), None)


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout: float | None = None,
    on_stdout: Callable[[str], None] | None = None,
    inherited: Sequence[int] = (),
    progress: Callable[[], object] | None = None,
    stuck: float = math.inf,
) -> Finished:
    """Run a child to its end and keep its output, the last 16 MiB of each stream.

    The child leads its own process group, or has its own job object (Windows), so that it is ended with all its
    descendants: at the time limit, when this process is interrupted or killed, and when it is no longer needed
    (`endable`).

    Args:
        argv: program and arguments.
        env: the whole environment of the child.
        cwd: working directory; that of this process when None.
        stdin: text for its standard input; empty when None.
        timeout: seconds until it is ended; None for no limit.
        on_stdout: called with each line of stdout as it is printed, without its line end, from another thread.
        inherited: descriptors that it shares with this process, under the same numbers (POSIX).
        progress: a value that changes while it gets on, asked several times a second.
        stuck: seconds without such a change after which it is ended as at a time limit. Counted and not measured, so
            that a machine that was suspended is not taken for a child that was.

    Raises:
        OSError: the program cannot be started.
        CancelledError: another thread has no use for it.
        Exception: what `on_stdout` raised; the child has ended by itself.
    """
    if (needless := _needless.get()) is not None and needless.is_set():
        raise _cancelled()
    arguments = tuple(os.fspath(part) for part in argv)
    given = None if stdin is None else stdin.encode()
    if given is None and not os.path.exists(os.devnull):  # noqa: PTH110 - Windows' is no path
        given = b""  # a chroot without devices
    started = time.monotonic()
    _mourner.ready()
    child = subprocess.Popen(
        arguments,
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=inherited,
        start_new_session=os.name == "posix",
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
    job = JobObject(getattr(child, "_handle", 0))
    _mourner.tell("+", child.pid)
    streams = _Streams(child, given, on_stdout)
    timed_out = False
    try:
        streams.begin()
        try:
            _wait(child, timeout, needless, progress, stuck)
        except subprocess.TimeoutExpired:
            timed_out = True
            _end(child, job)
    except BaseException:
        _end(child, job)
        raise
    finally:
        _mourner.tell("-", child.pid)
    streams.finish()
    job.forget()
    if streams.failures:
        raise streams.failures[0]
    return Finished(
        argv=arguments,
        returncode=-9 if child.returncode is None else child.returncode,
        stdout=text_of(streams.out[-_MOST_KEPT:]),
        stderr=text_of(streams.err[-_MOST_KEPT:]),
        seconds=time.monotonic() - started,
        timed_out=timed_out,
    )


class _Streams:
    """The three streams of a child, each with a thread of its own.

    Its input as well: a child that never reads it would otherwise block us beyond the time limit.
    """

    def __init__(
        self, child: subprocess.Popen[bytes], given: bytes | None, on_stdout: Callable[[str], None] | None
    ) -> None:
        self.out = bytearray()
        self.err = bytearray()
        self.failures: list[Exception] = []
        self._threads = [
            threading.Thread(target=_drain, args=(child.stdout, self.out, on_stdout, self.failures), daemon=True),
            threading.Thread(target=_drain, args=(child.stderr, self.err, None, self.failures), daemon=True),
        ]
        if given is not None:
            self._threads.append(threading.Thread(target=_feed, args=(child.stdin, given), daemon=True))

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        patience = time.monotonic() + _DRAIN_SECONDS
        for thread in self._threads:
            # A grandchild that left the group may hold the pipe open for ever; its output is not part of the result.
            thread.join(timeout=max(0.0, patience - time.monotonic()))


# Reads lines `+ pid` and `- pid`. End of input means that the parent is dead: kill the groups that are left.
_MOURNING = """
left=' '
while read -r sign pid; do
    case $sign in
        +) left="$left$pid " ;;
        -) case $left in *" $pid "*) left="${left%% $pid *} ${left#* $pid }" ;; esac ;;
    esac
done
for pid in $left; do kill -9 "-$pid"; done
"""


class _Mourner:
    """A small shell that ends our children when we are killed, which no process can do itself.

    A child of a killed tfprov would go on writing into an environment that the next run works on. The kernel's signal
    for that (PR_SET_PDEATHSIG) must be requested by the child between fork and exec, where Python may run nothing
    safely while there are threads; it also does not reach grandchildren, and exists only on Linux. So a shell waits on
    a pipe that closes when this process ends in any way. Where there is no shell, children outlive us.

    Attributes:
        shell: id of its process; None before the first child, and where there is no shell.
    """

    def __init__(self) -> None:
        self._pipe: int | None = None
        self._guard = threading.Lock()
        self._owner = 0
        self.shell: int | None = None

    def ready(self) -> None:
        """Start it, once per process; takes some 2 ms."""
        with self._guard:
            if os.name != "posix" or self._owner == os.getpid():
                return
            self._owner = os.getpid()
            reader, self._pipe = os.pipe()
            try:
                shell = subprocess.Popen(
                    ["/bin/sh", "-c", _MOURNING],
                    stdin=reader,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={},
                    cwd="/",
                    # Ctrl-C must not reach it.
                    start_new_session=True,
                )
            except OSError:
                os.close(self._pipe)
                self._pipe = None
            else:
                # It outlives us; marked as ended, so that nothing waits for it.
                shell.returncode = 0
                self.shell = shell.pid
            finally:
                os.close(reader)

    def tell(self, sign: str, pid: int) -> None:
        """Report that a child was started (`+`) or has ended (`-`)."""
        if self._pipe is not None:
            with contextlib.suppress(OSError):
                os.write(self._pipe, f"{sign} {pid}\n".encode())


_mourner = _Mourner()


def replace_process(argv: Sequence[str], *, env: Mapping[str, str]) -> int:
    """Replace this process by another program (POSIX), or run that and return its exit status (Windows).

    Raises:
        TfprovError: `usage` when it cannot be started.
    """
    try:
        umask.give_back()
        if os.name == "posix":
            os.execvpe(argv[0], list(argv), dict(env))  # noqa: S606 - the user's own command, no shell on purpose
        with subprocess.Popen(command_line(argv), env=dict(env)) as child:
            while True:
                # Ctrl-C reaches all programs of the console: the user's program decides what it means, and we wait.
                with contextlib.suppress(KeyboardInterrupt):
                    _wait(child, None)
                    return child.returncode
    except OSError as error:
        # The program exists, for it was looked up: ENOENT is about the interpreter in its first line.
        raise TfprovError(
            "usage",
            f"`{argv[0]}` cannot be started",
            evidence=(error.strerror or str(error),),
            hint="check its permissions, and that the program in its first line (`#!`) exists",
        ) from error


def command_line(argv: Sequence[str]) -> str:
    """A command as Windows passes it to a program, which takes it apart again.

    `subprocess` quotes only words with spaces. cmd, which runs batch files, also ends a word at `&`, `(` and others.
    """
    return " ".join(
        subprocess.list2cmdline([word]) if '"' in word or "\t" in word else quoted(word, windows=True) for word in argv
    )


def text_of(output: bytes | bytearray) -> str:
    """The text of a child's output: decoded with replacement characters, and with the line ends of POSIX."""
    return output.decode("utf-8", "replace").replace("\r\n", "\n")


def _drain(stream: IO[bytes], into: bytearray, each: Callable[[str], None] | None, failures: list[Exception]) -> None:
    with stream:
        for raw in iter(lambda: stream.readline(_LONGEST_LINE), b""):
            into += raw
            # Only now and then, because each deletion moves what is kept.
            if len(into) > 2 * _MOST_KEPT:
                del into[:-_MOST_KEPT]
            if each is not None:
                try:
                    each(raw.decode("utf-8", "replace").rstrip("\r\n"))
                except Exception as error:  # an exception in a thread is lost, and would break the pipe of the child
                    failures.append(error)
                    each = None


def _feed(stream: IO[bytes], text: bytes) -> None:
    # The child may end, or close its input, before it has read everything.
    with contextlib.suppress(OSError):
        stream.write(text)
    with contextlib.suppress(OSError):
        stream.close()


def _wait(
    child: subprocess.Popen[bytes],
    timeout: float | None,
    needless: threading.Event | None = None,
    progress: Callable[[], object] | None = None,
    stuck: float = math.inf,
) -> None:
    """Wait for a child to end; raises TimeoutExpired at a limit, CancelledError when the event is set.

    On Windows, Python handles Ctrl-C only between two calls, not during one that blocks.
    """
    if os.name == "posix" and needless is None and timeout is None and progress is None:
        child.wait()
        return
    # With a time limit, `subprocess` looks for the end every 50 ms only.
    waiting = threading.Thread(target=child.wait, name="child", daemon=True)
    waiting.start()
    limit = None if timeout is None else time.monotonic() + timeout
    seen, still = None if progress is None else progress(), 0
    while needless is None or not needless.is_set():
        waiting.join(_HEARING_SECONDS if limit is None else min(_HEARING_SECONDS, max(0.0, limit - time.monotonic())))
        if not waiting.is_alive():
            return
        if limit is not None and time.monotonic() >= limit:
            raise subprocess.TimeoutExpired(child.args, timeout or 0.0)
        if progress is not None:
            before, seen = seen, progress()
            still = still + 1 if seen == before else 0
            if still * _HEARING_SECONDS >= stuck:
                raise subprocess.TimeoutExpired(child.args, stuck)
    raise _cancelled()


def _cancelled() -> Exception:
    # Imported late: it imports logging, and a run that has nothing to do starts one short child.
    from concurrent.futures import CancelledError

    return CancelledError()


def _end(child: subprocess.Popen[bytes], job: JobObject) -> None:
    """End the child and its group: ask first, kill after a few seconds."""
    try:
        if not job.end():
            _signal(child, "SIGTERM")
            # A process that is stopped gets no other signal before it is continued.
            _signal(child, "SIGCONT")
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_END_SECONDS)
    finally:
        # Also when a second Ctrl-C interrupts the wait: no process of ours may go on running.
        if child.poll() is None or _group_alive(child.pid):
            _signal(child, "SIGKILL")
            # A process that a stuck driver or disk holds in the kernel does not end; it must not block us as well.
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_END_SECONDS)


def _signal(child: subprocess.Popen[bytes], name: str) -> None:
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, getattr(signal, name))
    elif name != "SIGCONT":
        child.kill()


def _group_alive(pid: int) -> bool:
    if os.name != "posix":
        return False
    try:
        os.killpg(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
