"""Parts of a file, as sorted lists of offsets."""

from __future__ import annotations

Span = tuple[int, int]
"""First byte, and one past the last."""


def merge(spans: list[Span], new: Span) -> list[Span]:
    """The spans and `new`, sorted, touching ones joined."""
    merged: list[Span] = []
    for start, end in sorted([*spans, new]):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def gaps(spans: list[Span], total: int) -> list[Span]:
    """The spans that are missing from a file of `total` bytes."""
    missing: list[Span] = []
    position = 0
    for start, end in spans:
        if start > position:
            missing.append((position, min(start, total)))
        position = max(position, end)
    if position < total:
        missing.append((position, total))
    return missing
