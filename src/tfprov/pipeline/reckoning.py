"""Computes what an update changes and how much it downloads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tfprov.envs import differences
from tfprov.envs.images import Image, image_key
from tfprov.fetch.store import Store
from tfprov.lock.records import LockedFile
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.pipeline.records import Choice, Locked
from tfprov.plan.records import Plan

SEEDS = frozenset({"pip", "setuptools", "wheel"})
"""Packages that are not reported as removed when the lock does not have them."""


def reckoned(context: Context, machine: Machine, choice: Choice) -> Plan:
    """The plan with the size of its files, the bytes that must be fetched, and the changes to the environment in use.

    It is unchanged where the files of the lock are not known. For another machine (`--host`) only the size is added.
    """
    files = context.backend.expected_files(context, machine, choice)
    if files is None:
        return choice.plan
    sizes = [file.size for file in files]
    plan = choice.plan
    if sizes and None not in sizes:
        plan = replace(plan, download_bytes=sum(filter(None, sizes)))
    if context.request.host is not None:
        return plan
    versions = {file.name: file.version for file in files}
    # In a conda environment Python is one of the packages, and the plan has only its minor version.
    python = versions.get("python", plan.decision.python.version)
    moved = _to_fetch(context, machine, plan, files)
    return replace(plan, fetch_bytes=moved, changes=_changes(context, python, versions))


def changes(context: Context, locked: Locked) -> tuple[str, ...] | None:
    """The changes that the locked files make to the environment in use, as lines for users; None without one."""
    versions = {source.name: source.version for source in locked.lock.sources}
    versions |= {file.name: file.version for file in locked.lock.files}
    return _changes(context, locked.interpreter.version, versions)


def _changes(context: Context, python: str, versions: dict[str, str]) -> tuple[str, ...] | None:
    active = context.environment.active()
    if active is None or active.seal is None:
        return None
    here = differences.packages(active.path)
    kept = {name: version for name, version in here.items() if name in versions or name not in SEEDS}
    # The version of a project in a folder is unknown until it is built; usually it has not changed.
    known = {name: version or here.get(name, "") for name, version in versions.items() if name != "python"}
    there = {"Python": python, **known}
    return differences.between({"Python": active.seal.python_version, **kept}, there)


def _to_fetch(context: Context, machine: Machine, plan: Plan, files: Sequence[LockedFile]) -> int | None:
    """Bytes that must be fetched; 0 where an image has the files, None where a size is unknown."""
    chosen = plan.decision.python
    for one in machine.facts.interpreters.value:
        if one.path == chosen.path:
            image = Image(context.home.images / image_key(_content(files), one))
            if image.exists and not context.request.thorough:
                return 0
    store = Store.of(context.home)
    lacking = [file.size for file in files if not store.is_near(file)]
    return None if None in lacking else sum(filter(None, lacking))


def _content(files: Iterable[LockedFile]) -> tuple[str, ...]:
    return tuple(file.sha256 for file in files)
