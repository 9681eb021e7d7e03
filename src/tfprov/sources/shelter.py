"""Isolates a build: no network, a memory limit, and none of the user's variables."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from tfprov import process

_A_MOMENT = "315532800"
"""1980, the earliest time that a zip file can store: the same source gives the same wheel."""
_SECONDS = 10.0


def no_network(environ: Mapping[str, str]) -> tuple[str, ...]:
    """A command prefix that removes network access; empty if this system has none.

    On Linux a new network namespace has no devices. Root may create one; other users need user namespaces.
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
    """A command prefix that limits the memory of each process; empty if this system has none.

    Args:
        memory: bytes; None for no limit.
    """
    if memory is None or os.name != "posix" or sys.platform == "darwin":
        return ()
    return ("/bin/sh", "-c", f'ulimit -v {memory // 1024}; exec "$@"', "sh")


def variables(environ: Mapping[str, str], *, scripts: Path, home: Path) -> dict[str, str]:
    """All environment variables of a build.

    Args:
        environ: variables of the user.
        scripts: folder of the programs in the build's own environment.
        home: an empty, writable folder.
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
