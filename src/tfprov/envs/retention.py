"""Decides which generations of an environment are kept."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from tfprov.envs.drift import drift
from tfprov.envs.records import Generation


def kind_of(generation: Generation) -> Hashable:
    """A key that is equal for generations with the same locked files, interpreter and cures.

    A generation whose packages were changed by hand has a key of its own.
    """
    seal = generation.seal
    return (seal.image, seal.cures) if seal and seal.image and not drift(generation.path) else generation.number


def superfluous(others: Sequence[Generation], active: Generation | None, keep: int) -> tuple[Generation, ...]:
    """Generations that need not be kept: all but the newest of each kind, and of those the oldest beyond `keep`.

    Args:
        others: sealed generations except the active one, oldest first.
        active: the active generation, which always stays; None for none.
        keep: how many stay, including the active one; 0 for all.
    """
    if not keep:
        return ()
    newest = {kind_of(one): one.number for one in (*others, *filter(None, (active,)))}
    kinds = [one for one in others if newest[kind_of(one)] == one.number]
    stay = {one.number for one in kinds[max(0, len(kinds) - (keep - 1)) :]}
    return tuple(one for one in others if one.number not in stay)
