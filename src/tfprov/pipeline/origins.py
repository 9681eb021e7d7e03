"""Reports which index serves which package, where more than one index is configured."""

from __future__ import annotations

from collections.abc import Iterable

from packaging.utils import canonicalize_name

from tfprov.errors import TfprovError
from tfprov.fetch.index import Offering, offerings
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.redact import redact, without_userinfo
from tfprov.words import listed

_MOST_NAMES = 3


def origins(context: Context, machine: Machine, projects: Iterable[str], *, are_all: bool = False) -> tuple[str, ...]:
    """Lines that say which index serves which of these projects, and which projects are on several indexes.

    A project that is on more than one index is open to dependency confusion: an attacker can publish a package under
    the name of a private one. There are no lines when only one index is configured, and each project is reported only
    once in a run. A command that does not explain its choices reports only when the newest version wins, whichever
    index has it.

    Args:
        context: of the run.
        machine: provides the network, and records the projects that were reported.
        projects: their names.
        are_all: whether these are all projects, so that an index without any of them is reported, too.
    """
    network = machine.network
    if not network.merged and not context.request.name_indexes:
        return ()
    names = {str(canonicalize_name(name)) for name in projects} - machine.told_origins
    if not network.further or network.offline or machine.unreachable is not None or not names:
        return ()
    machine.told_origins.update(names)
    try:
        found = offerings(
            sorted(names),
            network,
            emit=context.emit,
            deadline=context.deadline,
            known=machine.pages.has,
            only_further=network.merged,
        )
    except TfprovError as error:
        return (f"could not find out which index has which package: {error.what}",)
    lines = []
    if not network.merged:
        # With the strategy `best` a project on several indexes has no single origin: the newest version wins.
        for index in dict.fromkeys(offering.indexes[0] for offering in found):
            served = [offering.project for offering in found if offering.indexes[0] == index]
            lines.append(f"`{_shown(index)}` serves {_quoted(served)}")
    serving = {index for offering in found for index in offering.indexes}
    useless = [index for index in network.further if are_all and index not in serving]
    lines += [f"`{_shown(index)}` has none of the packages" for index in useless]
    return (*lines, *_on_several(found, merged=network.merged))


def _on_several(found: tuple[Offering, ...], *, merged: bool) -> Iterable[str]:
    several = [offering for offering in found if len(offering.indexes) > 1]
    parts = []
    for indexes in dict.fromkeys(offering.indexes for offering in several):
        names = [offering.project for offering in several if offering.indexes == indexes]
        parts.append(f"on {' and '.join(f'`{_shown(index)}`' for index in indexes)}: {_quoted(names)}")
    if not merged:
        return (f"{part}; the first one is used" for part in parts)
    taken = 'the newest version wins; `index.extra` with `index.strategy = "first"` would use the first index'
    return ("; ".join((*parts, taken)),) if parts else ()


def _shown(index: str) -> str:
    return redact(without_userinfo(index))


def _quoted(names: list[str]) -> str:
    return listed([f"`{name}`" for name in names], _MOST_NAMES)
