"""Inflating members of archives: by ISA-L where `tfprov[fast]` brought it, else by zlib.

For TensorFlow's wheel, ISA-L takes a third of zlib's processor time. Both leave the interpreter's lock while they work.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Protocol, cast


class Inflater(Protocol):
    """A stream of raw deflate, as `zlib.decompressobj` gives it."""

    @property
    def eof(self) -> bool:
        """Whether the end was reached."""

    @property
    def unused_data(self) -> bytes:
        """What came behind the end."""

    def decompress(self, data: bytes, /) -> bytes:
        """What the next compressed bytes unfold to."""


def _best() -> tuple[Callable[[int], Inflater], Callable[[bytes, int], int], type[Exception]]:
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.decompressobj, zlib.crc32, zlib.error
    # Its stubs call the exception an instance.
    return isal_zlib.decompressobj, isal_zlib.crc32, cast("type[Exception]", isal_zlib.error)


_decompressobj, crc32, InflateError = _best()
"""Also: the CRC of bytes behind others with a CRC, and what is raised for bytes that are not deflate."""


def inflater() -> Inflater:
    """For one member."""
    return _decompressobj(-15)
