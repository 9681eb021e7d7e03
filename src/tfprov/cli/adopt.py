"""The command that takes over environments which somebody else made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from tfprov.cli.options import Json, Quiet, Verbose, output_of

app = typer.Typer()


@app.command(
    epilog="Examples: tfprov adopt .venv; tfprov adopt .venv --in-place; tfprov adopt tf -o x.toml; tfprov adopt --all"
)
def adopt(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="PATH",
            help="Environment made by venv, virtualenv, uv or conda, broken or not; or its Python. Default: .venv",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PROFILE",
            help="The profile to write. Default: `tfprov.toml` beside a `.venv`, else NAME.toml.",
        ),
    ] = None,
    loose: Annotated[
        bool, typer.Option("--loose", help="Prefer the installed versions instead of pinning them.")
    ] = False,
    in_place: Annotated[
        bool,
        typer.Option(
            "--in-place", help="Build and verify it, then put it at PATH; the old one is kept for `tfprov rollback`."
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="With --in-place: even if processes run from the environment.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="List every environment with TensorFlow below PATH (default: your home).")
    ] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Write a key of the profile, such as smoke.level=quick."),
    ] = None,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Write a profile and a lock that recreate an environment which tfprov did not make; or put that in its place."""
    with output_of("adopt", as_json, verbose, quiet) as output:
        from tfprov.errors import TfprovError
        from tfprov.pipeline.adopting import Asking, survey
        from tfprov.pipeline.adopting import adopt as write_profile
        from tfprov.pipeline.in_place import adopt_in_place
        from tfprov.report import adoption

        asking = Asking(
            path=Path.cwd() / (path or Path(".venv")),
            output=Path.cwd() / to if to else None,
            cwd=Path.cwd(),
            environ=os.environ,
            overrides=tuple(overrides or ()),
            loose=loose,
            force=force,
        )
        if every:
            if in_place or to or loose or force or overrides:
                raise TfprovError("usage", "`--all` lists environments and changes none: it goes with PATH only")
            with output.progress() as emit:
                surveyed = survey(Path.cwd() / (path or Path.home()), environ=os.environ, emit=emit)
            output.result(adoption.survey_text(surveyed), adoption.survey_document(surveyed))
            return
        if force and not in_place:
            raise TfprovError("usage", "`--force` goes with `--in-place` only")
        with output.progress() as emit:
            result = adopt_in_place(asking, emit) if in_place else write_profile(asking, emit)
        output.result(adoption.text(result), adoption.document(result))
