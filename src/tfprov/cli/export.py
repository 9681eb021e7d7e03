"""The command that makes images, file systems, archives and modules of an environment: export."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from tfprov.cli.options import Json, ProfileName, output_of

app = typer.Typer()


class ExportFormat(str, Enum):
    """What an environment can be made into."""

    oci = "oci"
    squashfs = "squashfs"
    tar = "tar"
    modulefile = "modulefile"


@app.command(
    epilog="Examples: tfprov export train.toml --format oci --base debian -o image · "
    "tfprov export train.toml --format squashfs -o train.sqfs · "
    "tfprov export train.toml --format modulefile -o modules/train/2.21"
)
def export(
    profile: ProfileName = "",
    form: Annotated[ExportFormat, typer.Option("--format", help="What to make.")] = ExportFormat.oci,
    target: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Where to write it. An image is a folder, or an archive if it ends in `.tar`; `.tar.gz` compresses; "
            "a modulefile that ends in `.lua` is written in Lua.",
        ),
    ] = None,
    prefix: Annotated[
        str, typer.Option(metavar="PATH", help="Path of the environment in it. Default: /opt/tfprov/NAME.")
    ] = "",
    base: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Base image, in OCI layout. Default: none, a single layer.")
    ] = None,
    python_at: Annotated[
        str, typer.Option(metavar="PATH", help="Include no interpreter: the target has the same one at PATH.")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace what exists there.")] = False,
    as_json: Json = False,
) -> None:
    """Make an image, a file system, an archive or a modulefile of the environment of PROFILE."""
    with output_of("export", as_json) as output:
        from tfprov.errors import TfprovError
        from tfprov.pipeline import exporting
        from tfprov.report import exports

        if target is None:
            raise TfprovError("usage", "`--output` is required", hint="such as `-o train.tar`")
        wanted = exporting.ExportRequest(
            form=form.value,
            output=Path.cwd() / target,
            prefix=prefix.rstrip("/") or prefix,
            base=None if base is None else Path.cwd() / base,
            python_at=python_at,
            replace=force,
        )
        made = exporting.export(profile, wanted, cwd=Path.cwd(), environ=os.environ)
        output.result(exports.made(made, form.value), exports.document(made))
