"""The command for many machines: gather."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from tfprov.cli.options import Json, output_of
from tfprov.cli.output import failures

app = typer.Typer()


@app.command(epilog="Example: tfprov gather results/ --expect web1 --expect web2 --html fleet.html")
def gather(
    results: Annotated[
        list[Path], typer.Argument(metavar="FILE|FOLDER…", help="Results of hosts: `HOST.json`, or folders of them.")
    ],
    expect: Annotated[
        list[str] | None, typer.Option(metavar="HOST", help="A host that must have a result. May be repeated.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as one HTML page to this file.")] = None,
    title: Annotated[str, typer.Option(help="What was rolled out, for the page.")] = "Rollout",
    as_json: Json = False,
) -> None:
    """Make one report of the results of many machines; fails unless every host is verified."""
    output = output_of("gather", as_json)
    with failures(output):
        from tfprov.report import fleet
        from tfprov.report.page import PAGE

        if html is not None:
            PAGE.check(html)
        files = [one for path in results for one in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
        hosts = fleet.gather(files, expected=expect or ())
        if html is not None:
            PAGE.write(html, fleet.html(hosts, title=title, made=datetime.now(timezone.utc)).encode())
        failure = fleet.loss(hosts)
        if failure is None:
            output.result(fleet.describe(hosts), fleet.document(hosts))
            return
        if not as_json:
            print(output.typed(fleet.describe(hosts)))
        output.failure(failure, fleet.document(hosts))
        raise SystemExit(failure.exit_code)
