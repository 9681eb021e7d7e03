"""The commands that decide and make: up, plan, lock, facts; init and schema for the profile."""

from __future__ import annotations

import enum
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tfprov.cli import completion
from tfprov.cli.options import (
    PROFILE_HELP,
    Json,
    Locked,
    Offline,
    Overrides,
    ProfileName,
    Quiet,
    Recreate,
    Upgrade,
    Verbose,
    output_of,
    request_of,
)
from tfprov.cli.output import Output
from tfprov.cli.plain import bring_up
from tfprov.harmless import lined
from tfprov.structured import json_of

if TYPE_CHECKING:
    from tfprov.pipeline.context import Request

app = typer.Typer()


class OnDrift(enum.Enum):
    """What becomes of packages that were installed by hand."""

    TAKE = "take"
    DROP = "drop"


@app.command(
    epilog="Examples: tfprov up cpu · tfprov up train.toml --set smoke.level=deep · tfprov up ci --locked --json"
)
def up(
    profile: Annotated[
        str | None,
        typer.Argument(
            metavar="PROFILE",
            help=f"{PROFILE_HELP} With a bundle: the profile of that.",
            autocompletion=completion.profiles,
        ),
    ] = None,
    overrides: Overrides = None,
    upgrade: Upgrade = False,
    locked: Locked = False,
    recreate: Recreate = False,
    keep_rollback: Annotated[
        bool | None,
        typer.Option(
            "--keep-rollback/--no-keep-rollback",
            help="After a rollback: stay there until profile or lock change, or go forward again. Default: ask.",
            show_default=False,
        ),
    ] = None,
    drift: Annotated[
        OnDrift | None,
        typer.Option(
            help="Packages that were installed by hand in the environment in use: write them into the profile, or make "
            "it without them. Default: say what they are; what only came besides stays.",
            show_default=False,
        ),
    ] = None,
    bundle: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BUNDLE",
            help="Take everything from this folder, archive or address made by `tfprov bundle`, nothing from the "
            "network. Repeat it to name older bundles for a delta.",
        ),
    ] = None,
    offline: Offline = False,
    junit: Annotated[Path | None, typer.Option(help="Write the verdict, or the failure, as JUnit XML here.")] = None,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Make the environment of PROFILE, or bring it up to date, and prove it."""

    def asked() -> Request:
        request = request_of(profile or "", overrides, upgrade=upgrade, locked=locked, recreate=recreate)
        return replace(
            request,
            bundle=tuple(bundle or ()),
            offline=offline,
            keep_rollback=keep_rollback,
            drift=drift.value if drift else "",
        )

    output = Output(command="up", json=as_json, verbose=verbose, quiet=quiet, environ=os.environ)
    bring_up(output, asked, junit=junit)


@app.command(epilog="Examples: tfprov plan cuda · tfprov facts --json > host.json; tfprov plan cuda --host host.json")
def plan(
    profile: ProfileName = "",
    host: Annotated[
        Path | None,
        typer.Option(help="Plan for the machine whose facts are in this file (made by `tfprov facts --json`)."),
    ] = None,
    overrides: Overrides = None,
    upgrade: Upgrade = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Say what `up` would do and why, what was refused and why. Changes nothing."""
    with output_of("plan", as_json, verbose) as output:
        from tfprov.pipeline.up import plan as run_plan
        from tfprov.report import documents, text

        with output.progress() as emit:
            found = run_plan(request_of(profile, overrides, upgrade=upgrade, host=host), emit)
        output.result(text.plan(found, verbose=verbose), documents.plan(found))


@app.command()
def lock(
    profile: ProfileName = "",
    overrides: Overrides = None,
    upgrade: Upgrade = False,
    locked: Locked = False,
    host: Annotated[
        Path | None, typer.Option(help="Facts of the machine to lock for (conda environments). Default: this machine.")
    ] = None,
    offline: Offline = False,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Make the lock of PROFILE and nothing else: the exact files, with hashes."""
    with output_of("lock", as_json, verbose, quiet) as output:
        from tfprov.pipeline.up import lock as run_lock
        from tfprov.report import documents, text

        with output.progress() as emit:
            asked = request_of(profile, overrides, upgrade=upgrade, locked=locked, host=host)
            found = run_lock(replace(asked, offline=offline), emit)
        output.result(text.lock(found), documents.lock(found))


@app.command()
def facts(as_json: Json = False) -> None:
    """Print what this machine is; `--json` has each fact with its source."""
    with output_of("facts", as_json) as output:
        from tfprov.host.facts import dump
        from tfprov.pipeline.up import facts as gather_facts
        from tfprov.report import facts as report

        found = gather_facts(os.environ)
        output.result(report.facts(found), json_of(dump(found)))


@app.command(epilog="Examples: tfprov init && tfprov up · tfprov init train.toml --from requirements.txt")
def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("tfprov.toml"),
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE|FOLDER",
            help="File with the project's requirements: `pyproject.toml`, `requirements.txt`, `environment.yml`, … "
            "Default: the first of these beside the profile.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a commented profile that fits this machine."""
    with output_of("init", as_json) as output:
        from tfprov.pipeline.init import init as write_profile

        target = Path.cwd() / path
        written = write_profile(target, environ=os.environ, source=None if source is None else Path.cwd() / source)
        reads = f", which reads {', '.join(written.files)}" if written.files else ""
        lines = [f"wrote {path}{reads}; `tfprov up {path}` makes the environment", *written.problems]
        if programs := written.imported:
            if programs.projects:
                lines.append(f"it asks for what the Python files import: {', '.join(programs.projects)}")
            if programs.unknown:
                lines.append(f"they also import modules of unknown packages: {', '.join(programs.unknown)}")
            if programs.old:
                lines.append(f"`{programs.old}` needs TensorFlow 1")
        if written.others:
            names = ", ".join(f"`{name}`" for name in written.others)
            lines.append(f"not read, but may say what the project needs: {names}; name it in `packages.files`")
        found = {
            "path": target,
            "files": written.files,
            "problems": written.problems,
            "imported": programs and {"packages": programs.projects, "unknown": programs.unknown},
            "others": written.others,
        }
        output.result(lined(lines), found)


@app.command()
def schema(as_json: Json = False) -> None:
    """Print the JSON Schema of profiles, for editors."""
    with output_of("schema", as_json) as output:
        from tfprov.profile.schema import json_schema

        found = json_schema()
        output.result(json.dumps(found, indent=2), {"json_schema": found})
