"""The umask: nothing that tfprov makes is writable for all, and the user's own programs get the user's umask."""

from __future__ import annotations

import os
import stat

_given: list[int] = []


def tighten() -> None:
    """Withhold writing from all others, and nothing from the user, in what this process and its children make.

    For the start: no threads yet.
    """
    _given.append(os.umask(0o077))
    os.umask((_given[-1] | stat.S_IWOTH) & ~stat.S_IRWXU)


def give_back() -> None:
    """Restore the umask that this process was started with, if it was tightened."""
    if _given:
        os.umask(_given.pop())
