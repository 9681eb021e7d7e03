"""Which generations of an environment are kept."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from tfprov.envs.drift import drift
from tfprov.envs.records import Generation


def kind_of(generation: Generation) -> Hashable:
    """What is equal for two generations of the same locked files on the same interpreter, with the same cures.

    One whose packages somebody changed by hand is like no other.
    """
    seal = generation.seal
    return (seal.image, seal.cures) if seal and seal.image and not drift(generation.path) else generation.number


def superfluous(others: Sequence[Generation], active: Generation | None, keep: int) -> tuple[Generation, ...]:
    """What need not be kept: all but one of the same kind, and the oldest of the rest.

    Args:
        others: sealed ones beside the active one, oldest first.
        active: the one in use, which stays; None for none.
        keep: so many stay, the active one included; 0 for all.
    """
    if not keep:
        return ()
    newest = {kind_of(one): one.number for one in (*others, *filter(None, (active,)))}
    kinds = [one for one in others if newest[kind_of(one)] == one.number]
    stay = {one.number for one in kinds[max(0, len(kinds) - (keep - 1)) :]}
    return tuple(one for one in others if one.number not in stay)
