"""Finds out which shell tfprov was started from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tfprov.errors import TfprovError

_SAME = {"pwsh": "powershell", "csh": "tcsh", "dash": "sh", "ash": "sh", "ksh": "sh", "mksh": "sh", "busybox": "sh"}


def shell_here(environ: Mapping[str, str], known: Sequence[str], parents: Iterable[str] | None = None) -> str:
    """The name of the shell that tfprov was started from: the nearest parent process that is one, else `SHELL`.

    Args:
        environ: variables of the user.
        known: names that may be returned.
        parents: names of the parent processes, the nearest first; those of this process when None.

    Raises:
        TfprovError: `usage` when none of the known shells is found.
    """
    names = _parents() if parents is None else parents
    for name in (*names, environ.get("SHELL", "")):
        # The name of a login shell begins with a dash.
        kind = Path(name).name.lower().removesuffix(".exe").lstrip("-")
        kind = _SAME.get(kind, kind)
        if kind in known:
            return kind
        if kind == "nu":
            raise TfprovError(
                "usage",
                "Nushell cannot evaluate what a command prints",
                hint="`tfprov env --format nu | from nuon | load-env`",
            )
    raise TfprovError(
        "usage", "the shell that this was started from is not known", hint=f"pass `--shell`: {', '.join(known)}"
    )


def _parents() -> Iterator[str]:
    import psutil

    try:
        for process in psutil.Process(os.getpid()).parents():
            yield process.name()
    except psutil.Error:
        return
