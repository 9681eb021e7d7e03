"""The root of the command line: every group of commands, and the options of `tfprov` itself.

A command parses, calls one verb, renders its result, and exits.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from tfprov import __version__
from tfprov.cli import (
    activation,
    adopt,
    bundle,
    cache,
    diagnose,
    environments,
    examine,
    export,
    fleet,
    inventory,
    kernel,
    provision,
    status,
)
from tfprov.cli.options import output_of

app = typer.Typer(
    name="tfprov",
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Turn a machine into a TensorFlow environment that is verified on every visible device, "
    "or say exactly why it cannot be.",
    epilog="Start with `tfprov up cpu`, or write a profile for this machine with `tfprov init`.",
)
for group in (provision, adopt, bundle, examine, diagnose, status, environments, activation, export, inventory, fleet):
    app.add_typer(group.app)
app.add_typer(cache.app, name="cache")
app.add_typer(kernel.app, name="kernel")


def _version(value: bool) -> None:
    if value:
        print(f"tfprov {__version__}", flush=True)
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    if version or context.invoked_subcommand is not None:
        return
    with output_of("", as_json=False) as output:
        from tfprov.pipeline.next_steps import next_steps
        from tfprov.report import text

        output.result(text.next_steps(next_steps(Path.cwd(), os.environ)), {})
