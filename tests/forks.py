"""Runs of tfprov by a process that has imported it: a fork for each run, as importing is most of what a short one does.

A run has a process, standard streams, a working folder and variables of its own, may use the processors that its caller
may, and ends as any interpreter does.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_ROOMS = ("cli", "pipeline", "profile")
"""Packages of tfprov that lead to what every command imports."""
_EARLY = (
    *("PYTHON", "_PYTHON", "LC_", "LANG", "TZ", "TMP", "TEMP", "LD_", "MALLOC_", "GLIBC_", "OPENSSL_"),
    *("PYDANTIC_", "TYPER_"),
)
"""How variables begin that take effect as a process starts, or as tfprov is imported: a process has to start then."""
_LARGEST = 100_000
"""Bytes of a request."""


def run(
    arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run `python -I -m tfprov` to its end, with both streams captured, or a fork that is like it.

    Args:
        arguments: of tfprov.
        env: all variables.
        cwd: the working folder.
        timeout: seconds, after which the run is killed.

    Raises:
        TimeoutExpired: it ran longer.
    """
    if sys.platform != "linux" or any(map(is_early, env)):
        return subprocess.run(
            [sys.executable, "-I", "-m", "tfprov", *arguments],
            env=env,
            cwd=cwd,
            capture_output=True,
            text=True,
            # On Windows Python writes to a pipe in the code page.
            encoding="locale" if sys.platform == "win32" else "utf-8",
            timeout=timeout,
            check=False,
        )
    answers, asked = socket.socketpair()
    (out, to_out), (err, to_err) = os.pipe(), os.pipe()
    told = {"arguments": list(arguments), "env": dict(env), "cwd": str(cwd)}
    request = json.dumps({**told, "processors": list(os.sched_getaffinity(0))}).encode()
    socket.send_fds(_door(), [request], [asked.fileno(), to_out, to_err])
    asked.close()
    os.close(to_out)
    os.close(to_err)
    with answers, answers.makefile() as told, ThreadPoolExecutor(2) as readers:
        streams = [readers.submit(_text, handle) for handle in (out, err)]
        pid = int(told.readline())
        answers.settimeout(timeout)
        try:
            status = int(told.readline())
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(list(arguments), timeout) from None
        stdout, stderr = (stream.result() for stream in streams)
    return subprocess.CompletedProcess(list(arguments), status, stdout, stderr)


def is_early(name: str) -> bool:
    """Whether a variable takes effect before tfprov gets its arguments."""
    return name.startswith(_EARLY)


def import_rooms() -> None:
    """Import what commands import."""
    for room in _ROOMS:
        package = importlib.import_module(f"tfprov.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


def _text(handle: int) -> str:
    with open(handle, encoding="utf-8") as stream:
        return stream.read()


@functools.cache
def _door() -> socket.socket:
    """Where the process takes requests; one for each process of the tests, which ends with it."""
    door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server = subprocess.Popen(
        [sys.executable, "-I", __file__, str(theirs.fileno())],
        env={"PATH": os.defpath},
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        # A run's standard streams are pipes. Python asks what they are as it starts.
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    theirs.close()

    def end() -> None:
        door.close()
        server.communicate()

    atexit.register(end)
    return door


def _serve(door: socket.socket) -> list[str]:
    """Fork for each request, until there can be none; only the forks come back, with the arguments of tfprov."""
    while True:
        request, handles, _, _ = socket.recv_fds(door, _LARGEST, 3)
        if not request:
            sys.exit()
        if os.fork() == 0:
            break
        for handle in handles:
            os.close(handle)
        _reap()
    door.close()
    asked, out, err = handles
    run = os.fork()
    if run:
        os.close(out)
        os.close(err)
        os.write(asked, b"%d\n" % run)
        os.write(asked, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(run, 0)[1]))
        os._exit(0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    for handle in handles:
        os.close(handle)
    told = json.loads(request)
    os.chdir(told["cwd"])
    os.sched_setaffinity(0, told["processors"])
    # Python itself sets LC_CTYPE as it starts without a locale.
    locale = {name: value for name, value in os.environ.items() if name == "LC_CTYPE"}
    os.environ.clear()
    os.environ.update(locale | told["env"])
    arguments: list[str] = told["arguments"]
    return arguments


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    import_rooms()
    gc.freeze()
    sys.argv[1:] = _serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("tfprov", run_name="__main__", alter_sys=True)
