"""The commands that say what is in an environment: sbom, audit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from tfprov.cli.options import Json, ProfileName, output_of

app = typer.Typer()


@app.command(epilog="Example: tfprov sbom train.toml -o train.cdx.json")
def sbom(
    profile: ProfileName = "",
    target: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write. Default: print the document.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what is in the environment of PROFILE: packages, libraries in them, licences (CycloneDX 1.6, JSON).

    Without `-o` the document is printed as it is; with `--json` in one of tfprov's own.
    """
    with output_of("sbom", as_json) as output:
        from tfprov.pipeline.inventory import bill_of_materials
        from tfprov.report import inventory

        if target is not None:
            inventory.SBOM.check(target)
        found = bill_of_materials(profile, cwd=Path.cwd(), environ=os.environ)
        content = inventory.rendered(found)
        if target is not None:
            inventory.SBOM.write(target, content.encode())
        words = content.rstrip("\n") if target is None else inventory.written(found, Path.cwd() / target)
        output.result(words, {"sbom": found})


@app.command(
    epilog="Examples: tfprov audit train.toml --advisories all.zip · "
    "tfprov audit train.toml --advisories osv/ --accept CVE-2025-1234 --json"
)
def audit(
    profile: ProfileName = "",
    places: Annotated[
        list[Path] | None,
        typer.Option(
            "--advisories",
            metavar="FILE|FOLDER",
            help="Advisories in the format of OSV: its export for PyPI (`all.zip`), a folder of its files, or one. "
            "May be repeated.",
        ),
    ] = None,
    accepted: Annotated[
        list[str] | None,
        typer.Option("--accept", metavar="ID", help="An advisory that is known and accepted. May be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare the packages in the environment of PROFILE with advisories that were brought along; no network."""
    with output_of("audit", as_json) as output:
        from tfprov.errors import TfprovError
        from tfprov.pipeline.inventory import audit as compare
        from tfprov.report import inventory

        if not places:
            raise TfprovError(
                "usage",
                "name the advisories with `--advisories`",
                hint="OSV offers all of PyPI as one file, `PyPI/all.zip` of its exports",
            )
        name, found = compare(
            profile, [Path.cwd() / each for each in places], accepted=accepted or (), cwd=Path.cwd(), environ=os.environ
        )
        output.end(inventory.audited(name, found), inventory.document(found), inventory.failure(name, found))
