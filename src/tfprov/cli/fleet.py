"""The commands for many machines: files, gather."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from tfprov.cli.options import Json, Overrides, ProfileName, output_of, request_of
from tfprov.errors import TfprovError

app = typer.Typer()


@app.command(epilog="Example: tfprov files train.toml | tar -cf train.tar -T -")
def files(profile: ProfileName = "", overrides: Overrides = None, as_json: Json = False) -> None:
    """List the files that PROFILE consists of: itself, what it names, its lock; to take it to another machine."""
    with output_of("files", as_json) as output:
        from tfprov.pipeline.parts import parts

        found = parts(request_of(profile, overrides))
        document = {"profile": found.profile, "root": found.root, "files": found.files, "left": found.left}
        output.result("\n".join(str(found.root / name) for name in found.files), document)


@app.command(epilog="Example: tfprov gather results/ --expect web1 --expect web2 --html fleet.html")
def gather(
    results: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE|FOLDER…", help="Results of hosts: `HOST.json`, or folders of them."),
    ] = None,
    expect: Annotated[
        list[str] | None, typer.Option(metavar="HOST", help="A host that must have a result. May be repeated.")
    ] = None,
    not_asked: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="A host whose turn has not come, so that it has no result. May be repeated."),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as one HTML page to this file.")] = None,
    verify_with: Annotated[
        str,
        typer.Option(
            metavar="COMMAND",
            help="Accept only signed statements (`tfprov smoke --attest`) whose signature this command verifies: it "
            "gets a file as `{}` and its signature as `{}.sig`.",
        ),
    ] = "",
    title: Annotated[str, typer.Option(help="What was rolled out, for the page.")] = "Rollout",
    as_json: Json = False,
) -> None:
    """Make one report of the results of many machines; fails unless every host is verified."""
    with output_of("gather", as_json) as output:
        from tfprov.report import fleet
        from tfprov.report.page import PAGE
        from tfprov.smoke.attestation import check_command

        if not results and not expect and not not_asked:
            raise TfprovError("usage", "name results, or with `--expect` the hosts that should have one")
        if html is not None:
            PAGE.check(html)
        files = [one for path in results or () for one in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
        if verify_with:
            check_command(verify_with, "--verify-with")
        hosts = fleet.gather(
            files, expected=expect or (), not_asked=not_asked or (), verify_with=verify_with, environ=os.environ
        )
        if html is not None:
            PAGE.write(html, fleet.html(hosts, title=title, made=datetime.now(timezone.utc)).encode())
        output.end(fleet.describe(hosts), fleet.document(hosts), fleet.loss(hosts))
