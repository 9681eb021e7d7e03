"""The command that takes an environment to machines without network: bundle."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from tfprov.cli.options import Json, Locked, Overrides, ProfileName, Quiet, Upgrade, Verbose, output_of, request_of

if TYPE_CHECKING:
    from tfprov.cli.output import Output
    from tfprov.pipeline.context import Request
    from tfprov.profile.records import PlatformName

app = typer.Typer()


@app.command(
    epilog="Examples: tfprov bundle train.toml -o train.tar · tfprov bundle train.toml -o train --with-python · "
    "tfprov bundle --check train.tar · on the other machine: tfprov up --bundle train.tar, or, without tfprov, "
    "tar -xf train.tar && train-bundle/bootstrap up"
)
def bundle(
    profile: ProfileName = "",
    target: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write it: an archive if the name ends in `.tar`, else a folder."),
    ] = None,
    platforms: Annotated[
        list[str] | None,
        typer.Option("--platform", metavar="PLATFORM", help="Include this platform too. May be repeated."),
    ] = None,
    with_python: Annotated[
        bool, typer.Option("--with-python", help="Include the interpreter, if it can be moved.")
    ] = False,
    delta: Annotated[str | None, typer.Option(metavar="OLD", help="Leave out what this older bundle contains.")] = None,
    check: Annotated[
        list[str] | None,
        typer.Option("--check", metavar="BUNDLE", help="Verify every file of this bundle; write nothing."),
    ] = None,
    merge: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BUNDLE", help="Make a complete bundle from a delta and the older ones; name the delta first."
        ),
    ] = None,
    overrides: Overrides = None,
    upgrade: Upgrade = False,
    locked: Locked = False,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Write all that a machine without network needs for PROFILE: wheels, lock, checks, and tfprov itself."""
    with output_of("bundle", as_json, verbose, quiet) as output:
        from tfprov.errors import TfprovError

        if [bool(profile), bool(check), bool(merge)].count(True) > 1:
            raise TfprovError("usage", "name a PROFILE, or a bundle with `--check` or `--merge`")
        if check:
            _check(check, output)
            return
        if target is None:
            raise TfprovError("usage", "`--output` is required", hint="such as `-o train.tar`, or `-o train/`")
        place = Path(os.path.abspath(target))  # noqa: PTH100 - `resolve` would follow a link in its place
        if merge:
            _merge(merge, place, output)
            return
        request = request_of(profile, overrides, upgrade=upgrade, locked=locked)
        _write(request, place, platforms=platforms or [], with_python=with_python, delta=delta, output=output)


def _check(parts: list[str], output: Output) -> None:
    from tfprov.pipeline import bundle_source
    from tfprov.report import bundles

    with output.progress():
        whole = bundle_source.check(parts, cwd=Path.cwd(), environ=os.environ)
    output.result(bundles.checked(whole), bundles.document(whole.manifest, id_=whole.id, path=parts[0]))


def _merge(parts: list[str], place: Path, output: Output) -> None:
    from tfprov.pipeline import bundle_source
    from tfprov.report import bundles

    with output.progress() as emit:
        whole = bundle_source.merge(parts, place, cwd=Path.cwd(), environ=os.environ, emit=emit)
    output.result(bundles.checked(whole), bundles.document(whole.manifest, id_=whole.id, path=str(place)))


def _write(
    request: Request, place: Path, *, platforms: list[str], with_python: bool, delta: str | None, output: Output
) -> None:
    from tfprov.errors import TfprovError
    from tfprov.lock.platforms import PLATFORMS
    from tfprov.pipeline import bundling
    from tfprov.report import bundles

    unknown = [name for name in platforms if name not in PLATFORMS]
    if unknown:
        raise TfprovError("usage", f"`{unknown[0]}` is not a platform", evidence=(f"known: {', '.join(PLATFORMS)}",))
    wanted = bundling.BundleRequest(
        output=place,
        platforms=cast("tuple[PlatformName, ...]", tuple(platforms)),
        with_python=with_python,
        delta=delta,
    )
    with output.progress() as emit:
        made = bundling.bundle(request, wanted, emit)
    document = bundles.document(made.manifest, id_=made.id, path=str(made.path))
    output.result(bundles.made(made), {**document, "bytes": made.bytes, "bytes_fetched": made.bytes_fetched})
