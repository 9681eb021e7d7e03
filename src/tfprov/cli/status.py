"""The command `status`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from tfprov.cli.options import Json, ProfileName
from tfprov.cli.output import Output
from tfprov.cli.plain import tell_status

app = typer.Typer()
_LONGEST_PAUSE_S = 86400


@app.command(
    epilog="Examples: tfprov status train.toml · tfprov status --all --json · "
    "tfprov status --all --watch 60 --prometheus /var/lib/node_exporter/tfprov.prom"
)
def status(
    profile: ProfileName = "",
    every: Annotated[bool, typer.Option("--all", help="All environments of this user.")] = False,
    watch: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Check again every so many seconds and print what changed, until interrupted."
        ),
    ] = None,
    prometheus: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write each result for Prometheus' textfile collector.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say whether environments are verified on this machine as it is now, what changed, and what `up` would do."""
    output = Output(command="status", json=as_json, environ=os.environ)
    # Neither `nan` nor more than the system can wait.
    if watch is not None and not 0.1 <= watch <= _LONGEST_PAUSE_S:
        raise typer.BadParameter(f"{watch} is not between 0.1 and {_LONGEST_PAUSE_S} seconds", param_hint="'--watch'")
    pause = None if watch is None else lambda: time.sleep(watch)
    tell_status(output, profile, every=every, environ=os.environ, pause=pause, metrics=prometheus)
