"""The commands of `tfprov cache`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tfprov.cli.options import Json, Overrides, ProfileName, output_of

app = typer.Typer(no_args_is_help=True, help="Inspect or clean what tfprov keeps beside the environments.")


@app.command(name="info")
def cache_info(as_json: Json = False) -> None:
    """Say what is kept where, environments included, and how much of the disk it takes."""
    with output_of("cache info", as_json) as output:
        from tfprov.paths import home
        from tfprov.pipeline.cache import info
        from tfprov.report import documents, text

        found = info(home(os.environ))
        output.result(text.kept(found), documents.kept(found))


@app.command(name="verify")
def cache_verify(as_json: Json = False) -> None:
    """Read every wheel of the store and remove those that are damaged."""
    with output_of("cache verify", as_json) as output:
        from tfprov.paths import home
        from tfprov.pipeline.cache import verify

        damaged = [str(one.path) for one in verify(home(os.environ))]
        words = [f"removed, its content had changed: {path}" for path in damaged]
        output.result("\n".join(words or ["every wheel has its hash"]), {"damaged": damaged})


@app.command(name="prune", epilog="Example: tfprov cache prune --max 10GB")
def cache_prune(
    most: Annotated[str, typer.Option("--max", metavar="SIZE", help="Maximum size of wheels to keep.")] = "10GB",
    as_json: Json = False,
) -> None:
    """Remove the least recently used wheels, and what no environment needs; say how much of the disk is free for it."""
    with output_of("cache prune", as_json) as output:
        from tfprov.paths import home
        from tfprov.pipeline.cache import prune
        from tfprov.pipeline.limits import parse_size
        from tfprov.report import documents, text

        swept = prune(home(os.environ), cap_bytes=parse_size(most))
        output.result(text.swept(swept), documents.swept(swept))


@app.command(name="clear")
def cache_clear(as_json: Json = False) -> None:
    """Remove every wheel and everything unpacked; environments stay as they are."""
    with output_of("cache clear", as_json) as output:
        from tfprov.paths import home
        from tfprov.pipeline.cache import clear
        from tfprov.report import documents, text

        swept = clear(home(os.environ))
        output.result(text.swept(swept), documents.swept(swept))


@app.command(name="key", epilog='Example: echo "key=$(tfprov cache key train.toml)" >> "$GITHUB_OUTPUT"')
def cache_key(profile: ProfileName = "", overrides: Overrides = None, as_json: Json = False) -> None:
    """Print a key for the cache of a CI system: it changes when the lock does. Asks no network."""
    with output_of("cache key", as_json) as output:
        from tfprov.pipeline.cache_key import cache_key as key_of

        found = key_of(profile, cwd=Path.cwd(), environ=os.environ, overrides=tuple(overrides or ()))
        output.result(found.key, asdict(found))


@app.command(name="dir", epilog="Example: TFPROV_STORE=.cache/tfprov tfprov cache dir")
def cache_dir(as_json: Json = False) -> None:
    """Print the folder that is worth keeping between jobs: the store of wheels. `TFPROV_STORE` moves it."""
    with output_of("cache dir", as_json) as output:
        from tfprov.paths import home

        found = home(os.environ)
        store = found.common_store or found.store
        output.result(str(store), {"store": store, "data": found.data, "state": found.state})
