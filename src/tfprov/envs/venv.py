"""Empty virtual environments, by virtualenv."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tfprov.errors import TfprovError
from tfprov.process import clean_environment

# virtualenv seeds pip from wheels that it carries, and carries none for older Pythons.
_OLDEST_SEEDED = (3, 9)


def create(path: Path, *, python: Path, version: str, prompt: str, cache: Path, environ: Mapping[str, str]) -> None:
    """Make a virtual environment with pip in it, without touching the network.

    Args:
        path: an empty folder.
        python: the interpreter to build on.
        version: its full version.
        prompt: what an activated shell shows.
        cache: virtualenv's own cache.
        environ: variables of this process; those that redirect Pythons are kept out.

    Raises:
        TfprovError: `python-broken` when virtualenv cannot build on that interpreter.
        OSError: the disk is full, or the folder cannot be written.
    """
    from virtualenv import session_via_cli

    seeded = tuple(int(part) for part in version.split(".")[:2]) >= _OLDEST_SEEDED
    arguments = [
        *("--python", str(python), "--app-data", str(cache), "--prompt", prompt),
        *("--no-download", "--no-periodic-update", "--no-vcs-ignore", "--no-venv-redirect"),
        *(() if seeded else ("--no-seed",)),
        str(path),
    ]
    try:
        session_via_cli(arguments, setup_logging=False, env=clean_environment(environ)).run()
    except (RuntimeError, SystemExit, ValueError) as error:
        raise TfprovError(
            "python-broken",
            f"no environment can be made from `{python}`",
            evidence=(f"virtualenv: {error}",),
            hint="name another interpreter with `python.path`",
        ) from error
