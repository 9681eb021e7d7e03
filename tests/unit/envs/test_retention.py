from __future__ import annotations

import random

import pytest

from seals import generation
from tfprov.envs.records import Cure
from tfprov.envs.retention import kind_of, superfluous


def test_two_of_one_kind_are_one_and_the_active_one_stays() -> None:
    every = [generation(number, image) for number, image in ((1, "a"), (2, "b"), (3, "b"), (4, "c"))]
    active = generation(5, "c")
    assert [one.number for one in superfluous(every, active, 3)] == [2, 4]
    assert [one.number for one in superfluous(every, active, 2)] == [1, 2, 4]
    assert superfluous(every, active, 0) == ()
    cured = generation(6, "c", cures=(Cure(name="pin", code="x", what="y"),))
    assert [one.number for one in superfluous(every, cured, 9)] == [2]


@pytest.mark.parametrize("seed", range(40))
def test_no_kind_is_lost_while_there_is_room_and_never_the_newest(seed: int) -> None:
    chance = random.Random(seed)
    every = [generation(number, chance.choice("abcde")) for number in range(1, chance.randint(2, 14))]
    active = generation(99, chance.choice("abcde"))
    keep = chance.randint(1, 6)
    gone = {one.number for one in superfluous(every, active, keep)}
    stay = [one for one in every if one.number not in gone]
    kinds = [kind_of(one) for one in (*stay, active)]
    assert len(set(kinds)) == len(kinds) == min(keep, len({kind_of(one) for one in (*every, active)}))
    # What stays of a kind is the newest of it, and no newer kind went for an older one.
    assert all(
        one.number > other.number
        for one in stay
        for other in every
        if other.number in gone and (kind_of(other) == kind_of(one))
    )
