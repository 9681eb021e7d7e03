"""No thread may outlive what started it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SECONDS = 20.0
"""The last threads of a child that was given up read its closed pipes; on a busy machine that takes a moment."""


@contextmanager
def none_left() -> Iterator[None]:
    """Fails where threads that were started within do not end soon."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(_SECONDS)
    assert [thread for thread in left if thread.is_alive()] == []
