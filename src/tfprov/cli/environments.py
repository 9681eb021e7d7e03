"""The commands that use and keep environments: run, shell, list, rollback, remove."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand

from tfprov.cli import completion
from tfprov.cli.options import Json, ProfileName, output_of
from tfprov.cli.output import Output, require_answers
from tfprov.cli.plain import go_back
from tfprov.harmless import lined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfprov.envs.generations import Environment
    from tfprov.envs.records import Held
    from tfprov.paths import Home

app = typer.Typer()


class _Run(TyperCommand):
    """`run`, with or without a profile before the `--`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # Typer hides that class
        """Take a command line that begins with `--`, behind options of its own, for one without a profile."""
        own = [word for word in args[:1] if word == "--check"]
        rest = args[len(own) :]
        # Without anything it is the command that is missing, not the profile; unless the shell asks what may come.
        without = rest[:1] == ["--"] or not (rest or ctx.resilient_parsing)
        return super().parse_args(ctx, [*own, "", *rest] if without else args)


@app.command(cls=_Run, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run(
    profile: ProfileName,
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND…", help="What to run, with its arguments.")],
    check: Annotated[
        bool, typer.Option("--check", help="Run it only if the environment is verified on this machine as it is now.")
    ] = False,
) -> None:
    """Run a command in the environment of PROFILE; its exit status is passed on."""
    with output_of("run", as_json=False) as output:
        from tfprov.errors import TfprovError
        from tfprov.pipeline.commands import command_of, runs_elsewhere
        from tfprov.pipeline.environments import find, in_use, variables
        from tfprov.process import replace_process

        words = command[1:] if command[:1] == ["--"] else command
        if not words:
            raise TfprovError("usage", "name a command to run: `tfprov run PROFILE -- COMMAND`")
        environment = find(profile, cwd=Path.cwd(), environ=os.environ)
        generation = in_use(environment, profile)
        if check:
            from tfprov.pipeline.standing import check as check_standing

            check_standing(environment, generation, os.environ, profile)
        environ = variables(generation, os.environ)
        argv = command_of(words, environ)
        if runs_elsewhere(argv[0], environment):
            output.warn(f"`{words[0]}` is not in the environment: running `{argv[0]}`, which has a Python of its own")
        raise SystemExit(replace_process(argv, env=environ))


@app.command()
def shell(profile: ProfileName = "") -> None:
    """Start a shell in which the environment of PROFILE is active."""
    with output_of("shell", as_json=False):
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
    """List the environments with their verified generations, newest first; `*` marks the one in use.

    Below each stands what it has that the one before it had not.
    """
    with output_of("list", as_json) as output:
        from tfprov.envs.differences import of_each
        from tfprov.envs.generations import environments
        from tfprov.paths import home
        from tfprov.pipeline.environments import left_behind
        from tfprov.pipeline.named import bundle_of
        from tfprov.pipeline.standing import Standing
        from tfprov.report import documents, text

        own = home(os.environ)
        found = environments(own.environments)
        every = [(each, one) for each in found for one in each.generations()]
        standing = Standing(os.environ)
        for _, one in every:
            standing.begin(one)
        flaws = {one.path: flaw for each, one in every if (flaw := each.flaw(one))}
        differences = {path: words for each in found for path, words in of_each(each.generations()).items()}
        changes = {one.path: changed for _, one in every if (changed := standing.changes(one))}
        bundles = {one.id: bundle for one in found if (bundle := bundle_of(one, own))}
        for words in left_behind(own.environments):
            output.warn(f"{words}; `tfprov up` makes them again")
        shown = (found, flaws, differences, changes)
        output.result(text.listing(*shown), documents.listing(*shown, bundles))


@app.command()
def rollback(
    profile: ProfileName = "",
    number: Annotated[
        int | None,
        typer.Argument(
            help="Generation to go back to. Default: the last one with other packages.",
            autocompletion=completion.generations,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Go back to an older verified generation, at once. Profile and lock stay as they are."""
    go_back(Output(command="rollback", json=as_json, environ=os.environ), profile, number=number)


@app.command(epilog="Examples: tfprov remove train.toml · tfprov remove --all && tfprov cache clear")
def remove(
    profile: ProfileName = "",
    every: Annotated[
        bool, typer.Option("--all", help="All your environments, and the interpreters that tfprov installed.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Even if processes use it, and including what `--old` deletes.")
    ] = False,
    old: Annotated[
        bool, typer.Option("--old", help="Delete only the environment that `adopt --in-place` replaced and kept.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Delete the environment of PROFILE with all its generations; what `adopt --in-place` replaced only if told so."""
    with output_of("remove", as_json) as output:
        from tfprov.envs.takeover import adopted_folder
        from tfprov.errors import TfprovError
        from tfprov.paths import home
        from tfprov.pipeline.environments import find
        from tfprov.pipeline.removing import finish, remove_old
        from tfprov.pipeline.removing import remove as delete

        if every:
            if profile:
                raise TfprovError("usage", "name a profile or pass `--all`, not both")
            remove_every = _remove_all_old if old else _remove_all
            remove_every(output, home(os.environ), yes=yes, force=force)
            return
        environment = find(profile, cwd=Path.cwd(), environ=os.environ)
        if not environment.root.is_dir():
            if finish(environment) and not old:
                output.result(*_removed(environment, ()))
                return
            raise TfprovError(
                "environment-missing",
                f"`{environment.owner.name}` has no environment, so there is nothing to remove",
                hint="`tfprov list` shows all environments",
            )
        what = adopted_folder(environment) if old else environment.root
        _confirm(f"Delete {what}?", yes=yes)
        if old:
            remove_old(environment, force=force, warn=output.warn)
            output.result(
                f"the environment that {environment.owner.name} replaced is removed",
                {"removed": {"name": environment.owner.name, "path": what, "in_use": []}},
            )
            return
        output.result(*_removed(environment, delete(environment, profile, force=force, warn=output.warn)))


def _removed(environment: Environment, held: Sequence[Held]) -> tuple[str, dict[str, object]]:
    """What is said of an environment that was removed, in words and as a document."""
    used = [str(each) for each in held]
    words = lined([f"{environment.owner.name} is removed", *(f"  although {each}" for each in used)])
    return words, {"removed": {"name": environment.owner.name, "path": environment.root, "in_use": used}}


def _remove_all(output: Output, kept: Home, *, yes: bool, force: bool) -> None:
    from tfprov.envs.generations import environments
    from tfprov.pipeline.removing import remove_all

    names = ", ".join(one.owner.name for one in environments(kept.environments)) or "none"
    _confirm(f"Delete every environment below {kept.environments} ({names})?", yes=yes)
    gone, held = remove_all(kept, force=force)
    lines = [f"{one.owner.name} is removed" for one in gone] or ["there is no environment"]
    lines += [f"  although {each}" for each in held]
    lines += [f"  left      wheels and other caches: `tfprov cache clear`; records of runs: {kept.state}"]
    output.result(
        lined(lines),
        {
            "removed": [{"name": one.owner.name, "path": one.root} for one in gone],
            "in_use": [str(each) for each in held],
        },
    )


def _remove_all_old(output: Output, kept: Home, *, yes: bool, force: bool) -> None:
    from tfprov.envs.generations import environments
    from tfprov.envs.takeover import replaced
    from tfprov.pipeline.removing import remove_old

    found = [(one, old) for one in environments(kept.environments) if (old := replaced(one)) is not None]
    names = ", ".join(one.owner.name for one, _ in found) or "none"
    _confirm(f"Delete every environment that another one replaced ({names})?", yes=yes)
    for one, _ in found:
        remove_old(one, force=force, warn=output.warn)
    lines = [f"the environment that {one.owner.name} replaced is removed" for one, _ in found]
    output.result(
        lined(lines or ["no environment that was replaced is kept"]),
        {"removed": [{"name": one.owner.name, "path": old.path} for one, old in found], "in_use": []},
    )


def _confirm(question: str, *, yes: bool) -> None:
    """Ask before something is deleted.

    Raises:
        TfprovError: `usage` when nobody can be asked.
    """
    if yes:
        return
    require_answers("nothing was deleted", "pass `--yes`")
    if not typer.confirm(question, err=True):
        raise SystemExit(1)
