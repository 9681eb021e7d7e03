"""What several commands share: their options, and the request that is made of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tfprov.cli import completion
from tfprov.cli.output import Output, failures

if TYPE_CHECKING:
    from tfprov.pipeline.context import Request

PROFILE_HELP = (
    "Path of a profile, or name of a shipped one (cpu, cuda, auto, …). Default: `tfprov.toml` or `[tool.tfprov]` in "
    "`pyproject.toml`, here or in a folder above, else the file here that says what the project needs."
)
ProfileName = Annotated[
    str, typer.Argument(metavar="PROFILE", help=PROFILE_HELP, show_default=False, autocompletion=completion.profiles)
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, also on failure.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show details: skipped rungs, quick stages.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show neither progress nor notes.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key of the profile once, such as 'tensorflow.version===2.19.*'. May be repeated.",
    ),
]
Upgrade = Annotated[
    bool, typer.Option("--upgrade", help="Renew the lock: the newest versions that the profile allows.")
]
Recreate = Annotated[bool, typer.Option("--recreate", help="Build it again even if the environment is verified.")]
Offline = Annotated[bool, typer.Option("--offline", help="Use only what is on this machine, no network.")]
Locked = Annotated[bool, typer.Option("--locked", help="Fail rather than make or change a lock; for CI.")]


@contextmanager
def output_of(command: str, as_json: bool, verbose: bool = False, quiet: bool = False) -> Iterator[Output]:
    """The output of `command`, in the form that its options ask for; an exception in the block ends the command.

    Raises:
        SystemExit: with the exit status of a failure, which was printed.
    """
    output = Output(command=command, json=as_json, verbose=verbose, quiet=quiet, environ=os.environ)
    with failures(output):
        yield output


def request_of(
    profile: str,
    overrides: list[str] | None,
    *,
    upgrade: bool = False,
    locked: bool = False,
    recreate: bool = False,
    host: Path | None = None,
) -> Request:
    """What `up`, `plan` and `lock` are asked for, seen from the current folder and environment."""
    from tfprov.pipeline.context import Request as Asked

    return Asked(
        profile=profile,
        cwd=Path.cwd(),
        environ=os.environ,
        overrides=tuple(overrides or ()),
        upgrade=upgrade,
        locked=locked,
        recreate=recreate,
        host=host,
    )
