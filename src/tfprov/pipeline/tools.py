"""The programs that stages start, and what these may know of the network."""

from __future__ import annotations

from pathlib import Path

from tfprov.pipeline.run import Run
from tfprov.process import clean_environment


def uv_executable() -> Path:
    """The uv that is installed with tfprov."""
    from uv import find_uv_bin

    return Path(find_uv_bin())


def networked(run: Run) -> dict[str, str]:
    """Variables for a child that may use the network, by the first route."""
    network = run.network
    return clean_environment(run.request.environ, **network.tool_environment(network.ordered_routes()[0]))
