"""Translates Poetry ranges with an `or` to one PEP 440 range that excludes the gaps between the alternatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import Version

_MOST_BLOCKS = 40
"""Maximum number of `!=3.1.*` clauses for one gap; more would not be a plausible range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Interval:
    """An interval of versions.

    Attributes:
        low: lower bound; None for no bound.
        low_in: whether the lower bound itself belongs to the interval.
        high: upper bound; None for no bound.
        high_in: whether the upper bound itself belongs to the interval.
    """

    low: Version | None = None
    low_in: bool = True
    high: Version | None = None
    high_in: bool = False


def union(text: str, parts: Sequence[str]) -> str:
    """One PEP 440 range that matches whatever any of several ranges matches.

    Args:
        text: the range as written, for messages.
        parts: the alternatives, as PEP 440 ranges.

    Raises:
        ValueError: PEP 440 cannot express it.
    """
    try:
        held = [one for one in map(_interval, parts) if not _is_empty(one)]
        # Unpacking an empty list raises ValueError, too.
        whole, *others = sorted(held, key=lambda one: (one.low is not None, one.low or Version("0"), not one.low_in))
        clauses: list[str] = []
        for following in others:
            clauses += _between(whole, following)
            whole = _joined(whole, following)
    except ValueError:
        raise ValueError(f"`{text}` holds an `or`, which PEP 440 has no word for: write one range") from None
    ends = []
    if whole.low is not None:
        ends.append(f"{'>=' if whole.low_in else '>'}{whole.low}")
    if whole.high is not None:
        ends.append(f"{'<=' if whole.high_in else '<'}{whole.high}")
    return ",".join((*ends, *clauses))


def _is_empty(one: _Interval) -> bool:
    if one.low is None or one.high is None:
        return False
    return one.low > one.high or (one.low == one.high and not (one.low_in and one.high_in))


def _interval(part: str) -> _Interval:
    found = _Interval()
    for clause in SpecifierSet(part):
        found = _within(found, _of_clause(clause))
    return found


def _of_clause(clause: Specifier) -> _Interval:
    if clause.operator == "==" and clause.version.endswith(".*"):
        low = Version(clause.version.removesuffix(".*"))
        return _Interval(low=low, high=_next(low.release))
    version = Version(clause.version)
    known = {
        "==": _Interval(low=version, high=version, high_in=True),
        ">=": _Interval(low=version),
        ">": _Interval(low=version, low_in=False),
        "<": _Interval(high=version),
        "<=": _Interval(high=version, high_in=True),
    }
    if clause.operator not in known:
        raise ValueError(clause.operator)
    return known[clause.operator]


def _within(one: _Interval, other: _Interval) -> _Interval:
    low = max((one, other), key=lambda each: (each.low is not None, each.low or Version("0"), not each.low_in))
    tops = [each for each in (one, other) if each.high is not None]
    high = min(tops, key=lambda each: (each.high, each.high_in), default=one)
    return _Interval(low=low.low, low_in=low.low_in, high=high.high, high_in=high.high_in)


def _joined(one: _Interval, other: _Interval) -> _Interval:
    if one.high is None or other.high is None:
        return _Interval(low=one.low, low_in=one.low_in)
    high = max((one, other), key=lambda each: (each.high, each.high_in))
    return _Interval(low=one.low, low_in=one.low_in, high=high.high, high_in=high.high_in)


def _between(one: _Interval, other: _Interval) -> list[str]:
    """Clauses that exclude the gap between two intervals, of which the second does not begin before the first.

    Raises:
        ValueError: clauses with `!=` cannot express the gap.
    """
    if one.high is None or other.low is None or other.low < one.high:
        return []
    if other.low == one.high:
        return [] if one.high_in or other.low_in else [f"!={one.high}"]
    if one.high_in:
        raise ValueError("a gap that does not begin with a version")
    blocks = _blocks(one.high, other.low)
    return blocks if other.low_in else [*blocks, f"!={other.low}"]


def _blocks(low: Version, high: Version) -> list[str]:
    """Clauses such as `!=3.9.*` that exclude all versions from `low` to below `high`, each as wide as possible.

    Raises:
        ValueError: prefixes cannot fill the gap, or it takes more than `_MOST_BLOCKS`.
    """
    found: list[str] = []
    while low < high:
        release = low.release
        while len(release) > 1 and release[-1] == 0 and _next(release[:-1]) <= high:
            release = release[:-1]
        while _next(release) > high:
            release = (*release, 0)
            if len(release) > 4:
                raise ValueError("a gap that no prefixes fill")
        found.append(f"!={'.'.join(map(str, release))}.*")
        if len(found) > _MOST_BLOCKS:
            raise ValueError("too many")
        low = _next(release)
    return found


def _next(release: Sequence[int]) -> Version:
    return Version(".".join(map(str, (*release[:-1], release[-1] + 1))))
