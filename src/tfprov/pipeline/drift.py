"""What becomes of packages that somebody installed or removed by hand in the environment in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfprov.contents import text_of
from tfprov.envs.drift import Drift, drift, needed_by_others
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.paths import write_atomic

if TYPE_CHECKING:
    from tfprov.envs.records import Generation
    from tfprov.pipeline.context import Context


def seen(context: Context, generation: Generation) -> bool:
    """Whether the packages of a generation are still what they were, or more than that and meant to stay; tells it."""
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
    """Say what the generation in use has that a new one will not have."""
    generation = context.environment.active()
    found = drift(generation.path) if generation else None
    if generation and found and found.only_more and context.request.drift != "drop":
        text = f"installed by hand in generation {generation.number} and not in what is made now: {found}"
        _tell(context, text, found)


def take(context: Context) -> None:
    """Write what was installed by hand into the profile.

    Raises:
        TfprovError: there is nothing to take, or it cannot be written there.
    """
    from tfprov.profile.edit import edited

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
    # What came as a dependency comes again as one.
    names = [one.partition("==")[0] for one in found.wanted]
    others = needed_by_others(generation.path, names)
    wanted = tuple(one for one, name in zip(found.wanted, names, strict=True) if name not in others) or found.wanted
    before = text_of(path)
    write_atomic(path, edited(before, {"packages.requirements": wanted}).encode())
    context.emit(Note(text=f"`{path.name}` asks for {', '.join(f'`{one}`' for one in wanted)} now", level="warning"))


def _tell(context: Context, text: str, found: Drift | None) -> None:
    offered = ""
    if found is not None:
        command = f"tfprov up {context.request.profile}".rstrip()
        offered = f". `{command} --drift take` writes it into the profile, `{command} --drift drop` makes it without"
    context.emit(Note(text=f"{text}{offered}", level="warning"))
