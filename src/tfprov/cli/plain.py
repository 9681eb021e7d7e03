"""`tfprov up` in its plain form, started without Typer.

To import Typer takes as long as all that `up` has to do when the environment is verified already. Whatever else stands
on the command line is for Typer, and both ways end in `bring_up`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tfprov.cli.output import Output, failures
from tfprov.errors import TfprovError

if TYPE_CHECKING:
    from tfprov.pipeline.run import Request

_FLAGS = {"--json": "json", "--verbose": "verbose", "-v": "verbose", "--quiet": "quiet", "-q": "quiet"}


def is_plain(words: Sequence[str]) -> bool:
    """Whether the command line is `up PROFILE`, with no other options than those about the output."""
    profiles = [word for word in words[1:] if word not in _FLAGS]
    return words[:1] == ["up"] and len(profiles) == 1 and not profiles[0].startswith("-")


def run_plain(words: Sequence[str]) -> None:
    """Carry out a plain command line."""
    from tfprov.pipeline.run import Request

    (profile,) = (word for word in words[1:] if word not in _FLAGS)
    flags = {_FLAGS[word]: True for word in words[1:] if word in _FLAGS}
    output = Output(command="up", environ=os.environ, **flags)
    bring_up(output, lambda: Request(profile=profile, cwd=Path.cwd(), environ=os.environ))


def bring_up(output: Output, asked: Callable[[], Request], *, junit: Path | None = None) -> None:
    """Do what `up` is asked for, and say what came of it.

    Args:
        output: how to say it.
        asked: the request; may raise.
        junit: file for the verdict, or for the failure before there was one; None for none.

    Raises:
        SystemExit: with the exit status of a failure.
    """
    told = None
    if junit is not None or output.ci is not None:
        from tfprov.cli.told import Told

        told = Told(output=output, junit=junit)
    with failures(output):
        from tfprov.pipeline.up import up
        from tfprov.report import documents, text

        try:
            request = asked()
            with output.progress() as emit:
                result = up(request, emit if told is None else told.watching(emit))
        except TfprovError as error:
            if told is not None:
                told.failed(error)
            raise
        if told is not None:
            told.verified(result)
        named = request.profile or result.environment.owner.name
        output.result(text.outcome(result, profile=named), documents.outcome(result))
