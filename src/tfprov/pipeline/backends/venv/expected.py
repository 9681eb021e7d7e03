"""The wheels that the lock of a plan has or will have, for reporting what an update changes."""

from __future__ import annotations

from tfprov.errors import TfprovError
from tfprov.lock import pylock
from tfprov.lock.records import LockedFile
from tfprov.pipeline.backends.venv.lock_on_disk import locked_choice, older_built, older_versions
from tfprov.pipeline.backends.venv.locking import resolve_for
from tfprov.pipeline.backends.venv.solving import can_resolve, selection_of
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.pipeline.records import Choice
from tfprov.plan.tags import marker_environment, supported_tags


def expected_files(context: Context, machine: Machine, choice: Choice) -> tuple[LockedFile, ...] | None:
    """See `Backend.expected_files`.

    If the plan was made without the resolver, it is asked now, but only if there is an environment to compare with.
    """
    decision, facts = choice.plan.decision, machine.facts
    environment = marker_environment(decision.python.version, "cpython", facts)
    tags = supported_tags(decision.python.version, False, facts)
    if locked_choice(context, machine) is not None:
        return pylock.read(context.lock_path, environment=environment, tags=tags, folder=context.lock_folder).files
    document = choice.resolved
    updates = context.request.host is None and context.environment.active() is not None
    if document is None and updates and not context.request.locked and can_resolve(machine):
        selection = selection_of(machine, context.loaded.asked, decision)
        prefer, built = older_versions(context), older_built(context)
        try:
            document, _ = resolve_for(context, machine, selection, prefer=prefer, built=built)
        except TfprovError:
            return None  # `up` reports why, after trying everything that may help
    return None if document is None else pylock.wheels_in(document, environment=environment, tags=tags)
