"""`tfprov up`, `status` and `rollback` in their plain forms, started without Typer.

To import Typer takes as long as all that `up` has to do when the environment is verified already. Whatever else stands
on the command line is for Typer, and both ways end in `bring_up`, `tell_status` and `go_back`.
"""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tfprov.cli.output import Output, failures
from tfprov.errors import TfprovError
from tfprov.harmless import lined

if TYPE_CHECKING:
    from tfprov.cli.ci_reporter import CiReporter
    from tfprov.pipeline.context import Request
    from tfprov.pipeline.records import Outcome

_FLAGS = {
    "up": {
        "--json": "json",
        "--verbose": "verbose",
        "-v": "verbose",
        "--quiet": "quiet",
        "-q": "quiet",
        "--recreate": "recreate",
    },
    "status": {"--json": "json", "--all": "every"},
    "rollback": {"--json": "json"},
}

# Of a generation; Python itself reads no more than some thousand digits.
_NUMBER = re.compile(r"[0-9]{1,9}")


def is_plain(words: Sequence[str]) -> bool:
    """Whether the command line is `up`, `status` or `rollback` with nothing but a profile and options about the output.

    Of `up` the option `--recreate`, of `status` `--all`, of `rollback` the number of a generation may stand there, too.
    """
    flags = _FLAGS.get(words[0]) if words else None
    if flags is None:
        return False
    given = [word for word in words[1:] if word not in flags]
    if any(word.startswith("-") for word in given):
        return False
    numbered = words[0] == "rollback" and len(given) == 2 and _NUMBER.fullmatch(given[1]) is not None
    return len(given) <= 1 or numbered


def run_plain(words: Sequence[str]) -> None:
    """Carry out a plain command line."""
    flags = _FLAGS[words[0]]
    profile, *number = [word for word in words[1:] if word not in flags] or [""]
    asked = {flags[word]: True for word in words[1:] if word in flags}
    every, recreate = asked.pop("every", False), asked.pop("recreate", False)
    output = Output(command=words[0], environ=os.environ, **asked)
    if words[0] == "status":
        tell_status(output, profile, every=every, environ=os.environ)
        return
    if words[0] == "rollback":
        go_back(output, profile, number=int(number[0]) if number else None)
        return
    from tfprov.pipeline.context import Request

    bring_up(output, lambda: Request(profile=profile, cwd=Path.cwd(), environ=os.environ, recreate=recreate))


def bring_up(output: Output, asked: Callable[[], Request], *, junit: Path | None = None) -> None:
    """Run `up`, and print its outcome.

    Args:
        output: prints it.
        asked: the request; may raise.
        junit: file for the verdict, or for the failure before there was one; None for none.

    Raises:
        SystemExit: with the exit status of a failure.
    """
    reporter = None
    if junit is not None or output.ci is not None:
        from tfprov.cli.ci_reporter import CiReporter

        reporter = CiReporter(output=output, junit=junit)
    with failures(output):
        from tfprov.pipeline.environments import word_for
        from tfprov.report import documents, text

        if reporter is not None:
            reporter.check()
        try:
            request = asked()
            result = _asking(output, request, reporter)
        except TfprovError as error:
            if reporter is not None:
                reporter.failed(error)
            raise
        if reporter is not None:
            reporter.verified(result)
        named = request.profile or word_for(result.environment, cwd=request.cwd, environ=request.environ)
        output.result(
            text.outcome(result, profile=named, shell=output.environ.get("SHELL", "")), documents.outcome(result)
        )


def _asking(output: Output, request: Request, reporter: CiReporter | None) -> Outcome:
    """`up`, and once more with the answer when it has to know whether to stay where a rollback led to."""
    from tfprov.pipeline.up import up

    try:
        with output.progress() as emit:
            return up(request, emit if reporter is None else reporter.watching(emit))
    except TfprovError as error:
        if error.code.name != "rolled-back" or not output.may_ask():
            raise
        print(output.typed(error.what) + "\nGo forward again? [y/N] ", end="", file=sys.stderr, flush=True)
        forward = sys.stdin.readline().strip().lower() in ("y", "yes")
        return _asking(output, dataclasses.replace(request, keep_rollback=not forward), reporter)


def tell_status(
    output: Output,
    profile: str,
    *,
    every: bool,
    environ: Mapping[str, str],
    pause: Callable[[], None] | None = None,
    metrics: Path | None = None,
) -> None:
    """Print the state of environments.

    Args:
        output: prints it.
        profile: path or name; that of the folder when empty.
        every: all environments instead.
        environ: variables of the user.
        pause: waits until the next check; None to check once. An unchanged state is not printed again.
        metrics: file for Prometheus, written at each look; None for none.

    Raises:
        SystemExit: with the exit status of the first environment that is not verified, at the last look.
    """
    with failures(output):
        from datetime import datetime, timezone

        from tfprov.envs.generations import environments
        from tfprov.paths import home
        from tfprov.pipeline.environments import find
        from tfprov.pipeline.status import as_error, look
        from tfprov.report import status

        if every and profile:
            raise TfprovError("usage", "name either a PROFILE or `--all`")
        if metrics is not None:
            status.METRICS.check(metrics)
        told = ""
        failure: TfprovError | None = None
        try:
            while True:
                chosen = (
                    environments(home(environ).environments)
                    if every
                    else (find(profile, cwd=Path.cwd(), environ=environ),)
                )
                found = look(chosen, environ)
                failure = as_error(found)
                if metrics is not None:
                    status.write_prometheus(metrics, found, now=datetime.now(timezone.utc))
                if (words := status.words(found)) != told:
                    told = words
                    output.finding(words, status.document(found), failure)
                if pause is None:
                    break
                pause()
        except KeyboardInterrupt:
            if pause is None:
                raise
        if failure is not None:
            raise SystemExit(failure.exit_code)


def go_back(output: Output, profile: str, *, number: int | None) -> None:
    """Run `rollback`, and print its outcome.

    Args:
        output: prints it.
        profile: path or name.
        number: which generation; None for the one before the active one.

    Raises:
        SystemExit: with the exit status of a failure.
    """
    with failures(output):
        from tfprov.pipeline.environments import find, rollback

        environment = find(profile, cwd=Path.cwd(), environ=os.environ)
        found = rollback(environment, number=number, warn=output.warn)
        version = found.seal.tensorflow if found.seal else ""
        output.result(
            lined(
                (
                    f"{environment.owner.name} is at generation {found.number} again (TensorFlow {version})",
                    f"  place     {environment.stable}",
                    "  note      profile and lock are unchanged: the next `tfprov up` asks whether to go forward again",
                )
            ),
            {"environment": {"name": environment.owner.name, "path": environment.stable, "generation": found.number}},
        )
