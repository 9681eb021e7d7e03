"""What a build works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tfprov.errors import TfprovError


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where and with what sources are built.

    Attributes:
        uv: the executable.
        python: interpreter to build for.
        index: variables that lead uv to the index; only what fetches build requirements gets them, with credentials.
        options: options of uv for the same.
        environ: variables of the user's own; a build gets those that say where programs are and how to print.
        variables: those that the profile sets; a build gets them as they are.
        memory: bytes that each process of a build may use; None for no limit.
        timeout: seconds for each step of a build.
        truthful: the real text in place of what uv writes.
        failure: what uv could not get, as whoever stands between it and the index saw it; None for nothing.
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
