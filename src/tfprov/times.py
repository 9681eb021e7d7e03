"""Points in time as others write them: pages of indexes, profiles, locks, seals, file systems."""

from __future__ import annotations

import re
from datetime import MAXYEAR, datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def moment(text: str) -> datetime:
    """Parse a date or time as in PEP 700 and `index.exclude-newer`; a date means its end, and the default is UTC.

    Raises:
        ValueError: it is neither.
    """
    # Python 3.10 parses neither `Z` nor fractions of any length, and a fraction does not matter here.
    found = datetime.fromisoformat(re.sub(r"\.\d+", "", text).replace("Z", "+00:00"))
    if len(text) == len("2026-01-01") and found.year < MAXYEAR:
        found += timedelta(days=1)
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def is_moment(text: str) -> bool:
    """Whether a text is one that `moment` parses."""
    try:
        moment(text)
    except ValueError:
        return False
    return True


def shown(seconds: float) -> str:
    """A time of a file (seconds since the epoch) for messages, in UTC; file systems keep more than calendars do."""
    try:
        return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S} UTC"
    except OverflowError:
        return f"{seconds:.0f} s after 1970"
