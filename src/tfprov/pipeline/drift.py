"""Handles packages that were installed or removed by hand in the active generation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tfprov.contents import content_of, text_of
from tfprov.envs.drift import Drift, drift, needed_by_others
from tfprov.envs.layout import site_packages
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.writing import write_atomic, write_through

if TYPE_CHECKING:
    from tfprov.envs.records import Generation
    from tfprov.pipeline.context import Context


def seen(context: Context, generation: Generation) -> bool:
    """Whether a generation may stay in use with the packages that it has now. Emits a warning about each drift.

    It may if nothing was changed by hand, or packages were only added and the run is not to drop them.
    """
    found = drift(generation.path)
    if not found:
        return True
    if found.only_more and context.request.drift != "drop":
        _tell(
            context,
            f"installed by hand in generation {generation.number} and never proved: {found}; it stays there",
            found,
        )
        return True
    text = f"changed by hand since it was verified: {found}; making the environment of the lock anew beside it"
    _tell(context, text, None)
    return False


def tell_left_behind(context: Context) -> None:
    """Warn about packages that were added by hand to the active generation and will not be in the new one."""
    generation = context.environment.active()
    found = drift(generation.path) if generation else None
    if generation and found and found.only_more and context.request.drift != "drop":
        text = f"installed by hand in generation {generation.number} and not in what is made now: {found}"
        _tell(context, text, found)


@contextlib.contextmanager
def taken(context: Context) -> Iterator[None]:
    """Write the packages that were installed by hand into the profile; restore profile and lock if the block fails.

    Raises:
        TfprovError: `usage` when there is nothing to take, or it cannot be written into the profile.
    """
    path, lock = context.source.path, context.lock_path
    before, after, wanted = _with_taken(context)
    locked = content_of(lock) if lock.is_file() else None
    write_through(path, after.encode())
    context.emit(Note(text=f"`{path.name}` asks for {', '.join(f'`{one}`' for one in wanted)} now", level="warning"))
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            # A profile that was edited in the meantime is not overwritten.
            if text_of(path) == after:
                write_through(path, before.encode())
                if locked is not None and content_of(lock) != locked:
                    write_atomic(lock, locked)
                context.emit(Note(text=f"`{path.name}` is as it was", level="warning"))
        raise


def _with_taken(context: Context) -> tuple[str, str, tuple[str, ...]]:
    """Text of the profile before and after adding what was installed by hand, and the added entries.

    Raises:
        TfprovError: `usage`.
    """
    from tfprov.adopt.asked import ask_for, project_of
    from tfprov.adopt.metadata import distributions_in
    from tfprov.profile.edit import Value, edited

    generation, path = context.environment.active(), context.source.path
    found = drift(generation.path) if generation else None
    if not generation or not found or not found.wanted:
        raise TfprovError("usage", "nothing was installed by hand that could be taken into the profile")
    if context.source.shipped or path.suffix != ".toml" or path.name == "pyproject.toml":
        raise TfprovError(
            "usage",
            f"`{path}` is not a profile of yours to write to",
            evidence=(f"installed by hand: {found}",),
            hint="`tfprov init` makes a profile; name the packages under `[packages] requirements` there",
        )
    # Packages that were installed as dependencies of others are left out: the resolver adds them again.
    names = [one.partition("==")[0] for one in found.wanted]
    others = needed_by_others(generation.path, names)
    asked = [name for name in names if name not in others] or names
    every = [one for library in site_packages(generation.path) for one in distributions_in(library, generation.path)]
    installed = {one.name: one for one in every}
    project = project_of(tuple(installed[name] for name in asked if name in installed), path.parent)
    lines = []
    for line, name in zip(found.wanted, names, strict=True):
        one = installed.get(name)
        if name not in asked or (one is not None and project_of((one,), path.parent) != "no"):
            continue
        origin = one.origin if one is not None else None
        if origin is not None and origin.path is not None and not origin.path.exists():
            raise TfprovError(
                "usage",
                f"`{name}` cannot be taken into the profile",
                evidence=(f"it was installed from `{origin.path}`, which is gone",),
                hint="put that back, or pass `--drift drop`",
            )
        if origin is not None and origin.is_editable:
            text = f"`{name}` was an editable install of `{origin.path}` and becomes a wheel"
            keep = "use `-e` in a requirements file under `packages.files` to keep it editable"
            context.emit(Note(text=f"{text}; {keep}"))
        lines.append(str(ask_for(one)) if one is not None and origin is not None else line)
    changes: dict[str, Value] = {"packages.requirements": tuple(lines)} if lines else {}
    if project != "no":
        changes["packages.project"] = project
    before = text_of(path)
    told = (*lines, *((f'packages.project = "{project}"',) if project != "no" else ()))
    return before, edited(before, changes), told


def _tell(context: Context, text: str, found: Drift | None) -> None:
    offered = ""
    if found is not None:
        command = f"tfprov up {context.request.profile}".rstrip()
        offered = f". `{command} --drift take` writes it into the profile, `{command} --drift drop` makes it without"
    context.emit(Note(text=f"{text}{offered}", level="warning"))
