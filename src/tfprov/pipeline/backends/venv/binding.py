"""Makes a lock with bounds that a smoke test requires."""

from __future__ import annotations

from pathlib import Path

from packaging.requirements import Requirement

from tfprov.distributions import kind_of
from tfprov.errors import TfprovError
from tfprov.pipeline.backends.venv.candidates import choose_within
from tfprov.pipeline.backends.venv.interpreter import find_interpreter
from tfprov.pipeline.backends.venv.locking import read, write
from tfprov.pipeline.backends.venv.solving import may_differ
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.pipeline.records import Choice, Locked
from tfprov.plan.companions import PYTHON


def bind(context: Context, machine: Machine, locked: Locked, bounds: tuple[str, ...], path: Path) -> Locked | None:
    """See `Backend.bind`; None where the lock must not be changed.

    Keeps the TensorFlow release and the Python if possible. If a bound applies to one of them, or the bounds cannot be
    satisfied together with them, both are chosen again within the limits of the profile.
    """
    if context.request.locked:
        return None
    why = tuple(f"the smoke test asks for `{each}`" for each in bounds)
    interpreter = locked.interpreter
    names = [Requirement(each).name for each in bounds]
    if not any(name == PYTHON or kind_of(name) is not None for name in names):
        try:
            write(context, machine, Choice(plan=locked.plan), interpreter, bounds=bounds, path=path)
            return read(machine, locked.plan, interpreter, path, why, folder=context.lock_folder)
        except TfprovError as error:
            if not may_differ(error):
                raise
    choice = choose_within(context, machine, bounds)
    if choice.plan.decision.python != locked.plan.decision.python:
        interpreter = find_interpreter(context, machine, choice.plan)
    write(context, machine, choice, interpreter, bounds=bounds, path=path)
    return read(machine, choice.plan, interpreter, path, why, folder=context.lock_folder)
