"""Runs of tfprov by a process that has imported it: a fork for each run, as importing is most of what a short one does.

A run has a process, standard streams, a working folder and variables of its own, may use the processors that its caller
may, and ends as any interpreter does. Only what tfprov packs of itself and of its dependencies for a bundle, which is
the same each time, is packed by the first run alone. A program that starts tfprov by itself is given `command` to
start.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import importlib.metadata
import json
import os
import pkgutil
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_ROOMS = ("cli", "diagnose", "envs", "pipeline", "profile", "report")
"""Packages of tfprov that lead to what commands import, at once or when they need it."""
_OF_OTHERS = ("distlib.scripts", "psutil", "uv", "virtualenv.run", "xmlrpc.client")
_PLUGINS = tuple(f"virtualenv.{kind}" for kind in ("activate", "create", "discovery", "seed"))
"""What they import of others, and groups of entry points, when they make an environment; it takes a fourth of that."""
_EARLY = (
    *("PYTHON", "_PYTHON", "LC_", "LANG", "TZ", "TMP", "TEMP", "LD_", "MALLOC_", "GLIBC_", "OPENSSL_"),
    *("PYDANTIC_", "TYPER_", "_TYPER_", "PSUTIL_", "ANDROID_DATA", "PATHEXT", "TCL_LIBRARY"),
)
"""How variables begin that take effect as a process starts, or as tfprov is imported: a process has to start then."""
_AGAIN = "TMPDIR"
"""What a fork reads once more."""
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
    (out, to_out), (err, to_err) = os.pipe(), os.pipe()
    answers = _ask(_server()[0], arguments, env=env, cwd=cwd, streams=(to_out, to_err))
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


def command() -> list[str]:
    """What a program starts as tfprov: a short script that asks for a fork, and ends with its exit status."""
    if sys.platform != "linux":
        return [sys.executable, "-I", "-m", "tfprov"]
    return [sys.executable, "-I", "-S", __file__, "ask", _server()[1]]


def _ask(
    door: socket.socket, arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path, streams: Sequence[int]
) -> socket.socket:
    """Where the number of the process that runs tfprov will be written, and then its exit status."""
    answers, asked = socket.socketpair()
    told = {"arguments": list(arguments), "env": dict(env), "cwd": str(cwd)}
    request = json.dumps({**told, "processors": list(os.sched_getaffinity(0))}).encode()
    with asked:
        socket.send_fds(door, [request], [asked.fileno(), *streams])
    return answers


def _ask_and_end(address: str, arguments: Sequence[str]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        door.connect(f"\0{address}")
        answers = _ask(door, arguments, env=os.environ, cwd=Path.cwd(), streams=(1, 2))
    with answers, answers.makefile() as told:
        _, status = map(int, told)
    sys.exit(status)


def is_early(name: str) -> bool:
    """Whether a variable takes effect before tfprov gets its arguments."""
    return name.startswith(_EARLY) and name != _AGAIN


def import_rooms() -> None:
    """Import what commands import, and read tfprov's tables and the options of all commands, as each start does."""
    for name in _OF_OTHERS:
        importlib.import_module(name)
    for group in _PLUGINS:
        for plugin in importlib.metadata.entry_points(group=group):
            plugin.load()
    for room in _ROOMS:
        package = importlib.import_module(f"tfprov.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    typer = importlib.import_module("typer.main")
    for room, read in (("compat", "table"), ("companions", "known_breaks")):
        getattr(importlib.import_module(f"tfprov.plan.{room}"), read)()
    # Typer reads them at each call; a fork calls once.
    typer.get_command = functools.cache(typer.get_command)
    typer.get_command(importlib.import_module("tfprov.cli.app").app)


def keep_packed(kept: Path) -> None:
    """Let each installed distribution be packed once: it takes a third of a bundle of tiny wheels.

    Args:
        kept: a folder that has, or gets, the wheels, each in a folder of its own.
    """
    room = importlib.import_module("tfprov.bundle.repack")
    pack = room.repack

    def repack(one: importlib.metadata.Distribution, folder: Path, **options: object) -> Path:
        done = kept / one.name
        if not done.exists():
            made = Path(tempfile.mkdtemp(dir=kept))
            pack(one, made, **options)
            try:
                made.rename(done)
            except OSError:  # another run was faster
                shutil.rmtree(made)
        (wheel,) = done.iterdir()
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(wheel, folder))

    room.repack = repack


def _text(handle: int) -> str:
    with open(handle, encoding="utf-8") as stream:
        return stream.read()


@functools.cache
def _server() -> tuple[socket.socket, str]:
    """Where it takes requests, and the address for those of others; one for each process of the tests; ends with it."""
    door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    others = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    others.bind("")  # Linux chooses an address, which is of no folder
    others.listen()
    address = others.getsockname()[1:].decode()
    handles = [theirs.fileno(), others.fileno()]
    packed = tempfile.mkdtemp(prefix="tfprov-packed-")
    server = subprocess.Popen(
        [sys.executable, "-I", __file__, "serve", packed, *map(str, handles)],
        env={"PATH": os.defpath},
        pass_fds=handles,
        stdin=subprocess.DEVNULL,
        # A run's standard streams are pipes. Python asks what they are as it starts.
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    theirs.close()
    others.close()

    def end() -> None:
        door.close()
        server.communicate()
        shutil.rmtree(packed, ignore_errors=True)

    atexit.register(end)
    return door, address


def _serve(door: socket.socket, others: socket.socket) -> list[str]:
    """Fork for each request, until there can be none; only the forks come back, with the arguments of tfprov."""
    while True:
        ready, _, _ = select.select([door, others], [], [])
        asking = door if door in ready else others.accept()[0]
        request, handles, _, _ = socket.recv_fds(asking, _LARGEST, 3)
        if asking is not door:
            asking.close()
        elif not request:
            sys.exit()
        if os.fork() == 0:
            break
        for handle in handles:
            os.close(handle)
        _reap()
    door.close()
    others.close()
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
    tempfile.tempdir = None
    arguments: list[str] = told["arguments"]
    return arguments


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    task, *rest = sys.argv[1:]
    if task == "ask":
        _ask_and_end(rest[0], rest[1:])
    import_rooms()
    keep_packed(Path(rest[0]))
    gc.freeze()
    sys.argv[1:] = _serve(*(socket.socket(fileno=int(handle)) for handle in rest[1:]))
    runpy.run_module("tfprov", run_name="__main__", alter_sys=True)
