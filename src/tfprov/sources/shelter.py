"""What keeps a build to itself: no network, no more memory than it may have, none of the user's variables."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from tfprov import process

_A_MOMENT = "315532800"
"""1980, the earliest that a zip file can hold: the same source gives the same wheel."""
_SECONDS = 10.0


def no_network(environ: Mapping[str, str]) -> tuple[str, ...]:
    """What to write before a command so that it has no network; empty where this system cannot do that.

    Linux gives a process a network of its own, without any device: root may ask for one, and elsewhere whoever may have
    a user namespace.
    """
    if sys.platform != "linux":
        return ()
    for prefix in (("unshare", "--net"), ("unshare", "--net", "--map-root-user")):
        try:
            if process.run([*prefix, "true"], env=environ, timeout=_SECONDS).ok:
                return prefix
        except OSError:
            return ()
    return ()


def bounded(memory: int | None) -> tuple[str, ...]:
    """What to write before a command so that no process of it has more memory; empty where that cannot be done.

    Args:
        memory: bytes; None for no limit.
    """
    if memory is None or os.name != "posix" or sys.platform == "darwin":
        return ()
    return ("/bin/sh", "-c", f'ulimit -v {memory // 1024}; exec "$@"', "sh")


def variables(environ: Mapping[str, str], *, scripts: Path, home: Path) -> dict[str, str]:
    """All variables of a build.

    Args:
        environ: of the user.
        scripts: the folder of the programs in the build's own environment.
        home: an empty folder that it may write to.
    """
    return {
        **process.bare_environment(environ),
        "PATH": os.pathsep.join((str(scripts), environ.get("PATH", os.defpath))),
        **dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP"), str(home)),
        "SOURCE_DATE_EPOCH": _A_MOMENT,
        "PYTHONNOUSERSITE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
    }
