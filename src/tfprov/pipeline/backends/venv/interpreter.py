"""Finds or downloads the interpreter that a virtual environment is made from."""

from __future__ import annotations

from tfprov.envs import python as pythons
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.host.interpreters import probe
from tfprov.host.records import Interpreter
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.pipeline.uv import uv_executable
from tfprov.plan.records import Plan

_DOWNLOAD_SECONDS = 1800.0


def find_interpreter(context: Context, machine: Machine, plan: Plan) -> Interpreter:
    """The interpreter of the plan; if this machine does not have it, it comes from uv or, failing that, from conda.

    Raises:
        TfprovError: `python-not-found` when it is not available.
    """
    chosen = plan.decision.python
    if chosen.path is not None:
        known = (found for found in machine.facts.interpreters.value if found.path == chosen.path)
        return next(known, Interpreter(path=chosen.path, version=chosen.version))
    if machine.network.offline:
        raise TfprovError(
            "python-not-found",
            f"Python {chosen.version} is not on this machine, and the network may not be used",
            hint=f"install Python {chosen.version}, or make the bundle again with `--with-python`",
        )
    asked = context.loaded.profile.python.version
    environ = context.request.environ
    try:
        path = pythons.bring(
            f"=={chosen.version}.*" + (f",{asked}" if asked else ""),
            uv=uv_executable(),
            folder=context.home.data / "pythons",
            cache=context.tool_caches / "uv",
            environ=machine.tool_environment(),
            timeout=_DOWNLOAD_SECONDS,
        )
    except TfprovError as error:
        from tfprov.conda.client import MODULES
        from tfprov.extras import missing_of

        # The last resort: the conda channels of the profile, if the libraries for them are installed.
        if missing_of(MODULES):
            raise
        from tfprov.pipeline.backends.conda.linking import bring_python

        context.emit(Note(text=f"{error.what}: asking the conda channels for one", level="warning"))
        try:
            path = bring_python(context, machine, chosen.version, asked)
        except TfprovError as second:
            error.tried = (*error.tried, f"conda channels: {second.code.name}: {second.what}")
            raise error from second
        return probe(path, found_by="conda", environ=environ)
    return probe(path, found_by="uv", environ=environ)
