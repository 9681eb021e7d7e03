"""Small things that the tests of the readers share."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tfprov.wants.records import Want, Wants

Read = Callable[..., Wants]


def texts(wants: Iterable[Want]) -> list[str]:
    return [want.text for want in wants]
