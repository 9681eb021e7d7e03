"""The entry point: signals, usage errors, exit status."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import sys
from types import FrameType

from tfprov import umask
from tfprov.cli.output import Output
from tfprov.cli.plain import is_plain, run_plain
from tfprov.errors import TfprovError

_COMPLETION = "_TFPROV_COMPLETE"
"""Set by the shell that asks for completions; Typer answers."""
_ENDING = ("SIGTERM", "SIGHUP", "SIGBREAK")
"""Signals that end a command as orderly as Ctrl-C: a CI system sends SIGTERM when it gives up on a job, on Windows
SIGBREAK, which is Ctrl-Break, too; SIGHUP comes when the terminal is closed, or the connection to it is lost."""
_OBJECTS = 300_000
"""Made before garbage is looked for. Modules, facts, lists of files: next to nothing of it is ever garbage. By default
Python looks after every 700 (`gc.get_threshold`), and through all of them at its end. Without both, a start that
imports all rooms takes a tenth of a second less (0.47 s instead of 0.58 s, medians of twelve in turns). An `up`
with something to do makes a little over 100,000: to look through these once took 60 to 90 ms on a busy machine."""
_OF_OTHERS = {
    "build": "up",
    "check": "doctor",
    "clean": "cache prune",
    "create": "up",
    "delete": "remove",
    "exec": "run",
    "fix": "repair",
    "freeze": "lock",
    "help": "--help",
    "info": "facts",
    "install": "up",
    "logs": "log",
    "provision": "up",
    "setup": "up",
    "sync": "up",
    "test": "smoke",
    "uninstall": "remove",
    "update": "up --upgrade",
    "upgrade": "up --upgrade",
    "validate": "smoke",
    "verify": "smoke",
    "version": "--version",
    "why": "explain",
}
"""Commands of pip, uv, conda, Poetry and pixi, with the command or option of tfprov that does the same."""


def main() -> None:
    """Run the command line and exit."""
    gc.set_threshold(_OBJECTS)
    _occupy_streams()
    umask.tighten()
    with contextlib.suppress(ValueError):
        for name in _ENDING:
            number = getattr(signal, name, None)
            # `nohup` has SIGHUP ignored.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _interrupt)
    # Output may hold paths that the locale cannot spell; a replacement character is better than a traceback.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    status: object
    try:
        status = _plain() if is_plain(sys.argv[1:]) and _COMPLETION not in os.environ else _any()
    except KeyboardInterrupt:
        status = 130
    except SystemExit as stop:
        status = stop.code
    except OSError:
        # `--help` to a full disk, or to a reader who has gone.
        status = 1
    umask.give_back()
    _close_streams()
    gc.freeze()
    sys.exit(status if isinstance(status, int) else 0)


def _plain() -> int:
    run_plain(sys.argv[1:])
    return 0


def _any() -> object:
    """Any command line; its exit status."""
    from typer import Exit, TyperException

    from tfprov.cli.app import app

    try:
        return app(prog_name="tfprov", standalone_mode=False)
    except Exit as stop:
        return stop.exit_code
    except TyperException as error:
        command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
        output = Output(command=command, json="--json" in sys.argv, environ=os.environ)
        output.failure(_usage(error.format_message().rstrip("."), command))
        return 2


def _usage(what: str, word: str) -> TfprovError:
    """The error about a command line; where other tools have a command of that name, with what does the same here."""
    from difflib import get_close_matches

    known = get_close_matches(word, _OF_OTHERS, n=1, cutoff=0.75) if what.startswith("No such command") else ()
    if not known:
        return TfprovError("usage", what)
    return TfprovError("usage", f"No such command '{word}'", hint=f"`tfprov {_OF_OTHERS[known[0]]}` does that here")


def _occupy_streams() -> None:
    """Open what the caller has closed of the standard streams (`<&-`), as long as this program runs.

    The next file that is opened would be one of them otherwise, for the program that `run` turns into, too: a Python
    does not start with a folder as its standard input.
    """
    for number in range(3) if os.name == "posix" else ():
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):  # a chroot without devices
                os.open(os.devnull, os.O_RDWR)


def _close_streams() -> None:
    """Write what is left; what cannot be written is dropped, or the interpreter would complain once more at its end."""
    for stream in (sys.stdout, sys.stderr):
        # None when tfprov was started without one (`>&-`).
        if stream is None:
            continue
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
