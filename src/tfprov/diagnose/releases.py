"""The range of Pythons that each TensorFlow release has wheels for, to explain why pip found none.

The ranges come from the tags of the wheels. From 1.15 on they agree with `plan/data/compat.json`, which plans are based
on, and include the Pythons that tfprov does not support, because users still paste logs from those.
"""

from __future__ import annotations

Pythons = tuple[tuple[int, int], tuple[int, int]]

_PYTHONS: dict[tuple[int, int], Pythons] = {
    (1, 13): ((2, 7), (3, 7)),
    (1, 14): ((2, 7), (3, 7)),
    (1, 15): ((2, 7), (3, 7)),
    (2, 0): ((2, 7), (3, 7)),
    (2, 1): ((2, 7), (3, 7)),
    (2, 2): ((3, 5), (3, 8)),
    (2, 3): ((3, 5), (3, 8)),
    (2, 4): ((3, 6), (3, 8)),
    (2, 5): ((3, 6), (3, 9)),
    (2, 6): ((3, 6), (3, 9)),
    (2, 7): ((3, 7), (3, 9)),
    (2, 8): ((3, 7), (3, 10)),
    (2, 9): ((3, 7), (3, 10)),
    (2, 10): ((3, 7), (3, 10)),
    (2, 11): ((3, 7), (3, 10)),
    (2, 12): ((3, 8), (3, 11)),
    (2, 13): ((3, 8), (3, 11)),
    (2, 14): ((3, 9), (3, 11)),
    (2, 15): ((3, 9), (3, 11)),
    (2, 16): ((3, 9), (3, 12)),
    (2, 17): ((3, 9), (3, 12)),
    (2, 18): ((3, 9), (3, 12)),
    (2, 19): ((3, 9), (3, 12)),
    (2, 20): ((3, 9), (3, 13)),
    (2, 21): ((3, 10), (3, 13)),
}


def pythons_of(release: tuple[int, ...] | None) -> Pythons | None:
    """The oldest and newest Python that a release has wheels for, by minor version; None for an unknown release."""
    if release is None or len(release) < 2:
        return None
    return _PYTHONS.get((release[0], release[1]))


def newest_for(python: tuple[int, ...]) -> tuple[int, int] | None:
    """The newest release with wheels for a Python, by minor version; None when there is none."""
    fitting = [release for release, (low, high) in _PYTHONS.items() if low <= python[:2] <= high]
    return max(fitting, default=None)


def oldest_python() -> tuple[int, int]:
    """The oldest Python 3 that any release on the index has wheels for."""
    return (3, 5)


def newest_python() -> tuple[int, int]:
    """The newest Python that any release has wheels for."""
    return max(high for _, high in _PYTHONS.values())
