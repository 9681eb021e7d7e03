"""The commands that look at an environment and put it right: smoke, doctor, repair, log."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tfprov import __version__
from tfprov.cli import completion
from tfprov.cli.options import Json, Overrides, ProfileName, Quiet, Verbose, output_of, request_of
from tfprov.structured import json_text

if TYPE_CHECKING:
    from tfprov.events import Emit
    from tfprov.smoke.records import Level, Verdict

app = typer.Typer()

_Existing = Annotated[
    str | None,
    typer.Argument(
        metavar="PROFILE",
        autocompletion=completion.profiles,
        help="Of an existing environment. Default: that of the folder.",
    ),
]
_Python = Annotated[
    Path | None, typer.Option(help="Interpreter or folder of any environment, also one that tfprov did not make.")
]


@app.command(
    epilog="Examples: tfprov smoke cpu --level deep; tfprov smoke --python .venv --set smoke.require-gpus=1; "
    "tfprov smoke train --against receipt.json"
)
def smoke(
    profile: _Existing = None,
    python: _Python = None,
    level: Annotated[
        Literal["quick", "standard", "deep"] | None,
        typer.Option(help="How much to check. Default: what the profile says, else standard."),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the verdict as JUnit XML to this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the verdict as one HTML page to this file.")] = None,
    receipt: Annotated[Path | None, typer.Option(help="Write a dated receipt of the verdict to this file.")] = None,
    attest: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the receipt as an in-toto statement in a DSSE envelope.")
    ] = None,
    sign_with: Annotated[
        str, typer.Option(metavar="COMMAND", help="Command that signs it: it gets a file as `{}` and writes `{}.sig`.")
    ] = "",
    against: Annotated[
        Path | None, typer.Option(metavar="RECEIPT", help="Compare with this receipt; fail if less is proved now.")
    ] = None,
    overrides: Overrides = None,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Prove an existing environment again. Changes nothing."""
    with output_of("smoke", as_json, verbose, quiet) as output:
        from tfprov.errors import TfprovError
        from tfprov.pipeline.up import facts as facts_of
        from tfprov.report import text, verdicts
        from tfprov.smoke.receipt import machine_of
        from tfprov.smoke.verdict import as_document, as_error

        profile = _only_one(profile, python)
        if python is not None and attest is not None:
            raise TfprovError(
                "usage", "`--attest` needs a lock, which an environment that tfprov did not make does not have"
            )
        files = verdicts.ReportFiles(
            junit=junit, html=html, receipt=receipt, against=against, attest=attest, sign_with=sign_with
        )
        files.check()
        with output.progress() as emit:
            found, title, lock = _prove(profile, python, level=level, overrides=overrides, emit=emit)
        differences = verdicts.save(
            found,
            files,
            title=title,
            now=datetime.now(timezone.utc),
            version=__version__,
            lock=lock,
            machine=lambda: machine_of(facts_of(os.environ)),
            environ=os.environ,
        )
        words = text.verdict(found) + (f"\n{verdicts.text(differences)}" if against else "")
        shown = {**as_document(found), "differences": verdicts.document(differences)}
        output.end(words, shown, verdicts.loss(differences) if found.ok else as_error(found))


def _only_one(profile: str | None, python: Path | None) -> str | None:
    """The profile, that of the folder by default; None with `--python`."""
    from tfprov.errors import TfprovError

    if profile is not None and python is not None:
        raise TfprovError("usage", "name either a PROFILE or an environment with `--python`")
    return profile or "" if python is None else None


def _prove(
    profile: str | None, python: Path | None, *, level: Level | None, overrides: list[str] | None, emit: Emit
) -> tuple[Verdict, str, str | None]:
    """The verdict on an environment, its name, and the digest of its lock if it has one."""
    from tfprov.pipeline.environments import find, smoke_again, smoke_foreign, verified

    if python is not None:
        found = smoke_foreign(
            Path.cwd() / python,
            level=level,
            environ=os.environ,
            emit=emit,
            cwd=Path.cwd(),
            overrides=tuple(overrides or ()),
        )
        return found, str(python), None
    named = profile or ""
    found = smoke_again(request_of(named, overrides), level=level, emit=emit)
    environment = find(named, cwd=Path.cwd(), environ=os.environ)
    seal = verified(environment, named).seal
    return found, named or environment.owner.name, seal.lock_digest if seal else None


@app.command(epilog="Examples: tfprov doctor train.toml --fix; tfprov doctor --python .venv")
def doctor(
    profile: _Existing = None,
    python: _Python = None,
    fix: Annotated[bool, typer.Option("--fix", help="Repair the damage, then verify the environment.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Examine an environment: every file, the packages against the lock, the interpreter, the driver, what leaks in."""
    with output_of("doctor", as_json, verbose, quiet) as output:
        from tfprov.errors import TfprovError
        from tfprov.pipeline.doctor import as_error, examine, examine_foreign
        from tfprov.pipeline.doctor import repair as put_right
        from tfprov.pipeline.environments import find
        from tfprov.report import documents, text

        profile = _only_one(profile, python)
        if fix and profile is None:
            raise TfprovError("usage", "only an environment that tfprov made can be repaired")
        with output.progress() as emit:
            if profile is None:
                found = examine_foreign(Path.cwd() / str(python), environ=os.environ, emit=emit)
            else:
                found = examine(profile, cwd=Path.cwd(), environ=os.environ, emit=emit)
            if fix and profile is not None and any(one.kind == "damage" for one in found):
                put_right(profile, cwd=Path.cwd(), environ=os.environ, emit=emit)
                found = examine(profile, cwd=Path.cwd(), environ=os.environ, emit=emit)
        name = str(python) if profile is None else profile
        failure = as_error(found, name or find("", cwd=Path.cwd(), environ=os.environ).owner.name)
        output.end(text.findings(found), documents.findings(found), failure)


@app.command()
def repair(profile: ProfileName = "", as_json: Json = False, verbose: Verbose = False, quiet: Quiet = False) -> None:
    """Put back what is damaged, if anything is, and prove it; packages that are not in the lock go."""
    with output_of("repair", as_json, verbose, quiet) as output:
        from tfprov.pipeline.doctor import repair as put_right
        from tfprov.pipeline.environments import word_for
        from tfprov.report import documents, text

        with output.progress() as emit:
            result = put_right(profile, cwd=Path.cwd(), environ=os.environ, emit=emit)
        named = profile or word_for(result.environment, cwd=Path.cwd(), environ=os.environ)
        unchanged, shell = "is not damaged: nothing to repair", os.environ.get("SHELL", "")
        words = text.outcome(result, profile=named, shell=shell, unchanged=unchanged)
        output.result(words, documents.outcome(result))


@app.command()
def log(
    profile: ProfileName = "",
    number: Annotated[int, typer.Option("--run", min=1, help="Which run; the newest is 1.")] = 1,
    as_json: Json = False,
) -> None:
    """Print the journal of a run of PROFILE as JSON lines."""
    with output_of("log", as_json) as output:
        from tfprov.errors import TfprovError
        from tfprov.journal import journals, read
        from tfprov.paths import home
        from tfprov.pipeline.environments import find
        from tfprov.words import count

        environment = find(profile, cwd=Path.cwd(), environ=os.environ)
        found = journals(home(os.environ).journals / environment.id)
        if len(found) < number:
            kept = f"`{environment.owner.name}` has {count(len(found), 'journal')}"
            if not found:
                raise TfprovError("environment-missing", kept)
            raise TfprovError("usage", f"there is no run {number}: {kept}", hint="the newest run is 1")
        lines = list(read(found[number - 1]))
        output.result(
            "\n".join(json_text(line, indent=None) for line in lines), {"path": found[number - 1], "events": lines}
        )
