"""The commands on kernels of Jupyter: add, list, remove."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tfprov.cli.options import Json, ProfileName, output_of
from tfprov.harmless import lined

app = typer.Typer(help="Jupyter kernels that run in an environment, whichever generation of it is in use.")


@app.command(epilog="Example: tfprov kernel add train.toml && jupyter lab")
def add(
    profile: ProfileName = "",
    prefix: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Put it into FOLDER/share/jupyter. Default: your own kernels.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make the environment of PROFILE a kernel of Jupyter; it must have ipykernel."""
    with output_of("kernel add", as_json) as output:
        from tfprov.pipeline import kernels
        from tfprov.pipeline.environments import find, verified

        environment = find(profile, cwd=Path.cwd(), environ=os.environ)
        generation = verified(environment, profile)
        place = None if prefix is None else Path.cwd() / prefix
        made = kernels.add(environment, generation, profile=profile, environ=os.environ, prefix=place)
        output.result(f"{made.name}  {made.title}\n  {made.folder}", {"kernel": asdict(made)})


@app.command(name="list")
def list_(as_json: Json = False) -> None:
    """List the kernels that were made of environments."""
    with output_of("kernel list", as_json) as output:
        from tfprov.paths import home
        from tfprov.pipeline import kernels

        found = kernels.kernels(home(os.environ))
        lines = [row for one in found for row in (f"{one.name}  {one.title}", f"  {one.folder}")]
        none = "no kernels yet: `tfprov kernel add PROFILE` makes one"
        output.result(lined(lines) or none, {"kernels": [asdict(one) for one in found]})


@app.command()
def remove(profile: ProfileName = "", as_json: Json = False) -> None:
    """Delete the kernels of PROFILE; the environment stays."""
    with output_of("kernel remove", as_json) as output:
        from tfprov.pipeline import kernels
        from tfprov.pipeline.environments import find

        environment = find(profile, cwd=Path.cwd(), environ=os.environ)
        gone = kernels.drop(environment)
        words = "\n".join(f"{one.name} is removed" for one in gone)
        output.result(words or f"`{environment.owner.name}` has no kernel", {"removed": [asdict(one) for one in gone]})
