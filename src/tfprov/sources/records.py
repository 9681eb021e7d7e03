"""Records for building from sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tfprov.errors import TfprovError


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Interpreter, tools, variables and limits of a build.

    Attributes:
        uv: the executable.
        python: interpreter to build for.
        index: variables that direct uv to the index, with credentials; used only to install build requirements.
        options: options of uv for the same purpose.
        environ: the user's variables; a build gets only those that say where programs are and how to print.
        variables: variables that the profile sets; a build gets them unchanged.
        memory: bytes that each process of a build may use; None for no limit.
        timeout: seconds for each step of a build.
        truthful: replaces relay addresses in uv's output by the real ones.
        failure: returns the error of the relay between uv and the index; None if there was none.
    """

    uv: Path
    python: Path
    index: Mapping[str, str]
    options: tuple[str, ...]
    environ: Mapping[str, str]
    variables: Mapping[str, str]
    memory: int | None
    timeout: float
    truthful: Callable[[str], str] = str
    failure: Callable[[], TfprovError | None] = lambda: None
