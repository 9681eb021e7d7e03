"""What reading a damaged or malicious archive raises: more than the documentation of zipfile and tarfile says."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator
from functools import cache


@cache
def damage() -> tuple[type[Exception], ...]:
    """The exceptions, apart from OSError."""
    import struct
    import tarfile
    import zipfile
    import zlib

    # For instance a KeyError for a hard link to nothing, an IndexError for an empty name, a ValueError for the map of a
    # sparse file, a RuntimeError for an encrypted member.
    found: list[type[Exception]] = [tarfile.TarError, zipfile.BadZipFile, zlib.error, struct.error, EOFError]
    found += [ValueError, KeyError, IndexError, OverflowError, RuntimeError]
    with contextlib.suppress(ImportError):  # some Pythons are built without it
        from lzma import LZMAError

        found.append(LZMAError)
    return tuple(found)


@contextlib.contextmanager
def damage_as(refusal: Callable[[str], Exception]) -> Iterator[None]:
    """Raise another exception if the block fails because an archive is damaged; failures of the machine pass.

    Args:
        refusal: makes that exception; gets what the library said.
    """
    try:
        yield
    except OSError as error:
        # What gzip and bz2 raise for bad data has no number; an offset before the first byte gives EINVAL.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise refusal(str(error)) from error
    except damage() as error:
        raise refusal(str(error)) from error
