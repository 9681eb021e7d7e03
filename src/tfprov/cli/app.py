"""The commands. Each parses, calls one verb, renders what came back, and exits."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tfprov import __version__
from tfprov.cli.output import Output, failures

if TYPE_CHECKING:
    from tfprov.pipeline.run import Request

app = typer.Typer(
    name="tfprov",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Turn a machine into a TensorFlow environment that has proved itself on every visible device, "
    "or say exactly why it cannot be.",
    epilog="Start with `tfprov up cpu`, or write a profile for this machine with `tfprov init`.",
)

ProfileName = Annotated[
    str, typer.Argument(metavar="PROFILE", help="Path of a profile, or name of a shipped one (cpu, cuda, auto, …).")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, also on failure.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show details: skipped rungs, quick stages.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show neither progress nor notes.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key of the profile once, such as 'tensorflow.version===2.19.*'. May be repeated.",
    ),
]
Upgrade = Annotated[
    bool, typer.Option("--upgrade", help="Renew the lock: the newest versions that the profile allows.")
]
Recreate = Annotated[bool, typer.Option("--recreate", help="Build anew although the environment is verified.")]
Locked = Annotated[bool, typer.Option("--locked", help="Fail rather than make or change a lock; for CI.")]


def _version(value: bool) -> None:
    if value:
        print(f"tfprov {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command(
    epilog="Examples: tfprov up cpu · tfprov up train.toml --set smoke.level=deep · tfprov up ci --locked --json"
)
def up(
    profile: ProfileName,
    overrides: Overrides = None,
    upgrade: Upgrade = False,
    locked: Locked = False,
    recreate: Annotated[
        bool, typer.Option("--recreate", help="Build anew although the environment is verified.")
    ] = False,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Make the environment of PROFILE, or bring it up to date, and prove it."""
    output = _output("up", as_json, verbose, quiet)
    with failures(output):
        from tfprov.pipeline.up import up as run_up
        from tfprov.report import documents, text

        request = _request(profile, overrides, upgrade=upgrade, locked=locked, recreate=recreate)
        with output.progress() as emit:
            result = run_up(request, emit)
        output.result(text.outcome(result, profile=profile), documents.outcome(result))


@app.command(epilog="Examples: tfprov plan cuda · tfprov facts --json > host.json; tfprov plan cuda --host host.json")
def plan(
    profile: ProfileName,
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
    output = _output("plan", as_json, verbose)
    with failures(output):
        from tfprov.pipeline.up import plan as run_plan
        from tfprov.report import documents, text

        with output.progress() as emit:
            found = run_plan(_request(profile, overrides, upgrade=upgrade, host=host), emit)
        output.result(text.plan(found, verbose=verbose), documents.plan(found))


@app.command()
def lock(
    profile: ProfileName,
    overrides: Overrides = None,
    upgrade: Upgrade = False,
    locked: Locked = False,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Make the lock of PROFILE and nothing else: the exact files, with hashes."""
    output = _output("lock", as_json, verbose, quiet)
    with failures(output):
        from tfprov.pipeline.up import lock as run_lock
        from tfprov.report import documents, text

        with output.progress() as emit:
            found = run_lock(_request(profile, overrides, upgrade=upgrade, locked=locked), emit)
        output.result(text.lock(found), documents.lock(found))


@app.command()
def facts(as_json: Json = False) -> None:
    """Print what this machine is, each fact with its source."""
    output = _output("facts", as_json)
    with failures(output):
        from tfprov.host.facts import dump
        from tfprov.pipeline.up import facts as gather_facts
        from tfprov.report import text

        found = gather_facts(os.environ)
        output.result(text.facts(found), json.loads(dump(found)))


@app.command(epilog="Examples: tfprov smoke cpu --level deep; tfprov smoke --python .venv/bin/python")
def smoke(
    profile: Annotated[
        str | None, typer.Argument(metavar="PROFILE", help="Profile of an existing environment.")
    ] = None,
    python: Annotated[
        Path | None,
        typer.Option(help="Interpreter or folder of an environment that tfprov need not have made."),
    ] = None,
    level: Annotated[
        Literal["quick", "standard", "deep"] | None,
        typer.Option(help="How much to check. Default: what the profile says, else standard."),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the verdict as JUnit XML to this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the verdict as one HTML page to this file.")] = None,
    receipt: Annotated[Path | None, typer.Option(help="Write a dated receipt of the verdict to this file.")] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="RECEIPT", help="Compare with this receipt; fail when less is proved.")
    ] = None,
    overrides: Overrides = None,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Prove an existing environment again. Changes nothing."""
    output = _output("smoke", as_json, verbose, quiet)
    with failures(output):
        from tfprov.errors import TfprovError
        from tfprov.pipeline.environments import find, smoke_again, smoke_foreign, verified
        from tfprov.pipeline.up import facts as facts_of
        from tfprov.report import text, verdicts
        from tfprov.smoke.receipt import machine_of
        from tfprov.smoke.verdict import as_document, as_error

        if (profile is None) == (python is None):
            raise TfprovError("usage", "name either a PROFILE or an environment with `--python`")
        with output.progress() as emit:
            if python is not None:
                found = smoke_foreign(Path.cwd() / python, level=level or "standard", environ=os.environ, emit=emit)
                lock = None
            else:
                found = smoke_again(_request(str(profile), overrides), level=level, emit=emit)
                seal = verified(find(str(profile), cwd=Path.cwd(), environ=os.environ), str(profile)).seal
                lock = seal.lock_digest if seal else None
        wanted = verdicts.Wanted(junit=junit, html=html, receipt=receipt, against=against)
        differences = verdicts.save(
            found,
            wanted,
            title=str(profile or python),
            now=datetime.now(timezone.utc),
            version=__version__,
            lock=lock,
            machine=lambda: machine_of(facts_of(os.environ)),
        )
        words = text.verdict(found) + (f"\n{verdicts.text(differences)}" if against else "")
        shown = {**as_document(found), "differences": verdicts.document(differences)}
        failure = verdicts.loss(differences) if found.ok else as_error(found)
        if failure is not None:
            if not as_json:
                print(words)
            output.failure(failure, shown)
            raise SystemExit(failure.exit_code)
        output.result(words, shown)


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run(
    profile: ProfileName,
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND…", help="What to run, with its arguments.")],
) -> None:
    """Run a command in the environment of PROFILE; its exit status is passed on."""
    output = _output("run", as_json=False)
    with failures(output):
        from tfprov.errors import TfprovError
        from tfprov.pipeline.environments import command_of, find, variables, verified
        from tfprov.process import replace_process

        words = command[1:] if command[:1] == ["--"] else command
        if not words:
            raise TfprovError("usage", "name a command to run: `tfprov run PROFILE -- COMMAND`")
        generation = verified(find(profile, cwd=Path.cwd(), environ=os.environ), profile)
        environ = variables(generation, os.environ)
        raise SystemExit(replace_process(command_of(words, environ), env=environ))


@app.command()
def shell(profile: ProfileName) -> None:
    """Start a shell in which the environment of PROFILE is active."""
    output = _output("shell", as_json=False)
    with failures(output):
        from tfprov.paths import home
        from tfprov.pipeline.environments import find, verified
        from tfprov.pipeline.shell import interactive
        from tfprov.process import replace_process

        environment = find(profile, cwd=Path.cwd(), environ=os.environ)
        generation = verified(environment, profile)
        argv, environ = interactive(environment, generation, home=home(os.environ), environ=os.environ)
        raise SystemExit(replace_process(argv, env=environ))


@app.command(name="list")
def list_(as_json: Json = False) -> None:
    """List the environments with their verified generations; `*` marks the one in use."""
    output = _output("list", as_json)
    with failures(output):
        from tfprov.envs.generations import environments
        from tfprov.paths import home
        from tfprov.report import documents, text

        found = environments(home(os.environ).environments)
        output.result(text.listing(found), documents.listing(found))


@app.command()
def rollback(
    profile: ProfileName,
    number: Annotated[
        int | None,
        typer.Argument(help="Generation to go back to. Default: the one before the active one."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Go back to an older verified generation, at once."""
    output = _output("rollback", as_json)
    with failures(output):
        from tfprov.pipeline.environments import find
        from tfprov.pipeline.environments import rollback as go_back

        environment = find(profile, cwd=Path.cwd(), environ=os.environ)
        found = go_back(environment, number=number)
        version = found.seal.tensorflow if found.seal else ""
        output.result(
            f"{environment.owner.name} is at generation {found.number} again (TensorFlow {version})\n"
            f"  place     {environment.stable}",
            {"environment": {"name": environment.owner.name, "path": environment.stable, "generation": found.number}},
        )


@app.command(epilog="Examples: tfprov doctor train.toml --fix; tfprov doctor --python .venv")
def doctor(
    profile: Annotated[
        str | None, typer.Argument(metavar="PROFILE", help="Profile of an existing environment.")
    ] = None,
    python: Annotated[
        Path | None,
        typer.Option(help="Folder or interpreter of an environment that tfprov need not have made."),
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Repair what is damaged, then prove it.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Examine an environment: every file, the packages against the lock, the interpreter, the driver, what leaks in."""
    output = _output("doctor", as_json, verbose, quiet)
    with failures(output):
        from tfprov.errors import TfprovError
        from tfprov.pipeline.doctor import as_error, examine, examine_foreign
        from tfprov.pipeline.doctor import repair as put_right
        from tfprov.report import documents, text

        if (profile is None) == (python is None):
            raise TfprovError("usage", "name either a PROFILE or an environment with `--python`")
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
        failure = as_error(found, str(profile or python))
        if failure is None:
            output.result(text.findings(found), documents.findings(found))
            return
        if not as_json:
            print(text.findings(found))
        output.failure(failure, documents.findings(found))
        raise SystemExit(failure.exit_code)


@app.command()
def repair(
    profile: ProfileName,
    as_json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Put back what is damaged, from the store, and prove it; packages that are not in the lock go."""
    output = _output("repair", as_json, verbose, quiet)
    with failures(output):
        from tfprov.pipeline.doctor import repair as put_right
        from tfprov.report import documents, text

        with output.progress() as emit:
            result = put_right(profile, cwd=Path.cwd(), environ=os.environ, emit=emit)
        output.result(text.outcome(result, profile=profile), documents.outcome(result))


@app.command()
def remove(
    profile: ProfileName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Delete the environment of PROFILE with all its generations."""
    output = _output("remove", as_json)
    with failures(output):
        from tfprov.errors import TfprovError
        from tfprov.pipeline.environments import find
        from tfprov.pipeline.environments import remove as delete

        environment = find(profile, cwd=Path.cwd(), environ=os.environ)
        if not environment.root.is_dir():
            raise TfprovError("environment-missing", f"`{environment.owner.name}` has no environment")
        if not yes:
            if not sys.stdin.isatty():
                raise TfprovError("usage", "nothing was deleted: nobody can be asked", hint="say `--yes`")
            if not typer.confirm(f"Delete {environment.root}?", err=True):
                raise typer.Exit(1)
        delete(environment)
        output.result(
            f"{environment.owner.name} is removed",
            {"removed": {"name": environment.owner.name, "path": environment.root}},
        )


@app.command(epilog="Example: tfprov init train.toml && tfprov up train.toml")
def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("tfprov.toml"),
    as_json: Json = False,
) -> None:
    """Write a commented profile that fits this machine."""
    output = _output("init", as_json)
    with failures(output):
        from tfprov.pipeline.init import init as write_profile

        target = Path.cwd() / path
        write_profile(target, environ=os.environ)
        output.result(f"wrote {path}; `tfprov up {path}` makes the environment", {"path": target})


@app.command()
def schema(as_json: Json = False) -> None:
    """Print the JSON Schema of profiles, for editors."""
    output = _output("schema", as_json)
    with failures(output):
        from tfprov.profile.schema import json_schema

        found = json_schema()
        output.result(json.dumps(found, indent=2), {"json_schema": found})


@app.command()
def log(
    profile: ProfileName,
    number: Annotated[int, typer.Option("--run", min=1, help="Which run, the newest is 1.")] = 1,
    as_json: Json = False,
) -> None:
    """Print the journal of a run of PROFILE as JSON lines."""
    output = _output("log", as_json)
    with failures(output):
        from tfprov.errors import TfprovError
        from tfprov.journal import journals, read
        from tfprov.paths import home
        from tfprov.pipeline.environments import find

        environment = find(profile, cwd=Path.cwd(), environ=os.environ)
        found = journals(home(os.environ).journals / environment.id)
        if len(found) < number:
            raise TfprovError("environment-missing", f"there are {len(found)} journals of `{environment.owner.name}`")
        lines = list(read(found[number - 1]))
        output.result("\n".join(json.dumps(line) for line in lines), {"path": found[number - 1], "events": lines})


cache = typer.Typer(no_args_is_help=True, help="Look at what tfprov keeps beside the environments, or make it smaller.")
app.add_typer(cache, name="cache")


@cache.command(name="info")
def cache_info(as_json: Json = False) -> None:
    """Say what is kept where, and how much of it."""
    output = _output("cache info", as_json)
    with failures(output):
        from tfprov.paths import home
        from tfprov.pipeline.cache import info
        from tfprov.report import documents, text

        found = info(home(os.environ))
        output.result(text.kept(found), documents.kept(found))


@cache.command(name="verify")
def cache_verify(as_json: Json = False) -> None:
    """Read every wheel of the store and remove those that are damaged."""
    output = _output("cache verify", as_json)
    with failures(output):
        from tfprov.paths import home
        from tfprov.pipeline.cache import verify

        damaged = [str(one.path) for one in verify(home(os.environ))]
        words = [f"removed, its content had changed: {path}" for path in damaged]
        output.result("\n".join(words or ["every wheel has its hash"]), {"damaged": damaged})


@cache.command(name="prune", epilog="Example: tfprov cache prune --max 10GB")
def cache_prune(
    most: Annotated[str, typer.Option("--max", metavar="SIZE", help="Most bytes of wheels to keep.")] = "10GB",
    as_json: Json = False,
) -> None:
    """Remove the least recently used wheels, and images that no environment needs."""
    output = _output("cache prune", as_json)
    with failures(output):
        from tfprov.paths import home
        from tfprov.pipeline.cache import parse_size, prune
        from tfprov.report import documents, text

        swept = prune(home(os.environ), cap_bytes=parse_size(most))
        output.result(text.swept(swept), documents.swept(swept))


@cache.command(name="clear")
def cache_clear(as_json: Json = False) -> None:
    """Remove every wheel and everything unpacked; environments stay as they are."""
    output = _output("cache clear", as_json)
    with failures(output):
        from tfprov.paths import home
        from tfprov.pipeline.cache import clear
        from tfprov.report import documents, text

        swept = clear(home(os.environ))
        output.result(text.swept(swept), documents.swept(swept))


def _output(command: str, as_json: bool = False, verbose: bool = False, quiet: bool = False) -> Output:
    return Output(command=command, json=as_json, verbose=verbose, quiet=quiet, environ=os.environ)


def _request(
    profile: str,
    overrides: list[str] | None,
    *,
    upgrade: bool = False,
    locked: bool = False,
    recreate: bool = False,
    host: Path | None = None,
) -> Request:
    from tfprov.pipeline.run import Request as Asked

    return Asked(
        profile=profile,
        cwd=Path.cwd(),
        environ=os.environ,
        overrides=tuple(overrides or ()),
        upgrade=upgrade,
        locked=locked,
        recreate=recreate,
        host=host,
    )
